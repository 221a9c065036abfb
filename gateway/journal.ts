/**
 * An append-only journal of JSON lines in segment files, each line behind its CRC-32. An append resolves once it is on
 * the disk; concurrent appends share one sync. A position is a byte offset over all segments: a cursor that survives
 * restarts. A torn last line is cut off at the next start; any other damage stops it.
 */
import { type FileHandle, mkdir, open, readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";

/** One line read back. */
interface JournalEntry {
  /** JSON text. */
  readonly text: string;
  /** Position of the line, and of the one after it. */
  readonly position: number;
  readonly next: number;
}

export interface Journal {
  /** Lowest position still kept. */
  readonly start: number;
  /** Position after the last durable line. */
  readonly end: number;
  /** Appends lines of JSON without line breaks; resolves with the position of the first once they are durable. */
  append(lines: readonly string[]): Promise<number>;
  /** Lines from a position on, until about so many bytes; undefined when no line starts there. */
  read(from: number, maxBytes: number): Promise<readonly JournalEntry[] | undefined>;
  /** Resolves when `end` is above the position, or the signal aborts. */
  grown(above: number, signal: AbortSignal): Promise<void>;
  /** Drops whole segments that lie below the position. */
  dropBefore(position: number): Promise<void>;
  close(): Promise<void>;
}

/** Damage that is no torn tail: says where. */
export class JournalError extends Error {
  override readonly name = "JournalError";
}

const SEGMENT_BYTES = 64 * 1024 * 1024;
/** `crc32hex `. */
const PREFIX = 9;
const READ_BYTES = 1024 * 1024;

interface Segment {
  readonly start: number;
  readonly path: string;
  size: number;
}

/** Opens a journal in a folder, which it makes. */
export async function openJournal(folder: string, segmentBytes: number = SEGMENT_BYTES): Promise<Journal> {
  // Feeds hold names and account numbers: nobody but this user reads them.
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const names = (await readdir(folder)).filter((name) => /^\d{16}\.journal$/.test(name)).sort();
  const segments: Segment[] = names.map((name) => ({
    start: Number(name.slice(0, 16)),
    path: join(folder, name),
    size: 0,
  }));
  if (segments.length === 0) segments.push(await createSegment(folder, 0));
  for (const [at, segment] of segments.entries()) await recover(segment, at === segments.length - 1);
  for (const [at, segment] of segments.entries()) {
    const next = segments[at + 1];
    if (next !== undefined && next.start !== segment.start + segment.size)
      throw new JournalError(`${segment.path}: a segment is missing after it`);
  }
  return new SegmentedJournal(folder, segments, segmentBytes, await open(segments.at(-1)!.path, "a"));
}

async function createSegment(folder: string, start: number): Promise<Segment> {
  const path = join(folder, `${String(start).padStart(16, "0")}.journal`);
  await (await open(path, "a")).close();
  await syncFolder(folder);
  return { start, path, size: 0 };
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  await handle.sync();
  await handle.close();
}

/** Finds the end of a segment; cuts the torn tail of the last one. */
async function recover(segment: Segment, last: boolean): Promise<void> {
  const handle = await open(segment.path, "r+");
  try {
    const { size } = await handle.stat();
    segment.size = size;
    if (!last) return;
    const good = await goodLength(handle, size);
    if (good.length === size) return;
    if (good.damaged) throw new JournalError(`${segment.path}: damaged at byte ${good.length}`);
    await handle.truncate(good.length);
    await handle.sync();
    segment.size = good.length;
  } finally {
    await handle.close();
  }
}

/** The length of the sound lines, and whether a sound line follows an unsound one: then it is no torn tail. */
async function goodLength(handle: FileHandle, size: number): Promise<{ length: number; damaged: boolean }> {
  let length = 0;
  let at = 0;
  let torn = false;
  let rest: Buffer = Buffer.alloc(0);
  while (at < size) {
    const chunk = Buffer.alloc(Math.min(READ_BYTES, size - at));
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, at);
    if (bytesRead === 0) break;
    at += bytesRead;
    rest = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const sound = textOf(rest.subarray(0, end)) !== undefined;
      if (sound && torn) return { length, damaged: true };
      if (sound) length += end + 1;
      else torn = true;
      rest = rest.subarray(end + 1);
    }
  }
  return { length, damaged: false };
}

function lineOf(text: string): Buffer {
  const body = Buffer.from(`${text}\n`);
  const sum = crc32(body.subarray(0, -1)).toString(16).padStart(8, "0");
  return Buffer.concat([Buffer.from(`${sum} `), body]);
}

function textOf(line: Buffer): string | undefined {
  if (line.length <= PREFIX) return undefined;
  const body = line.subarray(PREFIX);
  const sum = `${crc32(body).toString(16).padStart(8, "0")} `;
  return line.toString("latin1", 0, PREFIX) === sum ? body.toString("utf8") : undefined;
}

interface Waiting {
  readonly bytes: Buffer;
  readonly resolve: (position: number) => void;
  readonly reject: (error: unknown) => void;
}

