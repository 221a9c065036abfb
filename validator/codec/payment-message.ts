/**
 * Payment messages: a signed header and fixed-width records, read in place (docs/formats.md).
 * Nothing here allocates per payment.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import type { Digest } from "../consensus/types.ts";
import { bytesEqual, concat, plain, readU64, viewOf, writeU64 } from "./bytes.ts";
import { domain } from "./certificate.ts";
import { hashChunks, merkleRoot } from "./merkle.ts";
import { type Decoded, decoded, refused } from "./result.ts";

export const messageHeaderLength = 224;
export const recordLength = 64;
export const maxMessagePayments = 8_000;
/** The only kind so far: customer credit transfer (pacs.008). */
export const creditTransfer = 1;
/** Flag: all payments of the message or none. */
const atomicFlag = 1;
const signedLength = 160;
const magic = utf8ToBytes("VSM1");

/** A message's header fields. Byte fields are views into the message. */
interface MessageHeader {
  readonly kind: number;
  readonly institution: number;
  readonly zone: number;
  readonly atomic: boolean;
  readonly messageKey: Uint8Array;
  readonly chainId: Uint8Array;
  /** Milliseconds since the Unix epoch. */
  readonly expiry: number;
  readonly count: number;
  readonly recordsRoot: Uint8Array;
  readonly privateRoot: Uint8Array;
  readonly signature: Uint8Array;
}

/** A payment message over its bytes, checked for layout. */
export interface PaymentMessage {
  readonly bytes: Uint8Array;
  readonly header: MessageHeader;
  /** The records, 64 bytes each: a view into the message. */
  readonly records: Uint8Array;
}

/** One payment as a value: for gateways, tools and tests. Execution reads the bytes in place. */
export interface PaymentRecord {
  /** 16 bytes. */
  readonly uetr: Uint8Array;
  readonly debtor: number;
  readonly creditor: number;
  /** Minor units, a positive safe integer. */
  readonly amount: number;
  /** ISO 4217 numeric. */
  readonly currency: number;
  readonly purpose: number;
  /** yyyymmdd. */
  readonly valueDate: number;
  /** 24 bytes. */
  readonly commitment: Uint8Array;
}

/** Offsets inside a record. */
export const recordOffset = {
  uetr: 0,
  debtor: 16,
  creditor: 20,
  amount: 24,
  currency: 32,
  purpose: 34,
  valueDate: 36,
  commitment: 40,
} as const;

export function writeRecord(target: Uint8Array, index: number, record: PaymentRecord): void {
  const start = index * recordLength;
  const view = viewOf(target);
  target.set(record.uetr, start + recordOffset.uetr);
  view.setUint32(start + recordOffset.debtor, record.debtor, true);
  view.setUint32(start + recordOffset.creditor, record.creditor, true);
  writeU64(view, start + recordOffset.amount, record.amount);
  view.setUint16(start + recordOffset.currency, record.currency, true);
  view.setUint16(start + recordOffset.purpose, record.purpose, true);
  view.setUint32(start + recordOffset.valueDate, record.valueDate, true);
  target.set(record.commitment.subarray(0, 24), start + recordOffset.commitment);
}

export function readRecord(records: Uint8Array, index: number): PaymentRecord {
  const start = index * recordLength;
  const view = viewOf(records);
  return {
    uetr: records.slice(start, start + 16),
    debtor: view.getUint32(start + recordOffset.debtor, true),
    creditor: view.getUint32(start + recordOffset.creditor, true),
    amount: readU64(view, start + recordOffset.amount) ?? 0,
    currency: view.getUint16(start + recordOffset.currency, true),
    purpose: view.getUint16(start + recordOffset.purpose, true),
    valueDate: view.getUint32(start + recordOffset.valueDate, true),
    commitment: records.slice(start + recordOffset.commitment, start + recordLength),
  };
}

/** What `buildMessage` puts into the header. */
export interface MessageFields {
  readonly kind: number;
  readonly institution: number;
  readonly zone: number;
  readonly atomic: boolean;
  readonly messageKey: Uint8Array;
  readonly chainId: Digest;
  readonly expiry: number;
  /** 32 bytes; zeros when there is no private payload. */
  readonly privateRoot: Uint8Array;
}

