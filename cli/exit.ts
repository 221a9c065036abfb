/** What `swarm` says by exiting. */
export const exitCodes = {
  ok: 0,
  /** The thing asked about is not as hoped, or did not work out. */
  failed: 1,
  usage: 2,
  notFound: 3,
  /** Somebody else's claim, a missing right or a rule stands in the way. */
  refused: 4,
  timeout: 5,
  unreachable: 6,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** One row for each code, as `--help` and the documentation show them. */
export const exitMeanings: readonly (readonly [ExitCode, string])[] = [
  [exitCodes.ok, "done, and as hoped: every seat votes, the payment settled, the proof is valid"],
  [exitCodes.failed, "not as hoped: a seat does not vote, a payment was rejected, a proof is not valid"],
  [exitCodes.usage, "wrong arguments, a file that cannot be read, or a manifest that is not valid"],
  [exitCodes.notFound, "no such swarm, seat, pod or payment"],
  [exitCodes.refused, "a conflict with another manager, a missing right, or a rule that forbids it"],
  [exitCodes.timeout, "not done within the time given; it may still happen"],
  [exitCodes.unreachable, "the API server, the gateway or every validator does not answer"],
];
