/** The index of batches: which are held, which may be proposed, which a block still needs. */
import { ancestry, batchesOf } from "./chain.ts";
import { powerOf } from "./power.ts";
import { type Draft, ignore, maxPayload, type PayloadEntry, type State } from "./state.ts";
import type { BatchReference, Block, Digest, SeatIndex } from "./types.ts";

/** A batch is durable here. Its maker held it before it sent it, so both are holders. */
export function batchHeld(draft: Draft, batch: BatchReference, creator: SeatIndex | undefined): void {
  const { state, time } = draft;
  if (state.finalBatches.has(batch.digest)) return ignore(draft, "batch-already-final");
  const known = state.payload.get(batch.digest);
  if (known?.held) return ignore(draft, "batch-already-held");
  if (!known && state.payload.size >= maxPayload) return ignore(draft, "payload-index-full");
  const holders = new Set(known?.holders);
  if (state.self !== undefined) holders.add(state.self);
  if (creator !== undefined) holders.add(creator);
  const readyAt = time.monotonic + state.config.parameters.hintTimeout;
  setEntry(draft, withReadiness(state, { batch, held: true, holders, readyAt, fetching: false }, time.monotonic));
}

/** Members say that they hold a batch. Only a hint: a leader proposes nothing it does not hold itself. */
export function batchHinted(draft: Draft, digest: Digest, seats: readonly SeatIndex[]): void {
  const { state, time } = draft;
  const known = state.payload.get(digest);
  if (!known) return ignore(draft, "hint-of-unknown-batch");
  const holders = new Set([...known.holders, ...seats.filter((seat) => seat < state.config.members.length)]);
  if (holders.size === known.holders.size) return;
  setEntry(draft, withReadiness(state, { ...known, holders }, time.monotonic));
}

function withReadiness(state: State, entry: PayloadEntry, now: number): PayloadEntry {
  const hinted = powerOf(state.config, entry.holders) > state.totals.fault;
  return hinted ? { ...entry, readyAt: Math.min(entry.readyAt, now) } : entry;
}

function setEntry(draft: Draft, entry: PayloadEntry): void {
  draft.state.payload = new Map(draft.state.payload).set(entry.batch.digest, entry);
}

/**
 * Is the whole payload of the block durable here? (rules 3 and 4) What another final block ordered is not: its bytes go
 * with that block, and soon nobody might have them to execute this one with. Honest leaders do not order it again.
 */
export function payloadHeld(state: State, { header, body }: Block): boolean {
  return body.batches.every(
    ({ digest }) => state.finalBatches.get(digest) === header.height || state.payload.get(digest)?.held === true,
  );
}

/** Asks for the batches of a block that are not held, each once. `from` are the likeliest holders. */
export function fetchMissing(draft: Draft, block: Block, from: readonly SeatIndex[]): void {
  const { state } = draft;
  const missing = block.body.batches.filter(({ digest }) => {
    const entry = state.payload.get(digest);
    return !state.finalBatches.has(digest) && entry?.held !== true && entry?.fetching !== true;
  });
  if (missing.length === 0) return;
  const payload = new Map(state.payload);
  for (const batch of missing) {
    const known = payload.get(batch.digest);
    payload.set(batch.digest, {
      batch,
      held: false,
      holders: known?.holders ?? new Set(),
      readyAt: Number.POSITIVE_INFINITY,
      fetching: true,
    });
  }
  state.payload = payload;
  draft.effects.push({ kind: "fetch-batches", batches: missing, from });
}

/** Held batches that no block between the finalized one and `tip` orders, in the order they came. */
export function unordered(state: State, tip: Digest): readonly PayloadEntry[] {
  const chain = ancestry(state, tip);
  if (chain.kind !== "whole") return [];
  const ordered = batchesOf(chain.blocks);
  return [...state.payload.values()].filter((entry) => entry.held && !ordered.has(entry.batch.digest));
}

/**
 * The one predicate "a proposable batch exists" (consensus.md, Idle): since when, in monotonic milliseconds, on top of
 * `tip`; in the future for a batch that waits for hints, undefined when there is none. Leaders and view timers both use it.
 */
export function proposableSince(state: State, tip: Digest): number | undefined {
  const entries = unordered(state, tip);
  return entries.length === 0 ? undefined : Math.min(...entries.map((entry) => entry.readyAt));
}

/** Forgets the batches of final blocks, remembering their digests for as long as late copies may come. */
export function dropFinal(draft: Draft, blocks: readonly Block[]): void {
  const { state } = draft;
  const digests = batchesOf(blocks);
  if (digests.size === 0) return;
  state.payload = new Map([...state.payload].filter(([digest]) => !digests.has(digest)));
  const finalBatches = new Map(state.finalBatches);
  for (const block of blocks)
    for (const { digest } of block.body.batches) finalBatches.set(digest, block.header.height);
  for (const digest of finalBatches.keys()) {
    if (finalBatches.size <= maxPayload) break;
    finalBatches.delete(digest);
  }
  state.finalBatches = finalBatches;
}
