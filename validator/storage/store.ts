/** Opens a validator's volume and keeps it: the log, its contents in memory, checkpoints, executed keys and the vault. */
import { randomBytes } from "node:crypto";
import type { Block, Digest, Height } from "../consensus/types.ts";
import { height } from "../consensus/types.ts";
import { checkpointPath, listCheckpoints, readCheckpoint, writeCheckpoint } from "./checkpoints.ts";
import type { Contents } from "./contents.ts";
import { createContents } from "./contents.ts";
import type { Disk } from "./disk.ts";
import type { DurableExecutedKeys } from "./executed-keys.ts";
import { openExecutedKeys } from "./executed-keys.ts";
import type { Record } from "./framing.ts";
import { type Handovers, openHandovers } from "./handovers.ts";
import { markVoting } from "./identity.ts";
import type { Location, Log } from "./log.ts";
import { asStorageFault, openLog } from "./log.ts";
import { segmentPath } from "./log-scan.ts";
import type { Decoded } from "./record.ts";
import {
  batchPrefix,
  decodeRecord,
  encodeEntry,
  encodePrivate,
  outcomePrefix,
  privatePrefix,
  readBlock,
  recordKind,
} from "./record.ts";
import { stageKeys } from "./staged-keys.ts";
import type { Checkpoint, Entry, HeldCheckpoint, StorageFault, Store } from "./types.ts";
import { StorageFaultError } from "./types.ts";
import type { Vault } from "./vault.ts";
import { openVault } from "./vault.ts";

export interface StoreOptions {
  /** Size at which a log segment is closed, bytes. Default 64 MiB. */
  readonly segmentBytes?: number;
  /** Space that must be free to begin a segment, bytes. Default twice a segment. */
  readonly leastFree?: number;
  /** Blocks that a batch in no final block is kept for. Default 1024. */
  readonly batchGrace?: number;
  /** Keys the table in memory holds before `keys.needsFlush`. Default 262,144. */
  readonly keysInMemory?: number;
  /** Secret bytes; the simulator draws them from its seed. Default: the system's. */
  readonly random?: (bytes: number) => Uint8Array;
}

export type StoreOpening =
  | { readonly kind: "ok"; readonly store: Store }
  | { readonly kind: "fault"; readonly fault: StorageFault };

/** Checkpoints kept: the newest, and the one before while peers may still be reading it. */
const checkpointsKept = 2;
/** A segment with a larger share of needed bytes is not dropped yet. */
const mostRewritten = 0.5;

/** Reads the whole volume and verifies every checksum. A fault means that the identity of this volume must not sign again. */
export async function openStore(disk: Disk, directory: string, options: StoreOptions = {}): Promise<StoreOpening> {
  try {
    return { kind: "ok", store: await open(disk, directory, options) };
  } catch (error) {
    return { kind: "fault", fault: asStorageFault(error, directory).fault };
  }
}

