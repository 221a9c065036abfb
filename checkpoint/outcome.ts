/**
 * What a run of the program ended in, as the operator reads it from its pod's termination message: at most 4,096 bytes
 * of JSON. Here are the shape and both directions, so that the two cannot part.
 */
import { z } from "zod";

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().min(0);

const written = z.strictObject({
  chainId: digest,
  height: count,
  epoch: count,
  stateRoot: digest,
  /** Key at the destination. */
  manifest: z.string().max(1_024),
  manifestDigest: digest,
  chunks: count,
  bytes: count,
  /** ms since the Unix epoch. */
  completedAt: count,
});

const failure = z.strictObject({ reason: z.string().max(64), message: z.string().max(1_024) });

const shape = z.strictObject({
  written: written.optional(),
  verification: z.strictObject({ verifiedAt: count, replayedTo: count, stateRoot: digest }).optional(),
  pruned: z.strictObject({ manifests: count, chunks: count, held: count, kept: count }).optional(),
  /** What was not done, and why. */
  failure: failure.optional(),
});

export type RunOutcome = z.infer<typeof shape>;

const longestSentence = 1_024;

export function encodeOutcome(outcome: RunOutcome): string {
  const { failure: why } = outcome;
  const cut = why && { ...why, message: why.message.slice(0, longestSentence) };
  return JSON.stringify({ ...outcome, ...(cut && { failure: cut }) });
}

/** Undefined when the text is none. */
export function decodeOutcome(text: string): RunOutcome | undefined {
  try {
    return shape.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
