/**
 * The segmented log: group commits onto the newest segment, reads by location, dropping from the oldest end.
 * What the bytes mean is `framing.ts`; what the records mean is `record.ts`.
 */
import type { BootMarker } from "./boot-marker.ts";
import { writeBootMarker } from "./boot-marker.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { DiskError } from "./disk.ts";
import type { Record, ScannedRecord, SegmentHeader } from "./framing.ts";
import {
  checkRecord,
  encodeGroup,
  encodeSegmentHeader,
  recordBytes,
  recordHeaderBytes,
  segmentHeaderBytes,
} from "./framing.ts";
import type { ScannedLog, Segment } from "./log-scan.ts";
import { scanLog, segmentPath } from "./log-scan.ts";
import type { StorageFault } from "./types.ts";
import { StorageFaultError } from "./types.ts";

export interface Location {
  readonly segment: number;
  /** Of the record's header. */
  readonly offset: number;
  /** Of the payload. */
  readonly length: number;
}

export interface LogOptions {
  /** Where the boot marker stands: beside the log's folder, so that it outlives the folder. */
  readonly markerPath: string;
  /** A segment is closed before the group that would grow it beyond this. */
  readonly segmentBytes: number;
  /** Least free space to begin a segment or to call a failed disk well again. */
  readonly leastFree: number;
  readonly random: (bytes: number) => Uint8Array;
}

export interface Log {
  /** Count of this opening, from 1. */
  readonly boot: number;
  readonly lowest: number;
  readonly newest: number;
  /** Bytes of all segments. */
  readonly bytes: number;
  /** Resolves when the records and everything kept before them are durable. The payloads must not change until then. `durable` runs just before. */
  commit(records: readonly Record[], durable: (locations: readonly Location[]) => void): Promise<void>;
  /** Goes into the next commit. `durable` is told where it went. */
  keep(records: readonly Record[], durable: (locations: readonly Location[]) => void): void;
  /** The payload of a record; throws a `corrupt` fault when it no longer matches its checksum. */
  read(location: Location, kind: number): Promise<Uint8Array>;
  segmentLength(segment: number): number;
  /** Removes the segments below this one; never the newest. */
  dropBelow(segment: number): Promise<void>;
  /** Height of the newest checkpoint the boot marker demands. */
  readonly checkpoint: number;
  /** From now on an opening demands a checkpoint of at least this height. */
  demandCheckpoint(height: number): Promise<void>;
  probe(): Promise<boolean>;
  check(): StorageFault | undefined;
  close(): Promise<void>;
}

interface Pending {
  readonly records: readonly Record[];
  readonly bytes: number;
  readonly durable: (locations: readonly Location[]) => void;
  readonly settle: { readonly resolve: () => void; readonly reject: (error: StorageFaultError) => void } | undefined;
}

/** Most bytes of one group, unless one caller brings more. */
const maxGroupBytes = 8 << 20;
/** Kept records are committed without a caller beyond this, */
const maxKeptBytes = 1 << 20;
/** and the oldest are given up beyond this while the disk is failing: all of them can be collected again. */
const maxKeptWhileFailing = 64 << 20;

export type LogOpening =
  | { readonly kind: "ok"; readonly log: Log }
  | { readonly kind: "fault"; readonly fault: StorageFault };

/** Reads the whole log, calling `visit` for each record in order, and begins a new segment with the next boot number. */
export async function openLog(
  disk: Disk,
  directory: string,
  options: LogOptions,
  visit: (record: ScannedRecord, segment: number) => void,
): Promise<LogOpening> {
  const scan = await scanLog(disk, directory, options.markerPath, visit);
  if (scan.kind === "fault") return scan;
  const log = createLog(disk, directory, options, scan.scanned);
  await log.begin();
  return { kind: "ok", log };
}

