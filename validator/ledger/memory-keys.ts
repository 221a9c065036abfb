/**
 * Executed keys in one flat table in memory: for the keys of one message, for tests, benchmarks and the simulator.
 * `storage/executed-keys.ts` is the one with bounds and a seed against chosen keys.
 */
import type { ExecutedKeys } from "./types.ts";

/** Words of an entry: the key's 16 bytes (4), kind, institution, height, position. */
const entryWords = 8;
const kindWord = 4;
const institutionWord = 5;
const heightWord = 6;
const positionWord = 7;

/** `capacity`: slots at first, a power of two; doubled whenever half are taken. */
export function createMemoryKeys(capacity = 1_024): ExecutedKeys {
  let mask = capacity - 1;
  /** Pairs: a key's hash, and the number of its entry + 1 (0: empty). Small beside the entries, so that a miss stays in the cache. */
  let slots = new Uint32Array(2 * capacity);
  let entries = new Uint32Array((capacity / 2) * entryWords);
  let size = 0;
  /** The key under way, so that nothing is allocated for a lookup. */
  const key = new Uint32Array(institutionWord + 1);
  let hash = 0;

  function load(kind: number, institution: number, source: Uint8Array, offset: number): void {
    for (let word = 0; word < 4; word++) {
      const at = offset + 4 * word;
      key[word] =
        (source[at] as number) |
        ((source[at + 1] as number) << 8) |
        ((source[at + 2] as number) << 16) |
        ((source[at + 3] as number) << 24);
    }
    key[kindWord] = kind;
    key[institutionWord] = institution;
    hash = hashOf(key);
  }

  /** The key's slot: its own, or the empty one where it belongs. */
  function slotOf(): number {
    let slot = hash & mask;
    for (;;) {
      const entry = slots[2 * slot + 1] as number;
      if (entry === 0 || (slots[2 * slot] === hash && matches((entry - 1) * entryWords))) return slot;
      slot = (slot + 1) & mask;
    }
  }

  function matches(at: number): boolean {
    let word = 0;
    while (word <= institutionWord && entries[at + word] === key[word]) word += 1;
    return word > institutionWord;
  }

  function grow(): void {
    const old = slots;
    slots = new Uint32Array(2 * old.length);
    mask = 2 * mask + 1;
    for (let from = 0; from < old.length; from += 2) {
      if (old[from + 1] === 0) continue;
      let slot = (old[from] as number) & mask;
      while (slots[2 * slot + 1] !== 0) slot = (slot + 1) & mask;
      slots[2 * slot] = old[from] as number;
      slots[2 * slot + 1] = old[from + 1] as number;
    }
    const grown = new Uint32Array(2 * entries.length);
    grown.set(entries);
    entries = grown;
  }

  function insert(slot: number, height: number, position: number): void {
    const at = size * entryWords;
    entries.set(key, at);
    entries[at + heightWord] = height;
    entries[at + positionWord] = position;
    size += 1;
    slots[2 * slot] = hash;
    slots[2 * slot + 1] = size;
    if (2 * size > mask) grow();
  }

  return {
    add(kind, institution, source, offset, height, position) {
      load(kind, institution, source, offset);
      const slot = slotOf();
      if (slots[2 * slot + 1] !== 0) return false;
      insert(slot, height, position);
      return true;
    },
    find(kind, institution, source, offset) {
      load(kind, institution, source, offset);
      const entry = slots[2 * slotOf() + 1] as number;
      if (entry === 0) return undefined;
      const at = (entry - 1) * entryWords;
      return { height: entries[at + heightWord] as number, position: entries[at + positionWord] as number };
    },
    forget(upToHeight) {
      const kept = size;
      size = 0;
      slots.fill(0);
      for (let from = 0; from < kept * entryWords; from += entryWords) {
        const height = entries[from + heightWord] as number;
        if (height <= upToHeight) continue;
        // Entries move down in place: what is written was read before.
        key.set(entries.subarray(from, from + heightWord));
        hash = hashOf(key);
        insert(slotOf(), height, entries[from + positionWord] as number);
      }
    },
  };
}

/** Mixes the words of a key. */
function hashOf(key: Uint32Array): number {
  let hash = 0x9e3779b9;
  for (let word = 0; word <= institutionWord; word++) {
    hash = Math.imul(hash ^ (key[word] as number), 0x85ebca6b);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
