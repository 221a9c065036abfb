/** Which files hold the executed keys as of a checkpoint. Stored inside the checkpoint, which carries the checksum. */
import type { HashSeed } from "./key-table.ts";
import { seedWords } from "./key-table.ts";

export interface KeyManifest {
  readonly height: number;
  /** Keys of blocks up to this height may be gone. */
  readonly forgotten: number;
  readonly seed: HashSeed;
  readonly segments: readonly {
    readonly number: number;
    readonly run: number;
    readonly count: number;
    readonly minHeight: number;
    readonly maxHeight: number;
    readonly ceiling: number;
  }[];
}

const headWords = 3 + seedWords;
const rowWords = 6;
const version = 0x314d4b56; // "VKM1"

export function encodeManifest({ height, forgotten, seed, segments }: KeyManifest): Uint8Array {
  const words = new Uint32Array(headWords + segments.length * rowWords);
  words.set([version, height, forgotten, ...seed]);
  for (const [i, row] of segments.entries()) {
    words.set([row.number, row.run, row.count, row.minHeight, row.maxHeight, row.ceiling], headWords + i * rowWords);
  }
  return new Uint8Array(words.buffer);
}

/** Undefined when the bytes are no manifest. */
export function decodeManifest(bytes: Uint8Array): KeyManifest | undefined {
  if (bytes.length % 4 !== 0) return undefined;
  const words = new Uint32Array(Uint8Array.from(bytes).buffer);
  if (words.length < headWords || (words.length - headWords) % rowWords !== 0 || words[0] !== version) return undefined;
  const segments: KeyManifest["segments"][number][] = [];
  for (let at = headWords; at < words.length; at += rowWords) {
    const [number, run, count, minHeight, maxHeight, ceiling] = words.subarray(at, at + rowWords);
    segments.push({
      number: number!,
      run: run!,
      count: count!,
      minHeight: minHeight!,
      maxHeight: maxHeight!,
      ceiling: ceiling!,
    });
  }
  return { height: words[1]!, forgotten: words[2]!, seed: words.slice(3, headWords), segments };
}
