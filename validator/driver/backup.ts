/** A checkpoint for somewhere else than this volume: with its proof, and final blocks above it that show that it can be gone on from. */
import { utf8ToBytes } from "@noble/hashes/utils.js";
import type { Block, Certificate, Height } from "../consensus/types.ts";
import { height as toHeight } from "../consensus/types.ts";
import { canonicalJson } from "../ledger/genesis.ts";
import type { HeldCheckpoint, Store } from "../storage/types.ts";
import type { DiskGuard } from "./disk-guard.ts";
import type { Chain } from "./ledger-port.ts";
import type { Clock } from "./ports.ts";
import type { Proofs } from "./proofs.ts";
import type { BackupOptions, BackupPart, BackupResult } from "./services.ts";
import type { Status } from "./status.ts";

export interface BackupsOptions {
  readonly clock: Clock;
  readonly chain: Chain;
  readonly store: Store;
  readonly proofs: Pick<Proofs, "wayTo">;
  readonly status: Pick<Status, "watch">;
  readonly guard: Pick<DiskGuard, "persist">;
}

/** Longest wait for as many blocks as are asked for, ms: a chain that rests makes few, and one will do. */
const patienceMs = 10_000;
/** Blocks looked at for one that a certificate finalizes itself, beyond those asked for. */
const mostBeyond = 256;

const none = (reason: string) => ({ kind: "none", reason }) as const;

/** Final blocks above a checkpoint, and the finalization of the last, whose header names the root at `replayTo`. */
interface Tail {
  readonly kind: "tail";
  readonly blocks: readonly Block[];
  readonly finalization: Certificate;
  readonly replayTo: Height;
}

export function createBackups(options: BackupsOptions) {
  const { clock, chain, store, proofs } = options;

  async function finalBlock(height: Height) {
    const known = await store.finalBlock(height);
    if (known) return known;
    // The newest entries can be read once they are durable.
    await options.guard.persist([]);
    return store.finalBlock(height);
  }

  /** Resolves at the next change, or after the time; false: it is over. */
  function change(left: number, signal: AbortSignal): Promise<boolean> {
    if (left <= 0 || signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const done = (changed: boolean) => {
        unwatch();
        cancel();
        signal.removeEventListener("abort", aborted);
        resolve(changed);
      };
      const aborted = () => done(false);
      const unwatch = options.status.watch(() => done(true));
      const cancel = clock.after(left, () => done(false));
      signal.addEventListener("abort", aborted, { once: true });
    });
  }

  /** Blocks of the proof's epoch alone: its set is the one that the proof's reader has come to trust. */
  async function tailAbove(
    { checkpoint }: HeldCheckpoint,
    replay: number,
    signal: AbortSignal,
  ): Promise<Tail | ReturnType<typeof none>> {
    const { height, proof } = checkpoint;
    const { epoch } = proof.block.header;
    const blocks: Block[] = [];
    const deadline = clock.now().monotonic + patienceMs;
    let best: Tail | undefined;
    for (;;) {
      const final = await finalBlock(toHeight(height + blocks.length + 1));
      if (!final) {
        if (await change(deadline - clock.now().monotonic, signal)) continue;
        return best ?? none("the chain did not go on above its checkpoint");
      }
      const { block, finalization } = final;
      if (block.header.epoch !== epoch)
        return best ?? none("an epoch ended just above its checkpoint: the next one is made by now");
      blocks.push(block);
      const { rootHeight } = block.header;
      if (finalization.block === block.hash && rootHeight > height) {
        best = { kind: "tail", blocks: [...blocks], finalization, replayTo: rootHeight };
        if (rootHeight >= height + replay) return best;
      }
      if (blocks.length > replay + mostBeyond)
        return best ?? none("no certificate finalizes a block above its checkpoint itself");
    }
  }

  async function* parts(
    held: HeldCheckpoint,
    tail: Tail,
    handovers: readonly Uint8Array[],
  ): AsyncGenerator<BackupPart> {
    try {
      const { checkpoint, keys } = held;
      const { height, root, proof } = checkpoint;
      const { blocks, finalization, replayTo } = tail;
      const genesis = utf8ToBytes(canonicalJson(chain.genesis));
      yield { kind: "head", height, root, genesis, proof, handovers, finalization, replayTo };
      for (const block of blocks) {
        yield { kind: "block", block };
        if (block.header.height > replayTo) continue;
        for (const { digest } of block.body.batches) {
          const content = await store.batch(digest);
          // A final block's batch is kept as long as the block.
          if (!content) throw new Error(`batch ${digest} of block ${block.header.height} is not here`);
          yield { kind: "batch", content };
        }
      }
      for (const content of checkpoint.parts) yield { kind: "state", content };
      for (let part = 0; part < (keys?.parts ?? 0); part++) yield { kind: "keys", content: await keys!.part(part) };
    } finally {
      held.release();
    }
  }

  return async ({ height, replay }: BackupOptions, signal: AbortSignal): Promise<BackupResult> => {
    const held = await store.holdCheckpoint(height);
    if (!held) {
      const which = height === undefined ? "no proven checkpoint yet" : `no proven checkpoint of height ${height}`;
      return none(`this validator has ${which}`);
    }
    try {
      const handovers = proofs.wayTo(held.checkpoint.proof.block.header.epoch);
      const tail = handovers ? await tailAbove(held, Math.max(1, replay), signal) : undefined;
      if (handovers && tail?.kind === "tail") return { kind: "parts", parts: parts(held, tail, handovers) };
      held.release();
      return tail?.kind === "none" ? tail : none("the way from genesis to its checkpoint's epoch is not kept here");
    } catch (error) {
      held.release();
      throw error;
    }
  };
}