function createLog(
  disk: Disk,
  directory: string,
  options: LogOptions,
  state: ScannedLog,
): Log & { begin(): Promise<void> } {
  const { segments, boot } = state;
  let head: { readonly segment: Segment; readonly file: DiskFile } | undefined;
  /** The end of the newest segment may hold bytes of a failed append: cut them first. */
  let tailDirty = false;
  /** Named (perhaps) by the boot marker already, but the roll to it failed later: the next write must go there. */
  let prepared: { readonly segment: Segment; readonly file: DiskFile } | undefined;
  /** A sync failed: nothing more goes to that file, whose pages cannot be trusted. */
  let untrusted = false;
  let queue: Pending[] = [];
  let keptBytes = 0;
  let draining: Promise<void> | undefined;
  let failing = false;
  let closed = false;

  let marking: Promise<void> = Promise.resolve();
  /** One after the other: new segments, pruning and checkpoints all move the marker. */
  function mark(change: Partial<BootMarker>): Promise<void> {
    const next = marking.then(async () => {
      const marker = { ...state.marker, ...change };
      await writeBootMarker(disk, options.markerPath, marker);
      state.marker = marker;
    });
    marking = next.catch(() => {});
    return next;
  }

  /** Begins the next segment; nothing is written to it before the boot marker names it. */
  async function roll(): Promise<void> {
    if ((await disk.free()) < options.leastFree) {
      throw new DiskError("no-space", directory, "less than the reserve is free");
    }
    const number = state.newest + 1;
    prepared ??= await prepareSegment(number);
    await mark({ newest: number });
    segments.set(number, prepared.segment);
    state.newest = number;
    head = prepared;
    prepared = undefined;
    tailDirty = false;
    untrusted = false;
  }

  async function prepareSegment(number: number): Promise<{ readonly segment: Segment; readonly file: DiskFile }> {
    const path = segmentPath(directory, number);
    const salt = Buffer.from(options.random(4)).readUInt32LE(0);
    const previousLength = segments.get(state.newest)?.length ?? state.previousLength;
    const header: SegmentHeader = { number, boot, salt, sequence: state.sequence, previousLength };
    // A failed try before may have left the file; the marker does not name it yet.
    if (await disk.exists(path)) await disk.remove(path);
    const file = await disk.open(path, { create: true, durable: true });
    try {
      await file.append([encodeSegmentHeader(header)]);
      await file.sync();
      await disk.syncDirectory(directory);
    } catch (error) {
      await file.close();
      throw error;
    }
    return {
      file,
      segment: { path, header, length: segmentHeaderBytes, file: Promise.resolve(file), readers: 0, dropped: false },
    };
  }

  async function write(records: readonly Record[]): Promise<readonly Location[]> {
    if (records.length === 0) return [];
    const lost = check();
    if (lost) throw new StorageFaultError(lost);
    const bytes = records.reduce((sum, record) => sum + recordBytes(record), 0);
    const full =
      head !== undefined &&
      head.segment.length > segmentHeaderBytes &&
      head.segment.length + bytes > options.segmentBytes;
    if (head === undefined || full || untrusted || prepared !== undefined) await roll();
    try {
      return await writeGroup(records);
    } catch (error) {
      // After a failed sync the kernel may have dropped the pages and called them clean: the group goes to a new file.
      if (!untrusted) throw error;
      await roll();
      return await writeGroup(records);
    }
  }

  async function writeGroup(records: readonly Record[]): Promise<readonly Location[]> {
    const { segment, file } = head!;
    if (tailDirty) {
      await file.truncate(segment.length);
      tailDirty = false;
    }
    const group = encodeGroup(records, segment.header, state.sequence, segment.length);
    tailDirty = true;
    try {
      await file.append(group.chunks);
      await file.sync();
    } catch (error) {
      // A full volume takes nothing; after any other failure the kernel's pages may not be what the disk has.
      untrusted = !(error instanceof DiskError && error.kind === "no-space");
      throw error;
    }
    tailDirty = false;
    segment.length += group.bytes;
    state.sequence++;
    return records.map((record, i) => ({
      segment: segment.header.number,
      offset: group.offsets[i]!,
      length: record.payload.reduce((sum, piece) => sum + piece.length, 0),
    }));
  }

  function check(): StorageFault | undefined {
    if (head === undefined || head.file.inPlace()) return undefined;
    return {
      kind: "missing",
      path: head.segment.path,
      offset: undefined,
      message: "the open log was removed or replaced",
    };
  }

  async function drain(): Promise<void> {
    // One turn of the event loop's microtasks lets callers of the same moment into the first group.
    await Promise.resolve();
    while (queue.some((pending) => pending.settle) || (keptBytes > maxKeptBytes && !failing)) {
      const group = takeGroup();
      try {
        const locations = await write(group.flatMap((pending) => pending.records));
        failing = false;
        let at = 0;
        for (const pending of group) {
          pending.durable(locations.slice(at, at + pending.records.length));
          at += pending.records.length;
        }
        for (const pending of group) pending.settle?.resolve();
      } catch (error) {
        failing = true;
        const thrown = asStorageFault(error, directory);
        const kept = group.filter((pending) => pending.settle === undefined);
        queue = [...kept, ...queue];
        for (const pending of kept) keptBytes += pending.bytes;
        for (const pending of group) pending.settle?.reject(thrown);
      }
    }
    draining = undefined;
  }

  function takeGroup(): Pending[] {
    let bytes = 0;
    let count = 0;
    while (count < queue.length && (count === 0 || bytes + queue[count]!.bytes <= maxGroupBytes)) {
      bytes += queue[count]!.bytes;
      if (queue[count]!.settle === undefined) keptBytes -= queue[count]!.bytes;
      count++;
    }
    return queue.splice(0, count);
  }

  function enqueue(pending: Pending): void {
    if (closed) throw new Error("the log is closed");
    queue.push(pending);
    if (pending.settle === undefined) keptBytes += pending.bytes;
    while (failing && keptBytes > maxKeptWhileFailing) {
      const oldest = queue.findIndex(({ settle }) => settle === undefined);
      keptBytes -= queue.splice(oldest, 1)[0]!.bytes;
    }
    if (pending.settle !== undefined || (keptBytes > maxKeptBytes && !failing)) draining ??= drain();
  }

  function pendingOf(records: readonly Record[], durable: Pending["durable"], settle: Pending["settle"]): Pending {
    return { records, durable, settle, bytes: records.reduce((sum, record) => sum + recordBytes(record), 0) };
  }

  async function commit(records: readonly Record[], durable: Pending["durable"]): Promise<void> {
    if (records.length === 0 && queue.length === 0 && draining === undefined) return;
    await new Promise<void>((resolve, reject) => enqueue(pendingOf(records, durable, { resolve, reject })));
  }

  return {
    boot,
    get lowest() {
      return state.lowest;
    },
    get newest() {
      return state.newest;
    },
    get bytes() {
      let sum = 0;
      for (const segment of segments.values()) sum += segment.length;
      return sum;
    },
    begin: roll,
    commit,
    keep: (records, durable) => enqueue(pendingOf(records, durable, undefined)),
    read: async (location, kind) => {
      const segment = segments.get(location.segment);
      if (segment === undefined) throw new Error(`segment ${location.segment} was dropped`);
      segment.readers++;
      try {
        segment.file ??= disk.open(segment.path, { create: false });
        const file = await segment.file;
        const bytes = await file.read(location.offset, recordHeaderBytes + location.length);
        const payload = checkRecord(bytes, segment.header.salt, kind);
        if (payload !== undefined) return payload;
        const message = "a record no longer matches its checksum";
        throw new StorageFaultError({ kind: "corrupt", path: segment.path, offset: location.offset, message });
      } catch (error) {
        throw asStorageFault(error, segment.path);
      } finally {
        segment.readers--;
        if (segment.dropped && segment.readers === 0) await closeSegment(segment);
      }
    },
    segmentLength: (segment) => segments.get(segment)?.length ?? 0,
    dropBelow: async (number) => {
      const lowest = Math.min(number, state.newest);
      if (lowest <= state.lowest) return;
      try {
        await mark({ lowest });
        const from = state.lowest;
        state.lowest = lowest;
        for (let n = from; n < lowest; n++) {
          const segment = segments.get(n);
          if (segment === undefined) continue;
          segments.delete(n);
          segment.dropped = true;
          if (segment.readers === 0) await closeSegment(segment);
          await disk.remove(segment.path);
        }
      } catch (error) {
        throw asStorageFault(error, directory);
      }
    },
    get checkpoint() {
      return state.marker.checkpoint;
    },
    demandCheckpoint: (checkpoint) => mark({ checkpoint }),
    probe: async () => {
      if (check()) return false;
      const path = `${directory}/probe`;
      try {
        if ((await disk.free()) < options.leastFree) return false;
        const file = await disk.open(path, { create: true });
        try {
          await file.append([new Uint8Array(1 << 16).fill(1)]);
          await file.sync();
        } finally {
          await file.truncate(0);
          await file.close();
          await disk.remove(path);
        }
        if (tailDirty && head !== undefined && !untrusted) {
          await head.file.truncate(head.segment.length);
          tailDirty = false;
        }
        failing = false;
        if (queue.length > 0) await commit([], () => {});
        return true;
      } catch (error) {
        asStorageFault(error, path);
        return false;
      }
    },
    check,
    close: async () => {
      if (!closed) {
        closed = true;
        // What was only kept is made durable on a clean stop; a failing disk is no reason not to stop.
        while (draining !== undefined) await draining;
        if (queue.length > 0 && !failing) {
          const rest = queue.splice(0);
          await write(rest.flatMap((pending) => pending.records)).catch((error: unknown) =>
            asStorageFault(error, directory),
          );
        }
        for (const segment of segments.values()) await closeSegment(segment);
      }
    },
  };
}

async function closeSegment(segment: Segment): Promise<void> {
  const file = segment.file;
  segment.file = undefined;
  if (file !== undefined) await (await file).close();
}

/** Names what a disk error means for the volume; anything else is a bug and goes on. */
export function asStorageFault(error: unknown, path: string): StorageFaultError {
  if (error instanceof StorageFaultError) return error;
  if (!(error instanceof DiskError)) throw error;
  const kind = error.kind === "no-space" ? "no-space" : error.kind === "not-found" ? "missing" : "input-output";
  return new StorageFaultError(
    { kind, path: error.path || path, offset: undefined, message: error.message },
    { cause: error },
  );
}