async function open(disk: Disk, directory: string, options: StoreOptions): Promise<Store> {
  const random = options.random ?? ((bytes: number) => randomBytes(bytes));
  const segmentBytes = options.segmentBytes ?? 64 << 20;
  const logDirectory = `${directory}/log`;
  const markerPath = `${directory}/boot`;
  const checkpointDirectory = `${directory}/checkpoints`;
  for (const folder of [logDirectory, checkpointDirectory, `${directory}/keys`]) await disk.makeDirectory(folder);
  await disk.syncDirectory(directory);

  const fresh = !(await disk.exists(markerPath)) && (await disk.list(logDirectory)).length === 0;
  const vault = await openVault(disk, `${directory}/vault.key`, fresh, random);
  if (vault.kind === "fault") throw new StorageFaultError(vault.fault);
  const contents = createContents();
  const opening = await openLog(
    disk,
    logDirectory,
    { segmentBytes, leastFree: options.leastFree ?? 2 * segmentBytes, random, markerPath },
    (record, segment) => {
      const decoded = decodeRecord(record.kind, record.payload);
      if (decoded === undefined) {
        const path = segmentPath(logDirectory, segment);
        throw new StorageFaultError({
          kind: "corrupt",
          path,
          offset: record.offset,
          message: "a record of an unknown shape",
        });
      }
      contents.add(decoded, { segment, offset: record.offset, length: record.payload.length });
    },
  );
  if (opening.kind === "fault") throw new StorageFaultError(opening.fault);
  contents.settle();
  if (await disk.exists(`${directory}/identity/bls.key`)) await markVoting(disk, directory);

  const keyOptions = { random, ...(options.keysInMemory === undefined ? {} : { keysInMemory: options.keysInMemory }) };
  const keys = await openExecutedKeys(disk, `${directory}/keys`, keyOptions);
  let newest: Checkpoint | undefined;
  const heights = (await listCheckpoints(disk, checkpointDirectory)).slice(-checkpointsKept);
  for (const at of heights) {
    const read = await readCheckpoint(disk, checkpointDirectory, at);
    if (read.kind === "damaged") {
      const path = checkpointPath(checkpointDirectory, at);
      throw new StorageFaultError({
        kind: "corrupt",
        path,
        offset: read.offset,
        message: "the checkpoint does not match its checksums",
      });
    }
    newest = read.stored.checkpoint;
    if (at === heights.at(-1)) await keys.restore(read.stored.keys);
    else keys.pin(at, read.stored.keys);
  }
  if ((newest?.height ?? 0) < opening.log.checkpoint) {
    const path = checkpointPath(checkpointDirectory, height(opening.log.checkpoint));
    throw new StorageFaultError({ kind: "missing", path, offset: undefined, message: "the newest checkpoint is gone" });
  }
  await keys.sweep();
  const handovers = await openHandovers(disk, `${directory}/handovers`);
  return createStore({
    disk,
    directory: checkpointDirectory,
    log: opening.log,
    contents,
    keys,
    handovers,
    stageKeys: (range) => stageKeys(disk, `${directory}/keys-staged`, keyOptions, range),
    vault: vault.vault,
    newest,
    grace: options.batchGrace ?? 1024,
  });
}

interface Parts {
  readonly disk: Disk;
  /** Of the checkpoints. */
  readonly directory: string;
  readonly log: Log;
  readonly contents: Contents;
  readonly keys: DurableExecutedKeys;
  readonly handovers: Handovers;
  readonly stageKeys: Store["stageKeys"];
  readonly vault: Vault;
  readonly newest: Checkpoint | undefined;
  readonly grace: number;
}

