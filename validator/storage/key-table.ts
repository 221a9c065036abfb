/**
 * Executed keys in memory: hashing, the open-addressed table of the newest ones, and the Bloom filters over all.
 * An entry is seven 32-bit words: UETR (4), kind << 24 | institution, height, position; in tables an eighth, its hash, leads.
 */

/** Words of an entry as it stands in a segment; 28 bytes. */
export const entryWords = 7;
/** The same led by its hash. */
export const slotWords = 8;

/** Secret per volume, so that no institution can choose UETRs that collide. Odd multipliers and offsets, 12 words. */
export type HashSeed = Uint32Array;
export const seedWords = 12;

export function hashSeed(bytes: Uint8Array): HashSeed {
  const words = new Uint32Array(seedWords);
  for (let i = 0; i < seedWords; i++) {
    words[i] = (bytes[4 * i]! | (bytes[4 * i + 1]! << 8) | (bytes[4 * i + 2]! << 16) | (bytes[4 * i + 3]! << 24)) >>> 0;
  }
  for (let i = 0; i < 6; i++) words[i]! |= 1;
  return words;
}

/** The hash that orders a table and a segment. */
export function hashKey(s: HashSeed, a: number, b: number, c: number, d: number, e: number): number {
  let h = Math.imul(a ^ s[6]!, s[0]!);
  h = Math.imul((h ^ (h >>> 15)) + b + s[7]!, s[1]!);
  h = Math.imul((h ^ (h >>> 13)) + c + s[8]!, s[2]!);
  h = Math.imul((h ^ (h >>> 16)) + d + s[9]!, s[3]!);
  h = Math.imul((h ^ (h >>> 15)) + e + s[10]!, s[4]!);
  h = Math.imul(h ^ (h >>> 14), s[5]!);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A second one, mostly independent, that picks the filter's block. */
export function hashAgain(s: HashSeed, h: number, a: number, d: number): number {
  let g = Math.imul(h ^ s[11]!, s[3]!) + Math.imul(a + s[9]!, s[0]!);
  g = Math.imul((g ^ (g >>> 15)) + d, s[1]!);
  return (g ^ (g >>> 16)) >>> 0;
}

/** Open addressing by the hash's top bits, so that a walk over the slots is nearly in hash order. */
export interface KeyTable {
  /** `slotWords` per slot; a free slot has height + 1 = 0. */
  words: Uint32Array;
  shift: number;
  count: number;
}

export function createTable(slots: number): KeyTable {
  return { words: new Uint32Array(slots * slotWords), shift: 32 - Math.log2(slots), count: 0 };
}

/** Offset of the key's slot in `words`, or the complement (~) of the free slot where it belongs. */
export function findSlot(table: KeyTable, h: number, a: number, b: number, c: number, d: number, e: number): number {
  const { words } = table;
  const mask = words.length - 1;
  let at = (h >>> table.shift) * slotWords;
  while (words[at + 6] !== 0) {
    if (
      words[at] === h &&
      words[at + 1] === a &&
      words[at + 2] === b &&
      words[at + 3] === c &&
      words[at + 4] === d &&
      words[at + 5] === e
    )
      return at;
    at = (at + slotWords) & mask;
  }
  return ~at;
}

/** Twice the slots once five of eight are taken. Within a block the table must take whatever comes. */
export function growTable(table: KeyTable): void {
  const old = table.words;
  const bigger = createTable((old.length / slotWords) * 2);
  const mask = bigger.words.length - 1;
  for (let from = 0; from < old.length; from += slotWords) {
    if (old[from + 6] === 0) continue;
    let at = (old[from]! >>> bigger.shift) * slotWords;
    while (bigger.words[at + 6] !== 0) at = (at + slotWords) & mask;
    for (let i = 0; i < slotWords; i++) bigger.words[at + i] = old[from + i]!;
  }
  table.words = bigger.words;
  table.shift = bigger.shift;
}

/** A Bloom filter whose every key lives in one block of 512 bits: one cache line per question (Putze, Sanders & Singler 2007). */
export interface KeyFilter {
  readonly bits: Uint32Array;
  readonly shift: number;
}

const hashes = 7;
const blockWords = 16;

/** At least 12 bits per key, so less than one false answer in a hundred. */
export function createFilter(keys: number): KeyFilter {
  let blocks = 2;
  while (blocks * 512 < keys * 12) blocks *= 2;
  return { bits: new Uint32Array(blocks * blockWords), shift: 32 - Math.log2(blocks) };
}

export function mayContain(filter: KeyFilter, h: number, g: number): boolean {
  const { bits } = filter;
  const base = (g >>> filter.shift) * blockWords;
  const step = (h >>> 9) | 1;
  let bit = h;
  for (let i = 0; i < hashes; i++) {
    if ((bits[base + ((bit >>> 5) & 15)]! & (1 << (bit & 31))) === 0) return false;
    bit = (bit + step) | 0;
  }
  return true;
}

export function addToFilter(filter: KeyFilter, h: number, g: number): void {
  const { bits } = filter;
  const base = (g >>> filter.shift) * blockWords;
  const step = (h >>> 9) | 1;
  let bit = h;
  for (let i = 0; i < hashes; i++) {
    bits[base + ((bit >>> 5) & 15)]! |= 1 << (bit & 31);
    bit = (bit + step) | 0;
  }
}

/** Slots in hash order: one pass into as many buckets as keys, then straight insertion within what collided. */
export function sortedSlots(
  words: Uint32Array,
  slots: readonly number[] | Uint32Array,
  count: number,
  low: number,
  span: number,
): Uint32Array {
  const starts = new Uint32Array(count + 1);
  const scale = count / span;
  for (let i = 0; i < count; i++) starts[Math.floor((words[slots[i]!]! - low) * scale) + 1]!++;
  for (let i = 0; i < count; i++) starts[i + 1]! += starts[i]!;
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) order[starts[Math.floor((words[slots[i]!]! - low) * scale)]!++] = slots[i]!;
  for (let i = 1; i < count; i++) {
    const slot = order[i]!;
    const h = words[slot]!;
    let j = i;
    while (j > 0 && words[order[j - 1]!]! > h) {
      order[j] = order[j - 1]!;
      j--;
    }
    order[j] = slot;
  }
  return order;
}
