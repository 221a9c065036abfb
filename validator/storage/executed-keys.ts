/**
 * Keys of executed payments with bounded memory: a table of the newest, immutable sorted files of the rest, and Bloom
 * filters in memory that answer for nearly every new key. Keys are grouped in runs of at most `runKeys`: one filter per
 * run, whose files are merged into one in the background, a bounded piece per flush. Not durable by itself: a
 * checkpoint's manifest names the files that hold everything up to its height, and a restart goes on from there.
 */
import type { ExecutedKeys, KeyLocation } from "../ledger/types.ts";
import type { Disk } from "./disk.ts";
import type { KeyExport } from "./key-export.ts";
import { exportKeys, restoreSegment } from "./key-export.ts";
import type { KeyManifest } from "./key-manifest.ts";
import { decodeManifest, encodeManifest } from "./key-manifest.ts";
import type { KeyMerge } from "./key-merge.ts";
import { startMerge } from "./key-merge.ts";
import type { KeySegment } from "./key-segment.ts";
import { createSegmentWriter, findInSegment } from "./key-segment.ts";
import type { HashSeed, KeyFilter, KeyTable } from "./key-table.ts";
import {
  addToFilter,
  createFilter,
  createTable,
  entryWords,
  findSlot,
  growTable,
  hashAgain,
  hashKey,
  hashSeed,
  mayContain,
  seedWords,
  slotWords,
  sortedSlots,
} from "./key-table.ts";
import { asStorageFault } from "./log.ts";
import { StorageFaultError } from "./types.ts";

/** What storage and the driver need beyond what the ledger does. `add` and `find` throw `StorageFaultError` when a file is damaged. */
export interface DurableExecutedKeys extends ExecutedKeys {
  /** Keys held, those forgotten not counted. */
  readonly size: number;
  /** The table is full: await `flush` before the next block. It may grow by one block in between. */
  readonly needsFlush: boolean;
  /** Moves the table to a file and does a bounded piece of merging. */
  flush(): Promise<void>;
  /** Makes everything up to this height durable; the manifest restores it. Keys of later blocks may be there already. The files stay until `release`. */
  checkpoint(height: number): Promise<Uint8Array>;
  /** Becomes what it was at the checkpoint. Rejects with `StorageFaultError` when a file is gone or damaged. */
  restore(manifest: Uint8Array): Promise<void>;
  /** Keeps the files of another retained checkpoint. */
  pin(height: number, manifest: Uint8Array): void;
  release(height: number): Promise<void>;
  /** Removes files that nothing refers to. */
  sweep(): Promise<void>;
  /** The keys of a pinned checkpoint in parts of at most 1 MiB, for a peer; undefined when it is not pinned. */
  export(height: number): KeyExport | undefined;
  /** Adds the keys of blocks above `above` of another's part; `malformed` when it is none. Heights above `height` are refused too. */
  import(part: Uint8Array, height: number, above?: number): Promise<"ok" | "malformed">;
  close(): Promise<void>;
}

export interface ExecutedKeysOptions {
  readonly random: (bytes: number) => Uint8Array;
  /** Keys in the table before `needsFlush`. Default 262,144. */
  readonly keysInMemory?: number;
  /** Keys of a run. Default 10,485,760: a filter of 16 MiB. */
  readonly runKeys?: number;
}

interface Run {
  readonly filter: KeyFilter;
  segments: KeySegment[];
  keys: number;
}

/** Entries merged per entry flushed: a run is merged well before the next is full. */
const mergeShare = 1.5;
/** Small files of the open run that are merged into one. */
const mostSmallSegments = 40;

