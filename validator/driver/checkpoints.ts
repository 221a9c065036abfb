/** Checkpoints: saved every `checkpointInterval` blocks and at the end of an epoch, proven once a final header names their root. */
import type { Block, Certificate, Height } from "../consensus/types.ts";
import { height as toHeight } from "../consensus/types.ts";
import type { ExecutedBlock, Ledger } from "../ledger/types.ts";
import type { Checkpoint, Store } from "../storage/types.ts";
import type { DiskGuard } from "./disk-guard.ts";
import type { Observer } from "./services.ts";

export interface Checkpoints {
  /** Called with the ledger at the block's height. */
  executed(block: Block, result: ExecutedBlock): Promise<void>;
  /** The block is final by the certificate, which names it. */
  final(block: Block, finalization: Certificate): void;
  /** A peer's checkpoint that this validator now stands on: durable when it resolves. */
  install(checkpoint: Checkpoint): Promise<void>;
}

export interface CheckpointsOptions {
  readonly store: Store;
  readonly guard: DiskGuard;
  readonly ledger: () => Ledger;
  readonly interval: () => number;
  readonly settled: () => Height;
  readonly observe: Observer;
  readonly onFatal: (error: unknown) => void;
}

/** Final headers that may name a checkpoint's root before this member has executed that far. */
const headersKept = 256;

export function createCheckpoints(options: CheckpointsOptions): Checkpoints {
  const { store, guard, ledger, observe } = options;
  const proofs = new Map<Height, { readonly block: Block; readonly finalization: Certificate }>();
  // The first one of a restored chain comes without a proof: the first headers name its root.
  const kept = store.recovered.checkpoint;
  let unproven: Checkpoint | undefined = kept?.proof ? undefined : kept;
  let saving: Promise<void> = Promise.resolve();

  /** Tries again once a disk that refused works again. */
  async function onDisk(work: () => Promise<void>): Promise<void> {
    for (;;) {
      // What the checkpoint stands on is durable before it.
      await guard.persist([]);
      try {
        return await work();
      } catch (error) {
        if (!guard.report(error)) throw error;
        await guard.whenHealthy();
      }
    }
  }

  const save = (checkpoint: Checkpoint) => onDisk(() => store.saveCheckpoint(checkpoint));

  /** Nobody waits for it but the next checkpoint: an epoch begins when the last one of the epoch before it is durable. */
  function later(work: () => Promise<void>): void {
    saving = saving.then(() => onDisk(work)).catch(options.onFatal);
  }

  async function prune(height: Height): Promise<void> {
    const below = Math.min(height, options.settled()) - 2 * options.interval();
    if (below > 0) await store.prune(toHeight(below));
  }

  function prove(): void {
    const proof = unproven && proofs.get(unproven.height);
    if (!unproven || !proof) return;
    const proven = { ...unproven, proof };
    unproven = undefined;
    later(async () => {
      await store.saveCheckpoint(proven);
      await prune(proven.height);
    });
  }

  return {
    async executed(block, { height, root }) {
      if (height % options.interval() !== 0 && !block.header.closing) return;
      const checkpoint: Checkpoint = { height, root, proof: undefined, parts: ledger().snapshot() };
      await saving;
      await save(checkpoint);
      observe({ kind: "checkpoint", height });
      later(() => prune(height));
      unproven = checkpoint;
      prove();
    },
    async install(checkpoint) {
      unproven = undefined;
      await saving;
      await save(checkpoint);
    },
    final(block, finalization) {
      if (finalization.block !== block.hash) return;
      const { rootHeight } = block.header;
      if (proofs.has(rootHeight)) return;
      proofs.set(rootHeight, { block, finalization });
      for (const height of proofs.keys()) {
        if (proofs.size <= headersKept) break;
        proofs.delete(height);
      }
      prove();
    },
  };
}
