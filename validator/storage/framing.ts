/**
 * The bytes of the log (docs/storage.md): a segment is a header and then groups; a group is what one commit made
 * durable: a header, records, a trailer. Group N + 1 is written only after group N was synced, so that only the last
 * group of the newest segment can be torn. A power cut loses whole sectors (they read as zeros) or the end of a file;
 * the writer notes how many sectors of a group are zero by right, so that a torn group can be told from a flipped byte.
 */
import { crc32 } from "node:zlib";

export const sectorBytes = 512;
export const segmentHeaderBytes = 64;
export const groupHeaderBytes = 32;
export const groupTrailerBytes = 8;
export const recordHeaderBytes = 16;

// No byte of a magic is zero: a lost sector can never look like one, nor a single flipped byte like a lost sector.
const segmentMagic = Buffer.from("VSLOGSG1");
const groupMagic = Buffer.from("VSGROUP1");
const groupTrailer = Buffer.from("VSGREND1");

export interface SegmentHeader {
  /** Counts from 1 without gaps. */
  readonly number: number;
  /** Count of openings of this log, from 1: the boot record. */
  readonly boot: number;
  /** Seeds every checksum of the segment, so that no client can craft content that passes for a group. */
  readonly salt: number;
  /** Sequence of its first group. */
  readonly sequence: number;
  /** Bytes of the segment before that count; what follows them was never acknowledged. */
  readonly previousLength: number;
}

export interface Record {
  readonly kind: number;
  /** The payload in pieces that are written one after the other, uncopied. */
  readonly payload: readonly Uint8Array[];
}

export interface ScannedRecord {
  readonly kind: number;
  /** Offset of the record's header in its segment. */
  readonly offset: number;
  /** A view of the segment's bytes. */
  readonly payload: Uint8Array;
}

export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const bytes = Buffer.alloc(segmentHeaderBytes);
  segmentMagic.copy(bytes, 0);
  bytes.writeUInt32LE(1, 8);
  bytes.writeUInt32LE(header.salt, 12);
  bytes.writeBigUInt64LE(BigInt(header.number), 16);
  bytes.writeBigUInt64LE(BigInt(header.boot), 24);
  bytes.writeBigUInt64LE(BigInt(header.sequence), 32);
  bytes.writeBigUInt64LE(BigInt(header.previousLength), 40);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60);
  return bytes;
}

export function decodeSegmentHeader(source: Uint8Array): SegmentHeader | undefined {
  if (source.length < segmentHeaderBytes) return undefined;
  const bytes = view(source);
  if (!bytes.subarray(0, 8).equals(segmentMagic) || bytes.readUInt32LE(8) !== 1) return undefined;
  if (crc32(bytes.subarray(0, 60)) !== bytes.readUInt32LE(60)) return undefined;
  return {
    number: Number(bytes.readBigUInt64LE(16)),
    boot: Number(bytes.readBigUInt64LE(24)),
    salt: bytes.readUInt32LE(12),
    sequence: Number(bytes.readBigUInt64LE(32)),
    previousLength: Number(bytes.readBigUInt64LE(40)),
  };
}

/** Bytes a record takes in a group. */
export function recordBytes(record: Record): number {
  return recordHeaderBytes + aligned(payloadBytes(record));
}

/** The buffers of one group for a file that now ends at `start`, with each record's offset. Payloads are not copied. */
export function encodeGroup(
  records: readonly Record[],
  segment: Pick<SegmentHeader, "salt">,
  sequence: number,
  start: number,
): { readonly chunks: readonly Uint8Array[]; readonly offsets: readonly number[]; readonly bytes: number } {
  const header = Buffer.alloc(groupHeaderBytes);
  const chunks: Uint8Array[] = [header];
  const offsets: number[] = [];
  let at = start + groupHeaderBytes;
  let zeros = 0;
  for (const record of records) {
    const length = payloadBytes(record);
    const head = Buffer.alloc(recordHeaderBytes);
    head.writeUInt32LE(length, 0);
    head[8] = record.kind;
    head.writeUInt32LE(recordChecksum(head, record.payload, segment.salt), 4);
    chunks.push(head, ...record.payload);
    offsets.push(at);
    at += recordHeaderBytes;
    zeros += zeroSectors(record.payload, at);
    at += length;
    const padding = aligned(length) - length;
    if (padding > 0) chunks.push(new Uint8Array(padding));
    at += padding;
  }
  groupMagic.copy(header, 0);
  header.writeUInt32LE(at - start - groupHeaderBytes, 8);
  header.writeUInt32LE(zeros, 12);
  header.writeBigUInt64LE(BigInt(sequence), 16);
  header.writeUInt32LE(records.length, 24);
  header.writeUInt32LE(crc32(header.subarray(0, 28), segment.salt), 28);
  chunks.push(groupTrailer);
  return { chunks, offsets, bytes: at + groupTrailerBytes - start };
}

export type Scan =
  | { readonly kind: "whole"; readonly length: number; readonly sequence: number }
  /** The last group was being written when power went: everything before `length` is whole. */
  | { readonly kind: "torn"; readonly length: number; readonly sequence: number }
  | { readonly kind: "damaged"; readonly offset: number; readonly message: string };

/** Reads a segment's groups in order up to `end`. Calls for each record only once its whole group was found good. */
export function scanGroups(source: Uint8Array, header: SegmentHeader, visit: (record: ScannedRecord) => void): Scan {
  const bytes = view(source);
  let at = segmentHeaderBytes;
  let sequence = header.sequence;
  while (at < bytes.length) {
    const group = readGroup(bytes, at, header.salt, sequence);
    if (group.kind === "bad") {
      if (group.torn && !laterGroup(bytes, at + 8, header.salt, sequence))
        return { kind: "torn", length: at, sequence };
      return { kind: "damaged", offset: group.offset, message: group.message };
    }
    for (const record of group.records) visit(record);
    at = group.end;
    sequence++;
  }
  return { kind: "whole", length: at, sequence };
}

