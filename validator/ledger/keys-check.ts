/**
 * Are these executed keys those of the certified state? The state's history has a leaf for each block, over its
 * receipts root and the digest of its keys; from the keys alone (a block's receipts root is among them) both are
 * computed again, and an era of leaves compared with the history.
 */
import { viewOf } from "../codec/bytes.ts";
import { recordLength } from "../codec/payment-message.ts";
import { messageHashKind, messageKeyKind, receiptsRootKind } from "./execute.ts";
import { eraBlocks, type History, historyLeaf } from "./history.ts";
import { keysDigest, type ReceiptSource, receiptsRoot } from "./receipt-tree.ts";
import { receiptCode } from "./receipts.ts";

/** An exported key: 16 bytes, institution u24 with kind u8 above, height u32, position u32. */
export const exportedKeyBytes = 28;
const words = exportedKeyBytes / 4;
const tagWord = 4;
const heightWord = 5;
const positionWord = 6;
const mostKeys = 2 ** 22;

export type KeysCheck = { readonly kind: "certified" } | { readonly kind: "wrong"; readonly reason: string };

export interface KeysCheckOptions {
  /** Of the certified state. */
  readonly history: History;
  /** Keys of blocks up to this height (a multiple of `eraBlocks`) are not there. */
  readonly above: number;
  /** Goes through all keys, in any order; called again when they are more than fit in memory. */
  readonly scan: () => AsyncIterable<Uint8Array>;
  /** Keys held at once. A block has less. Default and at most 4,194,304. */
  readonly keysInMemory?: number;
}

/** Checks every key above `above` against the history: none missing, none added, none of another block. */
export async function checkKeys(options: KeysCheckOptions): Promise<KeysCheck> {
  const { history, above, scan, keysInMemory = mostKeys } = options;
  let leaves: Uint8Array[] = [];
  let era = above / eraBlocks;
  let next = above + 1;
  do {
    const range = await collect(scan(), next, history.count + 1, keysInMemory);
    if (range === undefined) return { kind: "wrong", reason: "more keys than a block can have, or keys of no block" };
    for (; next < range.to; next++) {
      const leaf = leafOf(range, next);
      if (leaf === undefined) return { kind: "wrong", reason: `the keys of block ${next} make no block` };
      leaves.push(leaf);
      if (next % eraBlocks !== 0) continue;
      if (!history.hasEra(era, joined(leaves))) return wrongEra(era);
      leaves = [];
      era += 1;
    }
  } while (next <= history.count);
  return history.hasEra(era, joined(leaves)) ? { kind: "certified" } : wrongEra(era);
}

function wrongEra(era: number): KeysCheck {
  const first = era * eraBlocks + 1;
  return { kind: "wrong", reason: `the keys of blocks from ${first} on are not those under the certified root` };
}

function joined(leaves: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(32 * leaves.length);
  for (const [i, leaf] of leaves.entries()) all.set(leaf, 32 * i);
  return all;
}

/** The keys of the blocks [from, to), by block. */
interface Range {
  readonly from: number;
  readonly to: number;
  readonly keys: Uint32Array;
  /** Where the keys of block `from + i` begin in `order`; one more entry ends the last. */
  readonly starts: Uint32Array;
  /** Positions in `keys`, by block. */
  readonly order: Uint32Array;
}

/** As many whole blocks from `from` on, below `end`, as fit; undefined when not even one does, or a key is of no block. */
async function collect(
  parts: AsyncIterable<Uint8Array>,
  from: number,
  end: number,
  most: number,
): Promise<Range | undefined> {
  let keys = new Uint32Array(words * 1_024);
  let count = 0;
  let to = end;
  for await (const part of parts) {
    const view = viewOf(part);
    for (let at = 0; at < part.length; at += exportedKeyBytes) {
      const height = view.getUint32(at + 4 * heightWord, true);
      if (height >= end) return undefined;
      if (height < from || height >= to) continue;
      if (count === most) {
        to = middleOf(keys, count, from);
        if (to <= from) return undefined;
        count = keepBelow(keys, count, to);
        if (height >= to) continue;
      }
      if ((count + 1) * words > keys.length) {
        const grown = new Uint32Array(2 * keys.length);
        grown.set(keys);
        keys = grown;
      }
      for (let word = 0; word < words; word++) keys[count * words + word] = view.getUint32(at + 4 * word, true);
      count += 1;
    }
  }
  const starts = new Uint32Array(to - from + 1);
  const blockOf = (key: number) => (keys[key * words + heightWord] as number) - from;
  for (let key = 0; key < count; key++) starts[blockOf(key) + 1] = (starts[blockOf(key) + 1] as number) + 1;
  for (let block = 0; block < to - from; block++)
    starts[block + 1] = (starts[block + 1] as number) + (starts[block] as number);
  const free = starts.slice();
  const order = new Uint32Array(count);
  for (let key = 0; key < count; key++) {
    const block = blockOf(key);
    const slot = free[block] as number;
    order[slot] = key * words;
    free[block] = slot + 1;
  }
  return { from, to, keys, starts, order };
}

