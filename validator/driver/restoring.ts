/** Standing on a peer's checkpoint: the ledger replaced, the core moved up, execution resumed from there. */

import type { State } from "../consensus/state.ts";
import type { Block, Certificate, Digest, Height, Input, SeatIndex } from "../consensus/types.ts";
import { height as toHeight } from "../consensus/types.ts";
import type { SettlementLedger } from "../ledger/execute.ts";
import type { Store } from "../storage/types.ts";
import type { Batches } from "./batches.ts";
import {
  type CheckpointFetch,
  type FetchedCheckpoint,
  fetchCheckpoint,
  type TransferOptions,
} from "./checkpoint-transfer.ts";
import type { Checkpoints } from "./checkpoints.ts";
import type { DiskGuard } from "./disk-guard.ts";
import type { Executor } from "./executor.ts";
import type { MessageIndex } from "./message-index.ts";
import type { Outbox } from "./outbox.ts";
import type { Clock } from "./ports.ts";
import { moveCore, wasExecuted } from "./recovery.ts";
import type { Observer } from "./services.ts";
import type { Settlement } from "./settlement.ts";
import type { Submissions } from "./submissions.ts";

export interface RestoringOptions extends TransferOptions {
  readonly store: Store;
  readonly guard: DiskGuard;
  readonly executor: Executor;
  readonly outbox: Outbox;
  readonly settlement: Settlement;
  readonly checkpoints: Checkpoints;
  readonly clock: Clock;
  readonly batches: Batches;
  readonly index: MessageIndex;
  readonly submissions: Submissions;
  readonly state: () => State;
  readonly ledger: () => SettlementLedger;
  /** The ledger from now on; `time` is that of its newest block. */
  readonly replaceLedger: (ledger: SettlementLedger, time: number) => void;
  readonly replaceCore: (state: State) => void;
  readonly feed: (input: Input) => void;
  readonly commit: (block: Block, finalization: Certificate) => void;
  /** This process stands in a later epoch than it runs in: it has to begin anew. */
  readonly onMoved: () => void;
  readonly penalize: (seat: SeatIndex, reason: string) => void;
  readonly observe: Observer;
}

/** Fetches, verifies and installs the newest checkpoint of a member; true when this validator now stands on it. */
export function createRestoring(options: RestoringOptions): (seat: SeatIndex) => Promise<boolean> {
  const { store, guard, executor, outbox, settlement, checkpoints, state, ledger, keys, feed } = options;

  /** Final blocks in the log above the height, up to the newest as of when it resolves. */
  async function finalBlocksAbove(height: Height): Promise<readonly Block[]> {
    const blocks: Block[] = [];
    while (height + blocks.length < state().finalized.height) {
      const at = toHeight(height + blocks.length + 1);
      let final = await store.finalBlock(at);
      if (!final) {
        await guard.persist([]);
        final = await store.finalBlock(at);
      }
      if (!final) throw new Error(`final block ${at} is missing from the log`);
      blocks.push(final.block);
    }
    return blocks;
  }

  /**
   * Held batches that a block below the checkpoint has: they are not to be proposed again, and who waits for their
   * messages is answered. The executed keys tell, and the core as far as it saw the blocks.
   */
  async function dropOrdered(height: Height): Promise<ReadonlySet<Digest>> {
    const { index, batches, submissions, clock } = options;
    const known = state().finalBatches;
    const ordered = new Set<Digest>();
    for (const digest of [...index.batches()]) {
      const stored = await batches.load(digest);
      if (!stored) continue;
      if (
        (known.get(digest) ?? Number.POSITIVE_INFINITY) > height &&
        !stored.batch.messages.some((each) => wasExecuted(store, each))
      )
        continue;
      ordered.add(digest);
      index.remove(stored.batch);
    }
    for (const pending of [...submissions.all()]) {
      const { message } = pending.submission;
      if (!wasExecuted(store, message) && !(pending.batch && ordered.has(pending.batch))) continue;
      submissions.complete(message.header.institution, message.header.messageKey);
      submissions.accept(pending, clock.now().monotonic);
    }
    return ordered;
  }

  /**
   * Into a later epoch: everything from the set on is another, and the record on disk says it all. It is written, and the
   * process begins anew from it, as it would after a crash.
   */
  async function cross(
    { checkpoint, handovers, blocks, finalization }: FetchedCheckpoint,
    from: Height,
  ): Promise<boolean> {
    await executor.abandon();
    await outbox.idle();
    // Who asks this member is shown the way as well.
    for (const { epoch, bytes } of handovers) await store.saveHandover(epoch, bytes);
    const { height } = checkpoint;
    const [first] = blocks;
    if (first) {
      store.keep({ kind: "block", block: first });
      store.keep({ kind: "final", height, hash: first.hash, finalization });
    }
    settlement.jump(height, finalization);
    await checkpoints.install(checkpoint);
    options.observe({ kind: "catch-up", from, to: height, source: "checkpoint" });
    options.onMoved();
    return false;
  }

  /** The first epoch of a restored chain, whose anchor only its state has. */
  const beginsLater = (fetched: FetchedCheckpoint) =>
    fetched.ledger.epochConfig.anchor.height !== keys().config.anchor.height;

  return async (seat) => {
    const from = ledger().executed.height;
    let fetched: CheckpointFetch;
    try {
      fetched = await fetchCheckpoint(options, seat, from);
    } catch (error) {
      // The volume's fault: voting stops, and another try comes once it works.
      if (!guard.report(error)) throw error;
      return false;
    }
    if (fetched.kind === "dishonest") options.penalize(seat, `${fetched.fault}: ${fetched.reason}`);
    if (fetched.kind !== "fetched") return false;
    const { checkpoint, blocks, finalization } = fetched;
    const [first, ...rest] = blocks;
    const stale = ledger().executed.height >= checkpoint.height;
    const elsewhere = fetched.keys.config.epoch !== keys().config.epoch || beginsLater(fetched);
    if (!stale && elsewhere) return cross(fetched, from);
    if (!first || stale || first.header.epoch !== keys().config.epoch) return false;
    await executor.abandon();
    await outbox.idle();
    const ordered = await dropOrdered(checkpoint.height);
    options.replaceLedger(fetched.ledger, first.header.time);
    const before = state();
    const { height, root, coverage } = fetched.ledger.executed;
    if (before.finalized.height < height) {
      store.keep({ kind: "block", block: first });
      store.keep({ kind: "final", height, hash: first.hash, finalization });
      const executed = [{ height, root, coverage }];
      options.replaceCore(moveCore(before, { finalized: { blocks, finalization }, executed, ordered }));
      settlement.jump(height, finalization);
      executor.resume([]);
      for (const block of rest) options.commit(block, finalization);
      feed({ kind: "start" });
    } else {
      // Only execution was behind: the final blocks above the checkpoint are in the log.
      settlement.jump(height, finalization);
      feed({ kind: "executed", height, root, coverage });
      executor.resume(await finalBlocksAbove(height));
    }
    await checkpoints.install(checkpoint);
    options.observe({ kind: "catch-up", from, to: height, source: "checkpoint" });
    return true;
  };
}
