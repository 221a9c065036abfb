/**
 * A block's receipts as Merkle leaves, and the digest of the keys it executed (docs/formats.md, Receipts). Used by
 * execution and by whoever builds or checks a proof. A message is one leaf over trees that cost little: that of its
 * records, which its institution signed, and that of its codes, one byte a payment.
 */
import { hash } from "@chainsafe/hashtree";
import { concat, viewOf, writeU64 } from "../codec/bytes.ts";
import { hashChunks, merkleRoot, merkleTree, treeRoot } from "../codec/merkle.ts";
import { type PaymentMessage, recordLength } from "../codec/payment-message.ts";
import { receiptCode } from "./receipts.ts";

/** One message of a block with its results. */
export interface ReceiptSource {
  readonly kind: number;
  readonly institution: number;
  readonly zone: number;
  /** 32 bytes each. */
  readonly messageKey: Uint8Array;
  readonly messageHash: Uint8Array;
  readonly recordsRoot: Uint8Array;
  /** 64 bytes a payment. */
  readonly records: Uint8Array;
  readonly codes: Uint8Array;
}

export function receiptSource(
  { header, records }: PaymentMessage,
  messageHash: Uint8Array,
  codes: Uint8Array,
): ReceiptSource {
  const { kind, institution, zone, messageKey, recordsRoot } = header;
  return { kind, institution, zone, messageKey, messageHash, recordsRoot, records, codes };
}

/** A governance transaction's receipt. */
export interface GovernanceReceipt {
  /** sha256 of its bytes. */
  readonly hash: Uint8Array;
  readonly granted: boolean;
  /** Why not; "" when granted. */
  readonly reason: string;
}

/** The block that receipts are of. */
export interface ReceiptBlock {
  readonly height: number;
  /** Its time, ms since the Unix epoch. */
  readonly time: number;
}

/** What a message's leaf binds beside its records and codes. */
export interface ReceiptPlace extends ReceiptBlock {
  readonly institution: number;
  readonly kind: number;
  readonly zone: number;
  /** Position in the block of the message's first payment. */
  readonly first: number;
  /** Payments of all messages executed in the block. */
  readonly receipts: number;
}

/**
 * The leaf of one message: `sha256(recordsRoot ‖ sha256(codesRoot 32, institution u32, kind u16, zone u16, first
 * position u32, payments of the block u32, height u64, time u64))`. Roots are mixed with their counts.
 */
export function messageLeaf(recordsRoot: Uint8Array, codesRoot: Uint8Array, place: ReceiptPlace): Uint8Array {
  const chunk = new Uint8Array(64);
  chunk.set(codesRoot, 0);
  writePlace(viewOf(chunk), 0, place);
  return hash(concat(recordsRoot, hash(chunk)));
}

/** The half of a chunk that follows the codesRoot; the chunk begins at `at`. */
function writePlace(view: DataView, at: number, place: ReceiptPlace): void {
  view.setUint32(at + 32, place.institution, true);
  view.setUint16(at + 36, place.kind, true);
  view.setUint16(at + 38, place.zone, true);
  view.setUint32(at + 40, place.first, true);
  view.setUint32(at + 44, place.receipts, true);
  writeU64(view, at + 48, place.height);
  writeU64(view, at + 56, place.time);
}

/** Bare root and count of one tree of many, as the chunk that `mixedRoot` hashes; the chunk begins at `at`. */
function writeMixed(chunks: Uint8Array, view: DataView, at: number, leaves: Uint8Array): void {
  chunks.set(leaves.length === 32 ? leaves : treeRoot(merkleTree(leaves)), at);
  writeU64(view, at + 32, leaves.length / 32);
}

/** The codes as leaves of 32, the last padded with zeros. */
export function codeLeaves(codes: Uint8Array): Uint8Array {
  const leaves = new Uint8Array(32 * Math.ceil(codes.length / 32));
  leaves.set(codes);
  return leaves;
}

const governanceMark = 0xffff_ffff;

/** `sha256(transaction hash 32, 0xffffffff u32, refused u32 (0 or 1), height u64, time u64, zero 8)`. */
export function governanceLeaf(
  { hash: transaction, granted }: Pick<GovernanceReceipt, "hash" | "granted">,
  block: ReceiptBlock,
): Uint8Array {
  const chunk = new Uint8Array(64);
  const view = viewOf(chunk);
  chunk.set(transaction, 0);
  view.setUint32(32, governanceMark, true);
  view.setUint32(36, granted ? 0 : 1, true);
  writeU64(view, 40, block.height);
  writeU64(view, 48, block.time);
  return hash(chunk);
}