/** A height with about half of the keys below it; `from` when all are of one block. */
function middleOf(keys: Uint32Array, count: number, from: number): number {
  const heights = new Uint32Array(count);
  for (let key = 0; key < count; key++) heights[key] = keys[key * words + heightWord] as number;
  heights.sort();
  const middle = heights[count >> 1] as number;
  if (middle > from) return middle;
  return (heights.at(-1) as number) > from ? from + 1 : from;
}

function keepBelow(keys: Uint32Array, count: number, to: number): number {
  let kept = 0;
  for (let key = 0; key < count; key++) {
    if ((keys[key * words + heightWord] as number) >= to) continue;
    keys.copyWithin(kept * words, key * words, (key + 1) * words);
    kept += 1;
  }
  return kept;
}

/** The history's leaf of a block whose keys these are; undefined when no block has such keys. */
function leafOf({ from, keys, starts, order }: Range, height: number): Uint8Array | undefined {
  const slots = order.subarray(starts[height - from], starts[height - from + 1]);
  // By position; at equal positions a message's own key goes before its first payment's.
  const sorted = new Float64Array(slots.length);
  for (const [i, slot] of slots.entries()) {
    const own = ((keys[slot + tagWord] as number) >>> 24) & (messageKeyKind | messageHashKind);
    const position = keys[slot + positionWord] as number;
    if (position >= 2 ** 30) return undefined;
    sorted[i] = (2 * position + (own ? 0 : 1)) * mostKeys + i;
  }
  sorted.sort();
  const halves: (Uint8Array | undefined)[] = [undefined, undefined];
  const messages: { readonly tag: number; readonly key: Uint8Array; readonly uetrs: Uint8Array[] }[] = [];
  let last = -1;
  for (const rank of sorted) {
    const slot = slots[rank % mostKeys] as number;
    const tag = keys[slot + tagWord] as number;
    const position = keys[slot + positionWord] as number;
    const kind = tag >>> 24;
    const key = new Uint8Array(16);
    for (let word = 0; word < 4; word++) viewOf(key).setUint32(4 * word, keys[slot + word] as number, true);
    const flags = kind & (messageKeyKind | messageHashKind | receiptsRootKind);
    if ((flags & (flags - 1)) !== 0) return undefined;
    if (kind === receiptsRootKind) {
      if ((tag & 0xff_ffff) !== 0 || position > 1 || halves[position]) return undefined;
      halves[position] = key;
    } else if (flags) messages.push({ tag, key, uetrs: [] });
    else {
      const message = messages.at(-1);
      // One key a position, of the message's kind and institution.
      if (!message || position === last || tag !== (message.tag & 0x3fff_ffff)) return undefined;
      last = position;
      message.uetrs.push(key);
    }
  }
  const sources: ReceiptSource[] = [];
  for (const { tag, key, uetrs } of messages) {
    const byId = (tag >>> 24) & messageKeyKind;
    // An id is used up by settled payments, bytes by none.
    if (byId ? uetrs.length === 0 : uetrs.length > 0) return undefined;
    sources.push(sourceOf(tag, key, uetrs));
  }
  const [low, high] = halves;
  if ((low === undefined) !== (high === undefined) || (!low && messages.length > 0)) return undefined;
  const receipts = low && high ? Uint8Array.from([...low, ...high]) : receiptsRoot(new Uint8Array(0));
  return historyLeaf(receipts, keysDigest(sources));
}

const none = new Uint8Array(0);

/** What `keysDigest` reads of a message. */
function sourceOf(tag: number, key: Uint8Array, uetrs: readonly Uint8Array[]): ReceiptSource {
  const records = new Uint8Array(recordLength * uetrs.length);
  for (const [i, uetr] of uetrs.entries()) records.set(uetr, recordLength * i);
  return {
    kind: (tag >>> 24) & 0x3f,
    institution: tag & 0xff_ffff,
    zone: 0,
    messageKey: key,
    messageHash: key,
    recordsRoot: none,
    records,
    codes: uetrs.length > 0 ? new Uint8Array(uetrs.length) : Uint8Array.of(receiptCode("insufficient-funds")),
  };
}
