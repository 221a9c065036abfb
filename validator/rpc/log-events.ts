/**
 * Every line a validator can log, in one table: `docs/log-events.md` is generated from it.
 * Only the fields named here are written, and they are numbers, booleans or short words of our own: no payload, no key,
 * no name of a customer can reach a log through them.
 */

/** Severity, as pino writes it. */
type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal";

export interface LogEventRow {
  readonly level: LogLevel;
  readonly fields: readonly string[];
  /** What happened and, for warnings and worse, what to do. */
  readonly help: string;
}

export const logEvents = {
  started: {
    level: "info",
    fields: ["version", "rpcPort", "metricsPort", "p2pAddresses"],
    help: "The process serves its ports.",
  },
  "waiting-for-genesis": {
    level: "info",
    fields: ["blsKey", "peerKey"],
    help: "No chain yet: ProvideGenesis starts it. The keys are the public halves.",
  },
  "waiting-for-state": {
    level: "info",
    fields: ["restores", "height"],
    help: "The genesis names a chain that is restored: ProvideState brings what it begins with.",
  },
  "state-restored": {
    level: "info",
    fields: ["height", "root"],
    help: "The state is on the volume: its root on the restored chain is the one that the recovery statement names.",
  },
  "chain-started": {
    level: "info",
    fields: ["chainId", "epoch", "height"],
    help: "The chain is loaded and the validator runs.",
  },
  stopping: { level: "info", fields: ["signal"], help: "Asked to stop: voting ends, then everything closes." },
  stopped: { level: "info", fields: [], help: "Closed in order." },
  fatal: {
    level: "fatal",
    fields: ["error", "stack"],
    help: "A bug or an unexpected failure: the process exits with code 1. Report it; start it again.",
  },
  "volume-fault": {
    level: "fatal",
    fields: ["fault", "path", "offset", "error"],
    help: "The record cannot be trusted: this identity signs nothing any more. The process stays to report itself as retired, or exits with code 3 without good keys. Bring the seat back as a learner under a new key.",
  },
  "certificate-renewed": { level: "info", fields: [], help: "New connections are shown the renewed certificate." },
  "certificate-unusable": {
    level: "warn",
    fields: ["error"],
    help: "The renewed certificate, key or authority cannot be used; new connections still see the old ones. Mend the files before those expire.",
  },
  "volume-busy": {
    level: "fatal",
    fields: ["path"],
    help: "Another process runs on the volume: this one exits with code 6. Find out why it was started twice.",
  },
  "genesis-refused": {
    level: "error",
    fields: ["reason"],
    help: "The genesis document was not taken. Provide the one the other members hold.",
  },
  "address-taken": {
    level: "fatal",
    fields: ["error"],
    help: "A port is in use: the process exits with code 4. Stop the other process or change the port.",
  },
  epoch: { level: "info", fields: ["epoch", "members"], help: "A validator set begins." },
  checkpoint: { level: "info", fields: ["height"], help: "A checkpoint is durable." },
  "catch-up": {
    level: "info",
    fields: ["from", "to", "source"],
    help: "Blocks or a checkpoint were fetched because this validator was behind.",
  },
  "view-timed-out": {
    level: "info",
    fields: ["view", "leader"],
    help: "No block came in time. Now and then is normal; often points at the leader's machine or network.",
  },
  "region-degraded": {
    level: "warn",
    fields: ["region", "height"],
    help: "Settlement no longer waits for the region. Look why it is silent.",
  },
  "region-restored": { level: "info", fields: ["region", "height"], help: "Settlement waits for the region again." },
  "peer-connected": { level: "info", fields: ["peer"], help: "A member is reached." },
  "peer-disconnected": { level: "info", fields: ["peer"], help: "A member's connection closed." },
  "peer-unreachable": {
    level: "warn",
    fields: ["peer", "silentMs"],
    help: "A member was not heard for unreachableAfterMs. Check its process and the network between.",
  },
  "peer-reachable": { level: "info", fields: ["peer", "silentMs"], help: "An unreachable member is heard again." },
  "peer-penalized": {
    level: "warn",
    fields: ["peer", "reason"],
    help: "A peer sent bytes that cannot be honest. Once may be an old version; again and again, look at that member.",
  },
  equivocation: {
    level: "error",
    fields: ["peer", "evidence"],
    help: "A member signed two things the rules forbid together. Keep the evidence; its power is removed at the next epoch.",
  },
  "vote-received": {
    level: "trace",
    fields: ["peerId", "vote", "epoch", "view", "block"],
    help: "A vote came from the peer with this key. Two of one kind in one view for different blocks are a double vote.",
  },
  "bad-vote": {
    level: "warn",
    fields: ["signer", "vote"],
    help: "A member's vote does not verify. Tell the member: its key or its software is wrong.",
  },
  quarantined: {
    level: "error",
    fields: ["height", "own", "certified"],
    help: "A quorum certified another state root than this validator's: it stopped voting. Replace the seat and keep its volume.",
  },
  "disk-fault": {
    level: "error",
    fields: ["fault"],
    help: "The disk failed: nothing is signed until it recovers. Free space or replace the volume.",
  },
  "disk-recovered": { level: "info", fields: [], help: "The disk works again." },
  "voting-stopped": {
    level: "warn",
    fields: ["reason"],
    help: "Nothing is signed, for the reason given. Signing resumes by itself once that is over.",
  },
  "voting-resumed": { level: "info", fields: ["reason"], help: "Signing goes on." },
  "rpc-failed": {
    level: "error",
    fields: ["method", "error", "stack"],
    help: "A call failed in an unforeseen way: a bug. The caller got INTERNAL without details.",
  },
  "rpc-connection-refused": {
    level: "debug",
    fields: ["reason"],
    help: "A client's TLS handshake or connection was refused.",
  },
  "export-failed": {
    level: "warn",
    fields: ["error"],
    help: "Traces could not be exported. Payments are not affected.",
  },
} as const satisfies Record<string, LogEventRow>;

export type LogEventName = keyof typeof logEvents;

/** The page `docs/log-events.md`. */
export function logEventsDocument(): string {
  const rows = Object.entries<LogEventRow>(logEvents).map(
    ([name, row]) =>
      `| \`${name}\` | ${row.level} | ${row.fields.map((field) => `\`${field}\``).join(", ")} | ${row.help} |`,
  );
  return [
    "<!-- Made by `npm run generate` from validator/rpc/log-events.ts. -->",
    "# Log events of a validator",
    "",
    "One JSON object a line on standard output: `time` (ms since the Unix epoch), `level`, `seat`, `event`, and the fields of the event. Text is cut at 256 characters (`stack` at 4,096). Keys, payloads and names are never logged.",
    "",
    "| event | level | fields | meaning |",
    "|---|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}
