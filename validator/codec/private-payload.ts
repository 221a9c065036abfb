/** Private payloads: what never enters a block, committed to by salted hashes (docs/formats.md). */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesEqual, concat, reader, writer } from "./bytes.ts";
import { merkleRoot } from "./merkle.ts";
import { maxMessagePayments, type PaymentMessage, recordLength, recordOffset } from "./payment-message.ts";
import { type Decoded, decoded, refused } from "./result.ts";

const saltLength = 16;
/** Most bytes of one payment's private content. */
export const maxPrivateContent = 16 * 1024;
/** Most bytes of a message's private payload. */
const maxPrivatePayload = 16 * 1024 * 1024;

/** One payment's part. */
export interface PrivateItem {
  /** 16 random bytes. */
  readonly salt: Uint8Array;
  readonly content: Uint8Array;
}

/** sha256; callers outside the cores may hand in a native one, which is three times as fast. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

export function privateLeaf({ salt, content }: PrivateItem, hash: Sha256 = sha256): Uint8Array {
  return hash(concat(salt, content));
}

/** The first 24 bytes of the leaf: the record's commitment. */
export function commitment(item: PrivateItem): Uint8Array {
  return privateLeaf(item).subarray(0, 24);
}

export function privateRoot(items: readonly PrivateItem[]): Uint8Array {
  return merkleRoot(concat(...items.map((item) => privateLeaf(item))));
}

export function encodePrivatePayload(items: readonly PrivateItem[]): Uint8Array {
  const out = writer(4 + items.reduce((sum, item) => sum + 20 + item.content.length, 0));
  out.u32(items.length);
  for (const { salt, content } of items) {
    out.bytes(salt);
    out.u32(content.length);
    out.bytes(content);
  }
  return out.finish();
}

export function decodePrivatePayload(bytes: Uint8Array): Decoded<readonly PrivateItem[]> {
  if (bytes.length > maxPrivatePayload) return refused("private payload: too large", "too-large");
  const input = reader(bytes);
  const count = input.u32();
  if (count === 0 || count > maxMessagePayments) return refused("private payload: count out of bounds", "too-large");
  const items: PrivateItem[] = [];
  for (let i = 0; i < count && !input.failed; i++) {
    const salt = input.bytes(saltLength);
    const length = input.u32();
    if (length > maxPrivateContent) return refused("private payload: an item is too large", "too-large");
    items.push({ salt, content: input.bytes(length) });
  }
  return input.failed || input.left > 0 ? refused("private payload: not its layout") : decoded(items);
}

/** Is this the payload that the message commits to, in its root and in each record? */
export function matchesMessage(message: PaymentMessage, items: readonly PrivateItem[], hash: Sha256 = sha256): boolean {
  if (items.length !== message.header.count) return false;
  const leaves = items.map((item) => privateLeaf(item, hash));
  const committed = leaves.every((leaf, i) => {
    const start = i * recordLength + recordOffset.commitment;
    return bytesEqual(leaf.subarray(0, 24), message.records.subarray(start, start + 24));
  });
  return committed && bytesEqual(merkleRoot(concat(...leaves)), message.header.privateRoot);
}