type Group =
  | { readonly kind: "good"; readonly records: readonly ScannedRecord[]; readonly end: number }
  | { readonly kind: "bad"; readonly torn: boolean; readonly offset: number; readonly message: string };

function readGroup(bytes: Buffer, start: number, salt: number, sequence: number): Group {
  const body = start + groupHeaderBytes;
  const bad = (offset: number, torn: boolean, message: string): Group => ({ kind: "bad", torn, offset, message });
  if (body > bytes.length) return bad(start, true, "the group's header is cut");
  if (crc32(bytes.subarray(start, start + 28), salt) !== bytes.readUInt32LE(start + 28)) {
    return bad(start, lostSectors(bytes, start, body) > 0, "the group's header does not match its checksum");
  }
  const length = bytes.readUInt32LE(start + 8);
  const expectedZeros = bytes.readUInt32LE(start + 12);
  const count = bytes.readUInt32LE(start + 24);
  const end = body + length + groupTrailerBytes;
  if (!bytes.subarray(start, start + 8).equals(groupMagic) || Number(bytes.readBigUInt64LE(start + 16)) !== sequence) {
    return bad(start, false, `this is not group ${sequence}`);
  }
  if (end > bytes.length) return bad(start, true, "the group is cut");

  const torn = () => lostSectors(bytes, start, end) > expectedZeros;
  const records: ScannedRecord[] = [];
  let at = body;
  for (let i = 0; i < count; i++) {
    if (at + recordHeaderBytes > body + length) return bad(at, torn(), "a record lies outside its group");
    const size = bytes.readUInt32LE(at);
    if (at + recordHeaderBytes + size > body + length) return bad(at, torn(), "a record is longer than its group");
    const payload = bytes.subarray(at + recordHeaderBytes, at + recordHeaderBytes + size);
    const head = bytes.subarray(at, at + recordHeaderBytes);
    if (recordChecksum(head, [payload], salt) !== head.readUInt32LE(4)) {
      return bad(at, torn(), "a record does not match its checksum");
    }
    records.push({ kind: head[8] ?? 0, offset: at, payload });
    at += recordHeaderBytes + aligned(size);
  }
  if (at !== body + length || !bytes.subarray(body + length, end).equals(groupTrailer)) {
    return bad(body + length, torn(), "the group's end is not where it should be");
  }
  return { kind: "good", records, end };
}

/** Checks one record read back at run time; its header and payload as they stand in the file. */
export function checkRecord(source: Uint8Array, salt: number, kind: number): Uint8Array | undefined {
  if (source.length < recordHeaderBytes) return undefined;
  const bytes = view(source);
  const payload = bytes.subarray(recordHeaderBytes, recordHeaderBytes + bytes.readUInt32LE(0));
  if (payload.length !== bytes.readUInt32LE(0) || bytes[8] !== kind) return undefined;
  return recordChecksum(bytes, [payload], salt) === bytes.readUInt32LE(4) ? payload : undefined;
}

function recordChecksum(head: Buffer, payload: readonly Uint8Array[], salt: number): number {
  let sum = crc32(head.subarray(8, 16), crc32(head.subarray(0, 4), salt));
  for (const piece of payload) sum = crc32(piece, sum);
  return sum;
}

function payloadBytes(record: Record): number {
  let sum = 0;
  for (const piece of record.payload) sum += piece.length;
  return sum;
}

/** Sectors that lie inside the payload (its padding included) and hold only zeros. Others hold part of a header or trailer. */
function zeroSectors(payload: readonly Uint8Array[], start: number): number {
  const last = payload.at(-1);
  if (last === undefined) return 0;
  // Pieces before the last are short prefixes that are never zero in a whole sector.
  const lastStart = start + payload.slice(0, -1).reduce((sum, piece) => sum + piece.length, 0);
  const end = start + aligned(lastStart - start + last.length);
  let zeros = 0;
  for (let at = Math.ceil(lastStart / sectorBytes) * sectorBytes; at + sectorBytes <= end; at += sectorBytes) {
    const from = at - lastStart;
    if (isZero(last, from, Math.min(from + sectorBytes, last.length))) zeros++;
  }
  return zeros;
}

/** Sectors of [start, end), clipped to it, that hold only zeros. */
function lostSectors(bytes: Uint8Array, start: number, end: number): number {
  let lost = 0;
  for (let at = start; at < end; ) {
    const next = Math.min(end, (Math.floor(at / sectorBytes) + 1) * sectorBytes);
    if (isZero(bytes, at, next)) lost++;
    at = next;
  }
  return lost;
}

function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** A whole header of a later group proves that this one had been synced. */
function laterGroup(bytes: Buffer, from: number, salt: number, sequence: number): boolean {
  for (let at = bytes.indexOf(groupMagic, from); at >= 0; at = bytes.indexOf(groupMagic, at + 8)) {
    if (at + groupHeaderBytes > bytes.length) return false;
    const good = crc32(bytes.subarray(at, at + 28), salt) === bytes.readUInt32LE(at + 28);
    if (good && Number(bytes.readBigUInt64LE(at + 16)) > sequence) return true;
  }
  return false;
}

function aligned(length: number): number {
  return Math.ceil(length / 8) * 8;
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