/** Starts empty: call `restore` for what a checkpoint holds, then `sweep`. */
export async function openExecutedKeys(
  disk: Disk,
  directory: string,
  options: ExecutedKeysOptions,
): Promise<DurableExecutedKeys> {
  const limit = options.keysInMemory ?? 1 << 18;
  const runKeys = options.runKeys ?? 40 << 18;
  const path = (number: number) => `${directory}/${String(number).padStart(10, "0")}.keys`;
  const onDisk = async (): Promise<number[]> => {
    const found: number[] = [];
    for (const name of await disk.list(directory)) {
      const match = /^([0-9]{10})\.keys$/.exec(name);
      if (match) found.push(Number(match[1]));
    }
    return found;
  };
  let nextNumber = Math.max(0, ...(await onDisk())) + 1;
  let seed: HashSeed = hashSeed(options.random(seedWords * 4));
  const newTable = () => createTable(2 ** Math.ceil(Math.log2(limit * 1.7)));
  const newRun = (): Run => ({ filter: createFilter(runKeys), segments: [], keys: 0 });

  let table: KeyTable = newTable();
  /** On its way to a file. */
  let frozen: KeyTable | undefined;
  let spare: KeyTable | undefined;
  let runs: Run[] = [newRun()];
  let open: Run = runs[0]!;
  let merge: { readonly run: Run; readonly inputs: readonly KeySegment[]; readonly work: KeyMerge } | undefined;
  let forgotten = 0;
  let count = 0;
  const pinned = new Map<number, KeyManifest>();
  const dropped: KeySegment[] = [];
  let working: Promise<unknown> = Promise.resolve();

  function lookup(
    run: Run,
    h: number,
    g: number,
    a: number,
    b: number,
    c: number,
    d: number,
    e: number,
  ): KeyLocation | undefined {
    if (run === open) {
      for (const memory of frozen === undefined ? [table] : [table, frozen]) {
        const at = findSlot(memory, h, a, b, c, d, e);
        if (at >= 0) return { height: memory.words[at + 6]! - 1, position: memory.words[at + 7]! };
      }
    }
    for (const segment of run.segments) {
      if (segment.filter !== undefined && !mayContain(segment.filter, h, g)) continue;
      try {
        const found = findInSegment(segment, h, a, b, c, d, e);
        if (found !== undefined) return found;
      } catch (error) {
        throw asStorageFault(error, segment.file.path);
      }
    }
    return undefined;
  }

  function insert(
    h: number,
    g: number,
    a: number,
    b: number,
    c: number,
    d: number,
    e: number,
    height: number,
    position: number,
  ): void {
    addToFilter(open.filter, h, g);
    if (table.count * slotWords * 8 >= table.words.length * 5) growTable(table);
    const at = ~findSlot(table, h, a, b, c, d, e);
    const { words } = table;
    words[at] = h;
    words[at + 1] = a;
    words[at + 2] = b;
    words[at + 3] = c;
    words[at + 4] = d;
    words[at + 5] = e;
    words[at + 6] = height + 1;
    words[at + 7] = position;
    table.count++;
    count++;
  }

  /** One piece of asynchronous work at a time. */
  function serially<T>(work: () => Promise<T>): Promise<T> {
    const next = working.then(async () => {
      try {
        return await work();
      } catch (error) {
        throw asStorageFault(error, directory);
      }
    });
    working = next.catch(() => {});
    return next;
  }

  async function writeTable(): Promise<void> {
    if (frozen === undefined) {
      if (table.count === 0) return;
      frozen = table;
      table = spare ?? newTable();
      spare = undefined;
    }
    const { words } = frozen;
    const slots = new Uint32Array(frozen.count);
    let n = 0;
    for (let at = 0; at < words.length; at += slotWords) if (words[at + 6] !== 0) slots[n++] = at;
    const order = sortedSlots(words, slots, n, 0, 2 ** 32);
    const number = nextNumber++;
    const writer = await createSegmentWriter(disk, path(number), number, seed, n, true);
    try {
      for (let i = 0; i < n; i++) {
        writer.add(words, order[i]!);
        if (i % 65_536 === 65_535) await writer.drain();
      }
      open.segments.push(await writer.finish());
    } catch (error) {
      await writer.abandon().catch(() => {});
      throw error;
    }
    open.keys += n;
    if (words.length === newTableWords) {
      words.fill(0);
      frozen.count = 0;
      spare = frozen;
    }
    frozen = undefined;
    // Keys that came meanwhile went into this run's filter: the next run begins with an empty table only.
    if (open.keys >= runKeys - limit && table.count === 0) {
      open = newRun();
      runs.push(open);
    }
  }
  const newTableWords = table.words.length;

  async function mergeSome(entries: number): Promise<void> {
    if (merge === undefined) {
      const next = pickMerge();
      if (next === undefined) return;
      const number = nextNumber++;
      const alone = next.run !== open && next.inputs.length === next.run.segments.length;
      merge = { ...next, work: await startMerge(disk, path(number), number, seed, next.inputs, forgotten, !alone) };
    }
    const { run, inputs, work } = merge;
    let merged: KeySegment | undefined;
    try {
      merged = await work.step(entries);
    } catch (error) {
      merge = undefined;
      await work.abandon().catch(() => {});
      throw error;
    }
    if (merged === undefined) return;
    merge = undefined;
    run.segments = run.segments.filter((segment) => !inputs.includes(segment));
    if (merged.count > 0) run.segments.unshift(merged);
    else dropped.push(merged);
    const gone = inputs.reduce((sum, input) => sum + input.count, 0) - merged.count;
    run.keys -= gone;
    count -= gone;
    dropped.push(...inputs);
  }

  function pickMerge(): { readonly run: Run; readonly inputs: readonly KeySegment[] } | undefined {
    for (const run of runs) {
      if (run !== open && run.segments.length > 1) return { run, inputs: [...run.segments] };
    }
    const small = open.segments.filter((segment) => segment.count < limit / 2);
    return small.length >= mostSmallSegments ? { run: open, inputs: small } : undefined;
  }

  async function removeDropped(): Promise<void> {
    const held = new Set([...pinned.values()].flatMap((manifest) => manifest.segments.map(({ number }) => number)));
    for (let i = dropped.length - 1; i >= 0; i--) {
      const segment = dropped[i]!;
      dropped.splice(i, 1);
      await segment.file.close();
      if (!held.has(segment.number)) await disk.remove(segment.file.path);
    }
  }

  async function sweep(): Promise<void> {
    const held = new Set([...pinned.values()].flatMap((manifest) => manifest.segments.map(({ number }) => number)));
    for (const segment of [...runs.flatMap((run) => run.segments), ...dropped]) held.add(segment.number);
    if (merge) held.add(merge.work.number);
    for (const number of await onDisk()) if (!held.has(number)) await disk.remove(path(number));
  }

  const u32 = (source: Uint8Array, at: number) =>
    (source[at]! | (source[at + 1]! << 8) | (source[at + 2]! << 16) | (source[at + 3]! << 24)) >>> 0;

  function identify(kind: number, institution: number): number {
    if (kind > 0xff || institution > 0xffffff)
      throw new RangeError("a key holds kinds up to 255 and institutions up to 16,777,215");
    return ((kind << 24) | institution) >>> 0;
  }

  function addKey(a: number, b: number, c: number, d: number, e: number, height: number, position: number): boolean {
    const h = hashKey(seed, a, b, c, d, e);
    const g = hashAgain(seed, h, a, d);
    for (let i = runs.length - 1; i >= 0; i--) {
      const run = runs[i]!;
      if (mayContain(run.filter, h, g) && lookup(run, h, g, a, b, c, d, e) !== undefined) return false;
    }
    insert(h, g, a, b, c, d, e, height, position);
    return true;
  }

  return {
    add: (kind, institution, source, offset, height, position) =>
      addKey(
        u32(source, offset),
        u32(source, offset + 4),
        u32(source, offset + 8),
        u32(source, offset + 12),
        identify(kind, institution),
        height,
        position,
      ),
    find: (kind, institution, source, offset) => {
      const a = u32(source, offset);
      const b = u32(source, offset + 4);
      const c = u32(source, offset + 8);
      const d = u32(source, offset + 12);
      const e = identify(kind, institution);
      const h = hashKey(seed, a, b, c, d, e);
      const g = hashAgain(seed, h, a, d);
      for (const run of runs) {
        const found = mayContain(run.filter, h, g) ? lookup(run, h, g, a, b, c, d, e) : undefined;
        if (found !== undefined) return found;
      }
      return undefined;
    },
    forget: (upToHeight) => {
      forgotten = Math.max(forgotten, upToHeight);
      for (const run of runs) {
        // A merge reads its inputs; it drops what is forgotten by itself.
        if (merge?.run === run) continue;
        for (const segment of run.segments.filter((s) => s.maxHeight <= upToHeight)) {
          run.segments.splice(run.segments.indexOf(segment), 1);
          run.keys -= segment.count;
          count -= segment.count;
          dropped.push(segment);
        }
      }
      runs = runs.filter((run) => run === open || run.segments.length > 0);
    },
    get size() {
      return count;
    },
    get needsFlush() {
      return table.count >= limit;
    },
    flush: () =>
      serially(async () => {
        await writeTable();
        await mergeSome(mergeShare * limit);
        await removeDropped();
      }),
    checkpoint: (height) =>
      serially(async () => {
        // What waits since a failed write, then what the table holds now.
        if (frozen !== undefined) await writeTable();
        await writeTable();
        const segments: KeyManifest["segments"][number][] = [];
        for (const [run, { segments: files }] of runs.entries()) {
          for (const segment of files) {
            if (segment.minHeight > height) continue;
            if (!segment.synced) await segment.file.sync();
            segment.synced = true;
            const { number, count: entries, minHeight, maxHeight } = segment;
            segments.push({
              number,
              run,
              count: entries,
              minHeight,
              maxHeight,
              ceiling: Math.min(height, segment.ceiling),
            });
          }
        }
        await disk.syncDirectory(directory);
        const manifest = { height, forgotten, seed, segments };
        pinned.set(height, manifest);
        await removeDropped();
        return encodeManifest(manifest);
      }),
    restore: (bytes) =>
      serially(async () => {
        const manifest = decodeManifest(bytes);
        if (manifest === undefined)
          throw new StorageFaultError({
            kind: "corrupt",
            path: directory,
            offset: undefined,
            message: "a manifest of executed keys is malformed",
          });
        if (merge) await merge.work.abandon();
        merge = undefined;
        for (const segment of runs.flatMap((run) => run.segments)) await segment.file.close();
        seed = manifest.seed;
        forgotten = manifest.forgotten;
        table = newTable();
        frozen = undefined;
        runs = [];
        count = 0;
        for (const row of manifest.segments) {
          while (runs.length <= row.run) runs.push(newRun());
          const run = runs[row.run]!;
          run.segments.push(await restoreSegment(disk, path(row.number), row, seed, run.filter));
          run.keys += row.count;
          count += row.count;
        }
        if (runs.length === 0) runs.push(newRun());
        open = runs.at(-1)!;
        pinned.set(manifest.height, manifest);
      }),
    pin: (height, bytes) => {
      const manifest = decodeManifest(bytes);
      if (manifest) pinned.set(height, manifest);
    },
    release: (height) =>
      serially(async () => {
        pinned.delete(height);
        await sweep();
      }),
    sweep: () => serially(sweep),
    export: (height) => {
      const manifest = pinned.get(height);
      return manifest && exportKeys(disk, path, manifest);
    },
    import: async (part, height, above = -1) => {
      const bytes = entryWords * 4;
      if (part.length % bytes !== 0) return "malformed";
      for (let at = 0; at < part.length; at += bytes) {
        if (u32(part, at + 20) > height) return "malformed";
      }
      for (let at = 0; at < part.length; at += bytes) {
        const word = (n: number) => u32(part, at + 4 * n);
        if (word(5) > above) addKey(word(0), word(1), word(2), word(3), word(4), word(5), word(6));
      }
      if (table.count >= limit) {
        await serially(async () => {
          await writeTable();
          await mergeSome(mergeShare * limit);
        });
      }
      return "ok";
    },
    close: async () => {
      await working;
      if (merge) await merge.work.abandon();
      for (const segment of [...runs.flatMap((run) => run.segments), ...dropped]) await segment.file.close();
      runs = [];
    },
  };
}