/** The leaves of a block's receipts, 32 bytes each: messages in order, then governance. */
export function receiptLeaves(
  sources: readonly ReceiptSource[],
  governance: readonly GovernanceReceipt[],
  block: ReceiptBlock,
): Uint8Array {
  const receipts = sources.reduce((sum, source) => sum + source.codes.length, 0);
  // All messages side by side, so that each step is one call of the hashing library.
  const chunks = new Uint8Array(64 * sources.length);
  const view = viewOf(chunks);
  for (const [i, { codes }] of sources.entries()) writeMixed(chunks, view, 64 * i, codeLeaves(codes));
  const codesRoots = hashChunks(chunks);
  let first = 0;
  for (const [i, { institution, kind, zone, codes }] of sources.entries()) {
    chunks.set(codesRoots.subarray(32 * i, 32 * i + 32), 64 * i);
    writePlace(view, 64 * i, { ...block, institution, kind, zone, first, receipts });
    first += codes.length;
  }
  const places = hashChunks(chunks);
  for (const [i, { recordsRoot }] of sources.entries()) {
    chunks.set(recordsRoot, 64 * i);
    chunks.set(places.subarray(32 * i, 32 * i + 32), 64 * i + 32);
  }
  return concat(hashChunks(chunks), ...governance.map((receipt) => governanceLeaf(receipt, block)));
}

/** The published root over receipt leaves; of an empty block too. */
export function receiptsRoot(leaves: Uint8Array): Uint8Array {
  return merkleRoot(leaves);
}

/** Codes of messages that were refused whole before anything of theirs was looked at: such a message may come again. */
const untouched: ReadonlySet<number> = new Set([
  receiptCode("bad-signature"),
  receiptCode("unknown-institution"),
  receiptCode("expired"),
]);

/**
 * What a message leaves behind in the executed keys. `id`: its institution's message id is used up, for a payment of
 * it settled. `bytes`: none settled, so another message may have the id, but this one never executes again: its
 * rejection was answered. `nothing`: it was not its institution's, or not in time.
 */
export function consumption(codes: Uint8Array): "id" | "bytes" | "nothing" {
  if (codes.includes(0)) return "id";
  return untouched.has(codes[0] as number) ? "nothing" : "bytes";
}

/**
 * Digest of the keys that a block consumed. A leaf a message: `sha256(uetrs 32 ‖ institution u32, kind u16, 1: message
 * id, 2: message bytes u16, settled u32, zero u32, first 16 bytes of messageKey or messageHash)`; `uetrs` is the
 * mixed Merkle root of the settled payments' UETRs, four to a chunk of 64 bytes.
 */
export function keysDigest(sources: readonly ReceiptSource[]): Uint8Array {
  const consuming = sources.filter(({ codes }) => consumption(codes) !== "nothing");
  const settled = consuming.map(({ codes }) => countSettled(codes));
  const chunksOf = (count: number) => Math.ceil(count / 4);
  const uetrs = new Uint8Array(64 * settled.reduce((sum, count) => sum + chunksOf(count), 0));
  let at = 0;
  for (const [i, source] of consuming.entries()) {
    copySettled(source, uetrs, at);
    at += 64 * chunksOf(settled[i] ?? 0);
  }
  const leaves = hashChunks(uetrs);
  const chunks = new Uint8Array(64 * consuming.length);
  const view = viewOf(chunks);
  let from = 0;
  for (const [i, count] of settled.entries()) {
    const to = from + 32 * chunksOf(count);
    writeMixed(chunks, view, 64 * i, leaves.subarray(from, to));
    from = to;
  }
  const roots = hashChunks(chunks);
  chunks.fill(0);
  for (const [i, { institution, kind, codes, messageKey, messageHash }] of consuming.entries()) {
    const byId = consumption(codes) === "id";
    chunks.set(roots.subarray(32 * i, 32 * i + 32), 64 * i);
    view.setUint32(64 * i + 32, institution, true);
    view.setUint16(64 * i + 36, kind, true);
    view.setUint16(64 * i + 38, byId ? 1 : 2, true);
    view.setUint32(64 * i + 40, settled[i] ?? 0, true);
    chunks.set((byId ? messageKey : messageHash).subarray(0, 16), 64 * i + 48);
  }
  return merkleRoot(hashChunks(chunks));
}

function countSettled(codes: Uint8Array): number {
  let count = 0;
  for (let i = 0; i < codes.length; i++) if (codes[i] === 0) count += 1;
  return count;
}

/** UETRs of the settled payments one after the other. */
function copySettled({ records, codes }: ReceiptSource, into: Uint8Array, start: number): void {
  let at = start;
  for (let i = 0; i < codes.length; i++) {
    if (codes[i] !== 0) continue;
    const from = recordLength * i;
    for (let byte = 0; byte < 16; byte++) into[at + byte] = records[from + byte] as number;
    at += 16;
  }
}