/** The message's bytes from its fields and records (64 bytes each), signed by `sign(message bytes to sign, 32)`. */
export function buildMessage(
  fields: MessageFields,
  records: Uint8Array,
  sign: (bytes: Uint8Array) => Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(messageHeaderLength + records.length);
  const view = viewOf(bytes);
  bytes.set(magic, 0);
  view.setUint16(4, 1, true);
  view.setUint16(6, fields.kind, true);
  view.setUint32(8, fields.institution, true);
  view.setUint16(12, fields.zone, true);
  view.setUint16(14, fields.atomic ? atomicFlag : 0, true);
  bytes.set(fields.messageKey, 16);
  bytes.set(hexToBytes(fields.chainId), 48);
  writeU64(view, 80, fields.expiry);
  view.setUint32(88, records.length / recordLength, true);
  bytes.set(merkleRoot(hashChunks(records)), 96);
  bytes.set(fields.privateRoot, 128);
  bytes.set(records, messageHeaderLength);
  bytes.set(sign(messageSignedBytes(bytes)), signedLength);
  return bytes;
}

/** What the institution signs: 32 bytes. */
export function messageSignedBytes(message: Uint8Array): Uint8Array {
  return sha256(concat(domain("payment-message"), message.subarray(0, signedLength)));
}

/** Names the message: sha256 of its header, which commits to the records. */
export function messageHash(message: Uint8Array): Uint8Array {
  return sha256(message.subarray(0, messageHeaderLength));
}

/** `sha256(MsgId)`, or of `MsgId#n` for part n ≥ 2 of a split file. */
export function messageKey(messageId: string, part = 1): Uint8Array {
  return sha256(utf8ToBytes(part === 1 ? messageId : `${messageId}#${part}`));
}

/** Checks layout, reserved fields and the records' root; not the signature. Reads in place. */
export function checkMessage(bytes: Uint8Array): Decoded<PaymentMessage> {
  const parsed = parseMessage(bytes);
  if (parsed.kind === "refused") return parsed;
  const { header, records } = parsed.value;
  if (!bytesEqual(merkleRoot(hashChunks(records)), header.recordsRoot))
    return refused("message: recordsRoot is not its records'");
  return parsed;
}

/** Reads a message whose records were checked before (inside a stored batch). */
export function parseMessage(source: Uint8Array): Decoded<PaymentMessage> {
  const bytes = plain(source);
  if (bytes.length < messageHeaderLength + recordLength) return refused("message: too short");
  const view = viewOf(bytes);
  if (!bytesEqual(bytes.subarray(0, 4), magic) || view.getUint16(4, true) !== 1)
    return refused("message: magic or version");
  const count = view.getUint32(88, true);
  if (count === 0 || count > maxMessagePayments)
    return refused("message: count of payments out of bounds", "too-large");
  if (bytes.length !== messageHeaderLength + count * recordLength) return refused("message: length is not its count's");
  const flags = view.getUint16(14, true);
  if (flags & ~atomicFlag || view.getUint32(92, true) !== 0)
    return refused("message: reserved bits set", "not-canonical");
  const kind = view.getUint16(6, true);
  if (kind !== creditTransfer) return refused("message: unknown kind");
  const expiry = readU64(view, 80);
  if (expiry === undefined) return refused("message: expiry out of bounds");
  const header: MessageHeader = {
    kind,
    institution: view.getUint32(8, true),
    zone: view.getUint16(12, true),
    atomic: flags === atomicFlag,
    messageKey: bytes.subarray(16, 48),
    chainId: bytes.subarray(48, 80),
    expiry,
    count,
    recordsRoot: bytes.subarray(96, 128),
    privateRoot: bytes.subarray(128, 160),
    signature: bytes.subarray(160, 224),
  };
  return decoded({ bytes, header, records: bytes.subarray(messageHeaderLength) });
}
