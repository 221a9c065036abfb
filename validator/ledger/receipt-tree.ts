/** A block's receipts as Merkle leaves, and the digest of the keys it executed. Used by execution and by whoever builds a proof. */
import { hash } from "@chainsafe/hashtree";
import { concat, viewOf, writeU64 } from "../codec/bytes.ts";
import { hashChunks, merkleRoot } from "../codec/merkle.ts";

/** One message of a block with its results. */
export interface ReceiptSource {
  readonly kind: number;
  readonly institution: number;
  readonly messageKey: Uint8Array;
  /** 64 bytes a payment. */
  readonly records: Uint8Array;
  readonly codes: Uint8Array;
}

/** A governance transaction's receipt. */
export interface GovernanceReceipt {
  /** sha256 of its bytes. */
  readonly hash: Uint8Array;
  readonly granted: boolean;
  /** Why not; "" when granted. */
  readonly reason: string;
}

const governanceInstitution = 0xffff_ffff;
const governanceKind = 0xffff;

/**
 * The leaves of a block's receipts, 32 bytes each: payments in order, then governance. A leaf is sha256 of 64 bytes:
 * record hash (or transaction hash) 32, institution u32, code u16, kind u16, height u64, position u64, zero 8.
 */
export function receiptLeaves(
  sources: readonly ReceiptSource[],
  governance: readonly GovernanceReceipt[],
  height: number,
): Uint8Array {
  const payments = sources.reduce((sum, source) => sum + source.codes.length, 0);
  const chunks = new Uint8Array(64 * (payments + governance.length));
  const view = viewOf(chunks);
  let position = 0;
  const put = (record: Uint8Array, from: number, institution: number, code: number, kind: number) => {
    const at = 64 * position;
    for (let i = 0; i < 32; i++) chunks[at + i] = record[from + i] as number;
    view.setUint32(at + 32, institution, true);
    view.setUint16(at + 36, code, true);
    view.setUint16(at + 38, kind, true);
    view.setUint32(at + 40, height >>> 0, true);
    view.setUint32(at + 44, Math.floor(height / 0x1_0000_0000), true);
    view.setUint32(at + 48, position, true);
    position += 1;
  };
  for (const { records, institution, kind, codes } of sources) {
    const hashes = hashChunks(records);
    for (let i = 0; i < codes.length; i++) put(hashes, 32 * i, institution, codes[i] as number, kind);
  }
  for (const { hash: transaction, granted } of governance)
    put(transaction, 0, governanceInstitution, granted ? 0 : 1, governanceKind);
  return hashChunks(chunks);
}

/** The leaf of one payment: what a verifier computes. `recordHash`: sha256 of the record. */
export function receiptLeaf(
  recordHash: Uint8Array,
  receipt: {
    readonly institution: number;
    readonly code: number;
    readonly kind: number;
    readonly height: number;
    readonly position: number;
  },
): Uint8Array {
  const chunk = new Uint8Array(64);
  const view = viewOf(chunk);
  chunk.set(recordHash, 0);
  view.setUint32(32, receipt.institution, true);
  view.setUint16(36, receipt.code, true);
  view.setUint16(38, receipt.kind, true);
  writeU64(view, 40, receipt.height);
  writeU64(view, 48, receipt.position);
  return hash(chunk);
}

/** The published root over receipt leaves; of an empty block too. */
export function receiptsRoot(leaves: Uint8Array): Uint8Array {
  return merkleRoot(leaves);
}

/** Digest of the keys that the block consumed: uetr 16, institution u32, kind u16, zero 10, one leaf each, then those of its messages. */
export function keysDigest(sources: readonly ReceiptSource[]): Uint8Array {
  let count = 0;
  for (const { codes } of sources) for (let i = 0; i < codes.length; i++) if (codes[i] === 0) count += 1;
  const leaves = new Uint8Array(32 * count);
  const view = viewOf(leaves);
  let at = 0;
  for (const { records, institution, kind, codes } of sources) {
    for (let i = 0; i < codes.length; i++) {
      if (codes[i] !== 0) continue;
      for (let byte = 0; byte < 16; byte++) leaves[at + byte] = records[64 * i + byte] as number;
      view.setUint32(at + 16, institution, true);
      view.setUint16(at + 20, kind, true);
      at += 32;
    }
  }
  const messages = sources.filter((source) => source.codes.includes(0)).map((source) => source.messageKey);
  return merkleRoot(concat(leaves, ...messages));
}

/** The history's leaf of a block. */
export function historyLeaf(receipts: Uint8Array, keys: Uint8Array): Uint8Array {
  return hash(concat(receipts, keys));
}
