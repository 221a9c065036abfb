/**
 * Immutable files of executed keys in hash order: pages of 4,096 bytes, each with its own checksum, so that a lookup
 * reads and verifies one page. The first hash of every page is kept in memory (one byte per 36 keys).
 */
import { crc32 } from "node:zlib";
import type { KeyLocation } from "../ledger/types.ts";
import type { Disk, DiskFile } from "./disk.ts";
import type { HashSeed, KeyFilter } from "./key-table.ts";
import { addToFilter, createFilter, entryWords, hashAgain, hashKey, slotWords } from "./key-table.ts";
import { StorageFaultError } from "./types.ts";

export const pageBytes = 4096;
export const pageEntries = 146;
const pageWords = pageBytes / 4;
/** Pages of one write. */
const writePages = 256;

export interface KeySegment {
  readonly number: number;
  readonly file: DiskFile;
  readonly count: number;
  readonly minHeight: number;
  readonly maxHeight: number;
  /** Entries of higher blocks are not there: they were added after the checkpoint this was restored from. */
  readonly ceiling: number;
  /** First hash of each page. */
  readonly fences: Uint32Array;
  readonly filter: KeyFilter | undefined;
  synced: boolean;
}

export const noCeiling = 0xffffffff;

/** Takes entries (slots that begin with the hash) in ascending order of hash. */
export interface SegmentWriter {
  add(words: Uint32Array, slot: number): void;
  /** Writes full pages; call between slices of work. */
  drain(): Promise<void>;
  finish(): Promise<KeySegment>;
  abandon(): Promise<void>;
}

export async function createSegmentWriter(
  disk: Disk,
  path: string,
  number: number,
  seed: HashSeed,
  expected: number,
  withFilter: boolean,
): Promise<SegmentWriter> {
  if (await disk.exists(path)) await disk.remove(path);
  const file = await disk.open(path, { create: true });
  const filter = withFilter ? createFilter(expected) : undefined;
  const fences: number[] = [];
  let full: Uint8Array[] = [];
  let page = new Uint32Array(pageWords);
  let inPage = 0;
  let count = 0;
  let minHeight = noCeiling;
  let maxHeight = 0;

  const closePage = () => {
    if (inPage === 0) return;
    full.push(sealPage(page, inPage, fences.length - 1));
    page = new Uint32Array(pageWords);
    inPage = 0;
  };
  const drain = async (all: boolean) => {
    if (full.length === 0 || (!all && full.length < writePages)) return;
    const pages = full;
    full = [];
    await file.append(pages);
  };
  return {
    add: (words, slot) => {
      if (inPage === 0) fences.push(words[slot]!);
      const at = inPage * entryWords;
      for (let i = 0; i < entryWords; i++) page[at + i] = words[slot + 1 + i]!;
      const height = words[slot + 6]! - 1;
      page[at + 5] = height;
      if (height < minHeight) minHeight = height;
      if (height > maxHeight) maxHeight = height;
      if (filter) addToFilter(filter, words[slot]!, hashAgain(seed, words[slot]!, words[slot + 1]!, words[slot + 4]!));
      count++;
      if (++inPage === pageEntries) closePage();
    },
    drain: () => drain(false),
    finish: async () => {
      closePage();
      await drain(true);
      const ceiling = noCeiling;
      return {
        number,
        file,
        count,
        minHeight,
        maxHeight,
        ceiling,
        fences: Uint32Array.from(fences),
        filter,
        synced: false,
      };
    },
    abandon: async () => {
      await file.close();
      await disk.remove(path);
    },
  };
}

function sealPage(page: Uint32Array, count: number, index: number): Uint8Array {
  page[pageWords - 2] = count;
  const bytes = new Uint8Array(page.buffer);
  page[pageWords - 1] = crc32(bytes.subarray(0, pageBytes - 4), index);
  return bytes;
}

/** Entries of a page that was read; throws a `corrupt` fault when it does not match its checksum. */
export function checkPage(page: Uint32Array, index: number, path: string): number {
  const bytes = new Uint8Array(page.buffer, page.byteOffset, pageBytes);
  const count = page[pageWords - 2]!;
  if (crc32(bytes.subarray(0, pageBytes - 4), index) !== page[pageWords - 1] || count > pageEntries) {
    const message = "a page of executed keys does not match its checksum";
    throw new StorageFaultError({ kind: "corrupt", path, offset: index * pageBytes, message });
  }
  return count;
}

const lookupPage = new Uint32Array(pageWords);
const lookupBytes = new Uint8Array(lookupPage.buffer);

/** Looks the key up on disk, without yielding. Throws `DiskError` and `StorageFaultError`. */
export function findInSegment(
  segment: KeySegment,
  h: number,
  a: number,
  b: number,
  c: number,
  d: number,
  e: number,
): KeyLocation | undefined {
  const { fences, file } = segment;
  let index = lowerPage(fences, h);
  for (; index < fences.length && fences[index]! <= h; index++) {
    if (file.readSync(index * pageBytes, lookupBytes) < pageBytes) {
      const message = "a file of executed keys is cut";
      throw new StorageFaultError({ kind: "corrupt", path: file.path, offset: index * pageBytes, message });
    }
    const count = checkPage(lookupPage, index, file.path);
    for (let i = 0; i < count; i++) {
      const at = i * entryWords;
      const same =
        lookupPage[at] === a &&
        lookupPage[at + 1] === b &&
        lookupPage[at + 2] === c &&
        lookupPage[at + 3] === d &&
        lookupPage[at + 4] === e;
      if (same) {
        const height = lookupPage[at + 5]!;
        return height > segment.ceiling ? undefined : { height, position: lookupPage[at + 6]! };
      }
    }
  }
  return undefined;
}

/** The first page that may hold the hash: equal hashes may begin at the end of the page before. */
export function lowerPage(fences: Uint32Array, h: number): number {
  let low = 0;
  let high = fences.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (fences[middle]! < h) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

/** Reads pages [from, to) and calls for each entry, as a slot that begins with its hash and holds height + 1. */
export async function readEntries(
  segment: Pick<KeySegment, "file" | "ceiling">,
  seed: HashSeed,
  from: number,
  to: number,
  visit: (slot: Uint32Array, page: number) => void,
): Promise<void> {
  const slot = new Uint32Array(slotWords);
  for (let first = from; first < to; first += writePages) {
    const pages = Math.min(writePages, to - first);
    const bytes = await segment.file.read(first * pageBytes, pages * pageBytes);
    if (bytes.length < pages * pageBytes) {
      const message = "a file of executed keys is cut";
      throw new StorageFaultError({ kind: "corrupt", path: segment.file.path, offset: first * pageBytes, message });
    }
    const words =
      bytes.byteOffset % 4 === 0
        ? new Uint32Array(bytes.buffer, bytes.byteOffset, pages * pageWords)
        : new Uint32Array(Uint8Array.from(bytes).buffer);
    for (let p = 0; p < pages; p++) {
      const page = words.subarray(p * pageWords, (p + 1) * pageWords);
      const count = checkPage(page, first + p, segment.file.path);
      for (let i = 0; i < count; i++) {
        const at = i * entryWords;
        if (page[at + 5]! > segment.ceiling) continue;
        slot[0] = hashKey(seed, page[at]!, page[at + 1]!, page[at + 2]!, page[at + 3]!, page[at + 4]!);
        for (let w = 0; w < entryWords; w++) slot[1 + w] = page[at + w]!;
        slot[6] = page[at + 5]! + 1;
        visit(slot, first + p);
      }
    }
  }
}