function createStore({
  disk,
  directory,
  log,
  contents,
  keys,
  handovers,
  stageKeys,
  vault,
  newest,
  grace,
}: Parts): Store {
  // Given to the log and not durable yet: readable at once.
  const arriving = new Map<Digest, Block>();
  const arrivingFinals = new Map<number, Extract<Entry, { kind: "final" }>>();
  const arrivingOutcomes = new Map<number, Extract<Entry, { kind: "outcome" }>>();
  let newestCheckpoint = newest?.height ?? 0;
  /** Heights of the checkpoints that somebody reads, once for each reader. */
  const held: Height[] = [];
  let saving: Promise<unknown> = Promise.resolve();
  let pruning: Promise<unknown> = Promise.resolve();

  /** Records of the entries that are not held already, with what the contents learn once they are durable. */
  function prepare(entries: readonly Entry[]): { readonly records: Record[]; readonly says: Decoded[] } {
    const records: Record[] = [];
    const says: Decoded[] = [];
    const after = contents.finalHeight;
    const batches = entries.filter((entry) => entry.kind === "batch");
    const withBatch = batches.length === 1 ? batches[0]?.digest : undefined;
    for (const entry of entries) {
      if (entry.kind === "private") {
        records.push(encodePrivate(entry.message, vault.seal(entry.message, entry.content), after, withBatch));
        says.push(decodeRecord(recordKind.private, Buffer.concat(records.at(-1)!.payload.slice(0, 1)))!);
        continue;
      }
      if (entry.kind === "batch" && contents.touchBatch(entry.digest)) continue;
      if (entry.kind === "block") {
        if (contents.blockAt(entry.block.hash) !== undefined) continue;
        arriving.set(entry.block.hash, entry.block);
      }
      if (entry.kind === "final") arrivingFinals.set(entry.height, entry);
      if (entry.kind === "outcome") arrivingOutcomes.set(entry.height, entry);
      records.push(encodeEntry(entry, after));
      says.push(entry.kind === "batch" ? { kind: "batch", digest: entry.digest, after } : entry);
    }
    return { records, says };
  }

  const learn = (says: readonly Decoded[]) => (locations: readonly Location[]) => {
    for (const [i, said] of says.entries()) {
      contents.add(said, locations[i]!);
      arrived(said);
    }
  };

  function arrived(said: Decoded): void {
    if (said.kind === "block") arriving.delete(said.block.hash);
    if (said.kind === "final" && arrivingFinals.get(said.height) === said) arrivingFinals.delete(said.height);
    if (said.kind === "outcome" && arrivingOutcomes.get(said.height) === said) arrivingOutcomes.delete(said.height);
  }

  async function block(hash: Digest): Promise<Block | undefined> {
    const soon = arriving.get(hash);
    if (soon) return soon;
    const location = contents.blockAt(hash);
    if (location === undefined) return undefined;
    return readBlock(await log.read(location, recordKind.block));
  }

  async function saveCheckpoint(checkpoint: Checkpoint): Promise<void> {
    try {
      const before = await listCheckpoints(disk, directory);
      const again = before.includes(checkpoint.height)
        ? await readCheckpoint(disk, directory, checkpoint.height)
        : undefined;
      const manifest = again?.kind === "ok" ? again.stored.keys : await keys.checkpoint(checkpoint.height);
      await writeCheckpoint(disk, directory, { checkpoint, keys: manifest });
      if (checkpoint.height > newestCheckpoint) {
        await log.demandCheckpoint(checkpoint.height);
        newestCheckpoint = checkpoint.height;
      }
      for (const old of (await listCheckpoints(disk, directory)).slice(0, -checkpointsKept)) {
        if (held.includes(old)) continue;
        await disk.remove(checkpointPath(directory, old));
        await keys.release(old);
      }
    } catch (error) {
      throw asStorageFault(error, directory);
    }
  }

  async function hold(wanted: Height | undefined): Promise<HeldCheckpoint | undefined> {
    for (const at of (await listCheckpoints(disk, directory)).toReversed()) {
      if (wanted !== undefined && at !== wanted) continue;
      held.push(at);
      const release = () => void held.splice(held.indexOf(at), 1);
      const checkpoint = await readKept(at).catch((error: unknown) => {
        release();
        throw error;
      });
      const { proof } = checkpoint;
      if (proof) return { checkpoint: { ...checkpoint, proof }, keys: keys.export(at), release };
      release();
    }
    return undefined;
  }

  /** Throws `StorageFaultError` when it is damaged. */
  async function readKept(at: Height): Promise<Checkpoint> {
    const read = await readCheckpoint(disk, directory, at);
    if (read.kind === "ok") return read.stored.checkpoint;
    const path = checkpointPath(directory, at);
    const message = "the checkpoint does not match its checksums";
    throw new StorageFaultError({ kind: "corrupt", path, offset: read.offset, message });
  }

  async function prune(belowHeight: Height): Promise<void> {
    // Blocks from the newest checkpoint on are needed to execute again after a restart.
    const below = Math.min(belowHeight, newestCheckpoint, ...held);
    // What came to be needed while it was written again is seen by another look; the next pruning goes on.
    for (let looks = 0; log.lowest < log.newest && looks < 1_000; looks++) {
      const segment = log.lowest;
      const needed = contents.needed(segment, below, grace);
      const bytes = needed.records.reduce((sum, { location }) => sum + location.length, 0);
      if (bytes > mostRewritten * log.segmentLength(segment)) return;
      await rewrite(needed);
      const left = contents.needed(segment, below, grace);
      if (left.records.length + left.kept.length > 0) continue;
      contents.forget(segment, below);
      await log.dropBelow(segment + 1);
    }
  }

  async function rewrite(needed: ReturnType<Contents["needed"]>): Promise<void> {
    for (const { kind, location, move } of needed.records) {
      const payload = await log.read(location, recordKind[kind]);
      await log.commit([{ kind: recordKind[kind], payload: [payload] }], ([to]) => move(to!));
    }
    const kept = needed.kept.map(({ entry }) => encodeEntry(entry, 0));
    await log.commit(kept, (locations) => {
      for (const [i, row] of needed.kept.entries()) row.segment = locations[i]!.segment;
    });
  }

  return {
    recovered: { ...contents.recovered(), checkpoint: newest },
    keys,
    handovers: handovers.all,
    saveHandover: async (epoch, bytes) => {
      try {
        await handovers.save(epoch, bytes);
      } catch (error) {
        throw asStorageFault(error, directory);
      }
    },
    stageKeys,
    persist: async (entries) => {
      const { records, says } = prepare(entries);
      try {
        await log.commit(records, learn(says));
      } finally {
        for (const said of says) arrived(said);
      }
    },
    probe: () => log.probe(),
    checkVolume: () => log.check(),
    keep: (entry) => {
      const { records, says } = prepare([entry]);
      if (records.length > 0) log.keep(records, learn(says));
    },
    hasBatch: (digest) => contents.batchAt(digest) !== undefined,
    batch: async (digest) => {
      const location = contents.batchAt(digest);
      return location === undefined ? undefined : (await log.read(location, recordKind.batch)).subarray(batchPrefix);
    },
    privatePayload: async (message) => {
      const location = contents.privateAt(message);
      if (location === undefined) return undefined;
      const sealed = (await log.read(location, recordKind.private)).subarray(privatePrefix);
      const content = vault.open(message, sealed);
      if (content !== undefined) return content;
      const path = segmentPath(`${directory}/../log`, location.segment);
      throw new StorageFaultError({
        kind: "corrupt",
        path,
        offset: location.offset,
        message: "a private payload was not sealed here",
      });
    },
    block,
    outcome: async (at) => {
      const soon = arrivingOutcomes.get(at);
      if (soon) return soon.bytes;
      const location = contents.outcomeAt(at);
      return location && (await log.read(location, recordKind.outcome)).subarray(outcomePrefix);
    },
    finalBlock: async (at) => {
      const soon = arrivingFinals.get(at);
      if (soon) {
        const held = await block(soon.hash);
        return held && { block: held, finalization: soon.finalization };
      }
      const final = contents.finalAt(at);
      if (final === undefined) return undefined;
      const record = decodeRecord(recordKind.final, await log.read(final.location, recordKind.final));
      const held = await block(final.hash);
      return record?.kind === "final" && held ? { block: held, finalization: record.finalization } : undefined;
    },
    get lowestHeight() {
      return contents.lowestHeight;
    },
    saveCheckpoint: (checkpoint) => {
      const next = saving.then(() => saveCheckpoint(checkpoint));
      saving = next.catch(() => {});
      return next;
    },
    checkpoint: async () => {
      const at = (await listCheckpoints(disk, directory)).at(-1);
      return at === undefined ? undefined : readKept(at);
    },
    // After a save under way: it may remove the oldest.
    holdCheckpoint: (at) => {
      const next = saving.then(() => hold(at));
      saving = next.catch(() => {});
      return next;
    },
    prune: (belowHeight) => {
      const next = pruning.then(() => prune(belowHeight));
      pruning = next.catch(() => {});
      return next;
    },
    close: async () => {
      await Promise.allSettled([saving, pruning]);
      await log.close();
      await keys.close();
    },
  };
}
