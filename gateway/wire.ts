/** Payment messages and private payloads as bytes (docs/formats.md). */
import { createHash } from "node:crypto";

const HEADER = 224;
const RECORD = 64;

export interface WireRecord {
  readonly uetr: Uint8Array;
  readonly debtorAccount: number;
  readonly creditorAccount: number;
  readonly amount: bigint;
  readonly currency: number;
  readonly valueDate: number;
  readonly salt: Uint8Array;
  readonly content: Uint8Array;
}

function sha256(...parts: Uint8Array[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function mixedRoot(leaves: Buffer[]): Buffer {
  let level = leaves;
  let width = 1;
  while (width < leaves.length) width *= 2;
  level = [...leaves, ...Array.from({ length: width - leaves.length }, () => Buffer.alloc(32))];
  while (level.length > 1) {
    const next: Buffer[] = [];
    for (let at = 0; at < level.length; at += 2) next.push(sha256(level[at]!, level[at + 1]!));
    level = next;
  }
  const tail = Buffer.alloc(32);
  tail.writeBigUInt64LE(BigInt(leaves.length), 0);
  return sha256(level[0]!, tail);
}

export function buildMessage(header: {
  readonly institution: number;
  readonly zone: number;
  readonly atomic: boolean;
  readonly messageKey: Uint8Array;
  readonly chainId: Uint8Array;
  readonly expiry: number;
  readonly records: readonly WireRecord[];
  readonly sign: (bytes: Uint8Array) => Uint8Array;
}): { readonly message: Uint8Array; readonly privatePayload: Uint8Array; readonly hash: Uint8Array } {
  const { records } = header;
  const message = Buffer.alloc(HEADER + RECORD * records.length);
  const privateParts: Buffer[] = [];
  const count = Buffer.alloc(4);
  count.writeUInt32LE(records.length);
  privateParts.push(count);
  const leaves: Buffer[] = [];
  const privateLeaves: Buffer[] = [];
  for (const [at, record] of records.entries()) {
    const leaf = sha256(record.salt, record.content);
    privateLeaves.push(leaf);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(record.content.length);
    privateParts.push(Buffer.from(record.salt), length, Buffer.from(record.content));
    const o = HEADER + RECORD * at;
    message.set(record.uetr, o);
    message.writeUInt32LE(record.debtorAccount, o + 16);
    message.writeUInt32LE(record.creditorAccount, o + 20);
    message.writeBigUInt64LE(record.amount, o + 24);
    message.writeUInt16LE(record.currency, o + 32);
    message.writeUInt32LE(record.valueDate, o + 36);
    message.set(leaf.subarray(0, 24), o + 40);
    leaves.push(sha256(message.subarray(o, o + RECORD)));
  }
  message.write("VSM1", 0, "latin1");
  message.writeUInt16LE(1, 4);
  message.writeUInt16LE(1, 6);
  message.writeUInt32LE(header.institution, 8);
  message.writeUInt16LE(header.zone, 12);
  message.writeUInt16LE(header.atomic ? 1 : 0, 14);
  message.set(header.messageKey, 16);
  message.set(header.chainId, 48);
  message.writeBigUInt64LE(BigInt(header.expiry), 80);
  message.writeUInt32LE(records.length, 88);
  message.set(mixedRoot(leaves), 96);
  message.set(mixedRoot(privateLeaves), 128);
  message.set(header.sign(sha256(Buffer.from("validator-swarm/v1/payment-message"), message.subarray(0, 160))), 160);
  return { message, privatePayload: Buffer.concat(privateParts), hash: sha256(message.subarray(0, HEADER)) };
}
