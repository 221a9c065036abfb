/** Batches of payment messages, named by content (docs/formats.md). */
import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { type Digest, digest } from "../consensus/types.ts";
import { bytesEqual, concat, plain, toHex, viewOf } from "./bytes.ts";
import { merkleRoot } from "./merkle.ts";
import {
  checkMessage,
  maxMessagePayments,
  messageHash,
  messageHeaderLength,
  type PaymentMessage,
  parseMessage,
  recordLength,
} from "./payment-message.ts";
import { type Decoded, decoded, refused } from "./result.ts";

export const batchHeaderLength = 16;
export const maxBatchBytes = 512 * 1024;
/** Every message but a largest one fits beside others; 8,000 records alone are 512,000 bytes. */
export const maxBatchPayments = maxMessagePayments;
const magic = utf8ToBytes("VSB1");

export interface Batch {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
  /** The zone's index on the chain, 0 for none; equal for all its messages. */
  readonly zone: number;
  readonly payments: number;
  readonly messages: readonly PaymentMessage[];
  /** messageHash of each, 32 bytes. */
  readonly hashes: readonly Uint8Array[];
}

/** Packs checked messages of one zone. The caller keeps within `maxBatchBytes`. */
export function buildBatch(zone: number, messages: readonly PaymentMessage[]): Batch {
  const payments = messages.reduce((sum, message) => sum + message.header.count, 0);
  const header = new Uint8Array(batchHeaderLength);
  const view = viewOf(header);
  header.set(magic, 0);
  view.setUint16(4, 1, true);
  view.setUint16(6, zone, true);
  view.setUint32(8, messages.length, true);
  view.setUint32(12, payments, true);
  const bytes = concat(header, ...messages.map((message) => message.bytes));
  const hashes = messages.map((message) => messageHash(message.bytes));
  return { digest: digestOf(header, hashes), bytes, zone, payments, messages, hashes };
}

/** A batch from a peer: every layout, root and count checked; signatures are not. */
export function checkBatch(bytes: Uint8Array): Decoded<Batch> {
  return readBatch(bytes, checkMessage);
}

/** A batch that was checked before it was stored here. */
export function parseBatch(bytes: Uint8Array): Decoded<Batch> {
  return readBatch(bytes, parseMessage);
}

function readBatch(source: Uint8Array, read: (message: Uint8Array) => Decoded<PaymentMessage>): Decoded<Batch> {
  const bytes = plain(source);
  if (bytes.length > maxBatchBytes) return refused("batch: too large", "too-large");
  if (bytes.length < batchHeaderLength) return refused("batch: too short");
  const view = viewOf(bytes);
  if (!bytesEqual(bytes.subarray(0, 4), magic) || view.getUint16(4, true) !== 1)
    return refused("batch: magic or version");
  const [zone, count, payments] = [view.getUint16(6, true), view.getUint32(8, true), view.getUint32(12, true)];
  const messages: PaymentMessage[] = [];
  let at = batchHeaderLength;
  let found = 0;
  while (at < bytes.length) {
    if (messages.length === count || bytes.length - at < messageHeaderLength)
      return refused("batch: more than its messages");
    const size = messageHeaderLength + view.getUint32(at + 88, true) * recordLength;
    const message = read(bytes.subarray(at, at + size));
    if (message.kind === "refused") return message;
    if (message.value.header.zone !== zone) return refused("batch: a message of another zone");
    messages.push(message.value);
    found += message.value.header.count;
    at += size;
  }
  if (count === 0 || messages.length !== count || found !== payments || payments > maxBatchPayments)
    return refused("batch: counts do not add up");
  const hashes = messages.map((message) => messageHash(message.bytes));
  return decoded({
    digest: digestOf(bytes.subarray(0, batchHeaderLength), hashes),
    bytes,
    zone,
    payments,
    messages,
    hashes,
  });
}

function digestOf(header: Uint8Array, hashes: readonly Uint8Array[]): Digest {
  return digest(toHex(sha256(concat(header, merkleRoot(concat(...hashes))))));
}