class SegmentedJournal implements Journal {
  private readonly folder: string;
  private readonly segments: Segment[];
  private readonly segmentBytes: number;
  private handle: FileHandle;
  private waiting: Waiting[] = [];
  private writing: Promise<void> | undefined;
  private failure: unknown;
  private readonly listeners = new Set<() => void>();

  constructor(folder: string, segments: Segment[], segmentBytes: number, handle: FileHandle) {
    this.folder = folder;
    this.segments = segments;
    this.segmentBytes = segmentBytes;
    this.handle = handle;
  }

  get start(): number {
    return this.segments[0]!.start;
  }

  get end(): number {
    const last = this.segments.at(-1)!;
    return last.start + last.size;
  }

  append(lines: readonly string[]): Promise<number> {
    // After a failed write the file's end is unknown: only a restart may go on.
    if (this.failure !== undefined) return Promise.reject(this.failure);
    if (lines.length === 0) return Promise.resolve(this.end);
    return new Promise((resolve, reject) => {
      this.waiting.push({ bytes: Buffer.concat(lines.map(lineOf)), resolve, reject });
      this.writing ??= this.drain();
    });
  }

  private async drain(): Promise<void> {
    while (this.waiting.length > 0) {
      const group = this.waiting;
      this.waiting = [];
      try {
        const bytes = Buffer.concat(group.map(({ bytes: one }) => one));
        let position = this.end;
        await this.handle.appendFile(bytes);
        await this.handle.datasync();
        this.segments.at(-1)!.size += bytes.length;
        if (this.segments.at(-1)!.size >= this.segmentBytes) await this.roll();
        for (const { bytes: one, resolve } of group) {
          resolve(position);
          position += one.length;
        }
        for (const listener of [...this.listeners]) listener();
      } catch (error) {
        this.failure = error;
        for (const { reject } of [...group, ...this.waiting]) reject(error);
        this.waiting = [];
      }
    }
    this.writing = undefined;
  }

  private async roll(): Promise<void> {
    const segment = await createSegment(this.folder, this.end);
    await this.handle.close();
    this.handle = await open(segment.path, "a");
    this.segments.push(segment);
  }

  async read(from: number, maxBytes: number): Promise<readonly JournalEntry[] | undefined> {
    if (!Number.isSafeInteger(from) || from < this.start || from > this.end) return undefined;
    const entries: JournalEntry[] = [];
    let position = from;
    while (position < this.end && position - from < maxBytes) {
      const segment = this.segments.findLast(({ start }) => start <= position)!;
      const wanted = Math.max(0, maxBytes - (position - from));
      const read = await readLines(segment, position, wanted);
      if (read === undefined) return undefined;
      entries.push(...read);
      position = read.at(-1)?.next ?? segment.start + segment.size;
    }
    return entries;
  }

  grown(above: number, signal: AbortSignal): Promise<void> {
    if (this.end > above || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const check = (): void => {
        if (this.end <= above && !signal.aborted) return;
        this.listeners.delete(check);
        signal.removeEventListener("abort", check);
        resolve();
      };
      this.listeners.add(check);
      signal.addEventListener("abort", check);
    });
  }

  async dropBefore(position: number): Promise<void> {
    while (this.segments.length > 1 && this.segments[1]!.start <= position) {
      const [dropped] = this.segments.splice(0, 1);
      await unlink(dropped!.path);
    }
  }

  async close(): Promise<void> {
    await this.writing;
    await this.handle.close();
  }
}

/** Lines of one segment from a position on; at least one, so that a long line is no obstacle. */
async function readLines(
  segment: Segment,
  position: number,
  maxBytes: number,
): Promise<readonly JournalEntry[] | undefined> {
  const handle = await open(segment.path, "r");
  try {
    const offset = position - segment.start;
    if (offset > 0) {
      const before = Buffer.alloc(1);
      await handle.read(before, 0, 1, offset - 1);
      if (before[0] !== 10) return undefined;
    }
    const available = segment.size - offset;
    let size = Math.min(Math.max(maxBytes, 4096), available);
    for (;;) {
      const chunk = Buffer.alloc(size);
      const { bytesRead } = await handle.read(chunk, 0, size, offset);
      const entries = splitLines(chunk.subarray(0, bytesRead), position);
      if (entries === undefined) throw new JournalError(`${segment.path}: damaged after byte ${offset}`);
      if (entries.length > 0 || size >= available) return entries;
      size = Math.min(size * 4, available);
    }
  } finally {
    await handle.close();
  }
}

function splitLines(bytes: Buffer, position: number): JournalEntry[] | undefined {
  const entries: JournalEntry[] = [];
  for (let at = 0, end = bytes.indexOf(10); end >= 0; at = end + 1, end = bytes.indexOf(10, at)) {
    const text = textOf(bytes.subarray(at, end));
    if (text === undefined) return undefined;
    entries.push({ text, position: position + at, next: position + end + 1 });
  }
  return entries;
}
