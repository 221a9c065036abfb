/**
 * Proves that a checkpoint can be restored, by restoring it: into a scratch volume, with the validators' own code, which
 * then starts a validator on it, executes the final blocks above, and stands at the root that a quorum certified.
 */

import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { height as toHeight } from "../validator/consensus/types.ts";
import { blsSigner } from "../validator/crypto/bls.ts";
import { ed25519Signer } from "../validator/crypto/ed25519.ts";
import { startDriver } from "../validator/driver/driver.ts";
import type { Network } from "../validator/driver/ports.ts";
import { createSystemClock } from "../validator/driver/system-clock.ts";
import { createNodeDisk } from "../validator/storage/node-disk.ts";
import { openStore } from "../validator/storage/store.ts";
import { StorageFaultError, type Store } from "../validator/storage/types.ts";
import { type Believed, believe, type Opened, readChunk } from "./check.ts";
import { type Failure, failed } from "./result.ts";
import type { ObjectStore } from "./store.ts";
import { isBatchOf } from "./tail.ts";
import type { Progress } from "./write.ts";

export interface Rehearsal {
  readonly kind: "rehearsed";
  /** Height that the scratch validator reached. */
  readonly replayedTo: number;
  /** The certified root it has there, hexadecimal. */
  readonly stateRoot: string;
  readonly payments: number;
}

export interface RehearseOptions {
  readonly store: ObjectStore;
  readonly opened: Opened;
  /** A folder for the scratch volume: emptied before and after. */
  readonly scratch: string;
  readonly onProgress: (progress: Progress) => void;
}

/** Rejects with `StoreError` when the destination does not answer. */
export async function rehearse(options: RehearseOptions): Promise<Rehearsal | Failure> {
  const { scratch } = options;
  await rm(scratch, { recursive: true, force: true });
  try {
    const believed = await inVolume(scratch, (volume) => install(options, volume));
    if (believed.kind === "failed") return believed;
    options.onProgress({ step: "replaying", chunks: 0, bytes: 0 });
    return await inVolume(scratch, (volume) => replay(volume, believed));
  } catch (error) {
    if (!(error instanceof StorageFaultError)) throw error;
    return failed("ScratchFailed", `the scratch volume: ${error.message}`);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Opens the volume as a validator does at its start. Throws `StorageFaultError` when it cannot. */
export async function inVolume<T>(directory: string, work: (volume: Store) => Promise<T>): Promise<T> {
  const opening = await openStore(createNodeDisk(directory), directory, {
    segmentBytes: 16 << 20,
    leastFree: 32 << 20,
  });
  if (opening.kind === "fault") throw new StorageFaultError(opening.fault);
  try {
    return await work(opening.store);
  } finally {
    await opening.store.close();
  }
}

/** What a validator that was given a peer's checkpoint has on its volume, and the blocks above. */
async function install({ store, opened, onProgress }: RehearseOptions, volume: Store): Promise<Believed | Failure> {
  onProgress({ step: "restoring", chunks: 0, bytes: 0 });
  const believed = await believe(store, opened, volume);
  if (believed.kind === "failed") return believed;
  const { checkpoint, handovers, tail } = believed;
  for (const { epoch, bytes } of handovers) await volume.saveHandover(epoch, bytes);
  for (const [i, block] of tail.blocks.entries()) {
    if (block.header.height > tail.to) break;
    for (const [index, chunk] of (opened.manifest.replay.blocks[i]?.batches ?? []).entries()) {
      const read = await readChunk(store, chunk);
      if (read.kind === "failed") return read;
      if (!isBatchOf(block, index, read.bytes)) return failed("Forged", "a batch above is not the one its block names");
      const digest = block.body.batches[index]!.digest;
      await volume.persist([{ kind: "batch", digest, bytes: read.bytes }]);
    }
    const { hash, header } = block;
    const final = { kind: "final", height: header.height, hash, finalization: tail.finalization } as const;
    await volume.persist([{ kind: "block", block }, final]);
  }
  await volume.saveCheckpoint(checkpoint);
  return believed;
}

async function replay(volume: Store, { chain, tail }: Believed): Promise<Rehearsal | Failure> {
  const signers = { bls: blsSigner(randomBytes(32)), peer: ed25519Signer(randomBytes(32)) };
  const certified = tail.blocks.at(-1)?.header.root;
  let fault: unknown;
  const driver = await startDriver({
    clock: createSystemClock(),
    network: alone,
    store: volume,
    chain,
    signers,
    peerName: (peerKey) => peerKey,
    addressesOf: () => [],
    observe: () => {},
    onFatal: (error) => {
      fault ??= error;
    },
    onMoved: () => {},
  });
  const { executedHeight, stateRoot, settledPayments } = driver.services.status();
  await driver.stop();
  if (fault) throw fault;
  if (executedHeight !== tail.to)
    return failed("Truncated", `the blocks above execute to height ${executedHeight}, not to ${toHeight(tail.to)}`);
  if (stateRoot !== certified)
    return failed("RootMismatch", `height ${tail.to}: computed ${stateRoot}, certified ${certified}`);
  return { kind: "rehearsed", replayedTo: executedHeight, stateRoot, payments: settledPayments };
}

/** Nobody is reached, nobody reaches it. */
const alone: Network = {
  self: "scratch",
  setPeers: () => {},
  broadcast: () => {},
  request: () => Promise.resolve({ kind: "failed", failure: { kind: "unreachable", message: "a scratch validator" } }),
  onBroadcast: () => {},
  onRequest: () => {},
  onPeer: () => {},
  onRoundTrip: () => {},
  penalize: () => {},
};
