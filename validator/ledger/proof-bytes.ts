/** The bytes of settlement proofs (docs/formats.md, Settlement proof): one spelling each, so that every byte counts. */
import { decodeHeader, encodeHeader, headerLength } from "../codec/block.ts";
import { bytesEqual, type Reader, reader, type Writer, writer } from "../codec/bytes.ts";
import { decodeCertificate, encodeCertificate } from "../codec/certificate.ts";
import { recordLength } from "../codec/payment-message.ts";
import { type Decoded, decoded, refused } from "../codec/result.ts";
import type { Certificate, Header } from "../consensus/types.ts";
import type { HistoryPath } from "./history.ts";
import type { ReceiptPlace } from "./receipt-tree.ts";
import { componentPathLength, decodeCoverage, encodeCoverage, type ProvenCoverage } from "./state-root.ts";

/** From a block's history leaf to a later state root, with the coverage state and the validator set under the same root. */
export interface StateProof extends ProvenCoverage {
  readonly history: HistoryPath;
  readonly historyPath: Uint8Array;
  readonly coveragePath: Uint8Array;
  /** The set in its canonical bytes; empty in the proof of an epoch that needs none. */
  readonly set: Uint8Array;
  /** Empty with the set. */
  readonly setPath: Uint8Array;
}

/** A validator set under the root that a header of its own epoch names, and the certificate that finalizes that header. */
export interface Handover {
  readonly set: Uint8Array;
  readonly setPath: Uint8Array;
  readonly header: Header;
  readonly finalization: Certificate;
}

export interface Proof extends StateProof, ReceiptPlace {
  /** 64 bytes. */
  readonly record: Uint8Array;
  /** The payment in its block, counted over the executed messages. */
  readonly position: number;
  /** Payments of its message. */
  readonly payments: number;
  /** The message among the leaves of its block's receipts, and how many leaves there are. */
  readonly message: number;
  readonly leaves: number;
  readonly recordPath: Uint8Array;
  readonly recordsRoot: Uint8Array;
  /** The leaf of 32 codes with the payment's. */
  readonly codes: Uint8Array;
  readonly codesPath: Uint8Array;
  readonly receiptPath: Uint8Array;
  readonly receiptsRoot: Uint8Array;
  readonly keysDigest: Uint8Array;
  /** Names the state root. */
  readonly header: Header;
  /** Finalizes the header's block. */
  readonly finalization: Certificate;
  /** From the trust anchor's set towards that of the header's epoch. */
  readonly handovers: readonly Handover[];
}

const magic = new TextEncoder().encode("VSP1");
const maxPath = 32;
export const maxHandovers = 64;
const maxProofLength = 4 * 1024 * 1024;

export function encodeProof(proof: Proof): Uint8Array {
  const out = writer(4_096);
  out.bytes(magic);
  out.u16(1);
  out.u16(proof.kind);
  out.bytes(proof.record);
  out.u32(proof.institution);
  out.u16(proof.zone);
  out.u16(0);
  for (const field of ["position", "first", "payments", "receipts", "message", "leaves"] as const)
    out.u32(proof[field]);
  out.u64(proof.height);
  out.u64(proof.time);
  writePath(out, proof.recordPath);
  out.bytes(proof.recordsRoot);
  out.bytes(proof.codes);
  writePath(out, proof.codesPath);
  writePath(out, proof.receiptPath);
  out.bytes(proof.receiptsRoot);
  out.bytes(proof.keysDigest);
  writeHistory(out, proof.history);
  out.bytes(proof.historyPath);
  writeSized(out, encodeCoverage(proof));
  out.bytes(proof.coveragePath);
  writeHandover(out, proof);
  out.u16(proof.handovers.length);
  for (const handover of proof.handovers) writeHandover(out, handover);
  return out.finish();
}

export function writePath(out: Writer, path: Uint8Array): void {
  out.u16(path.length / 32);
  out.bytes(path);
}

function writeSized(out: Writer, bytes: Uint8Array): void {
  out.u32(bytes.length);
  out.bytes(bytes);
}

function writeHandover(out: Writer, { set, setPath, header, finalization }: Handover): void {
  writeSized(out, set);
  out.bytes(setPath);
  out.bytes(encodeHeader(header));
  writeSized(out, encodeCertificate(finalization));
}

export function encodeHandover(handover: Handover): Uint8Array {
  const out = writer(2_048);
  writeHandover(out, handover);
  return out.finish();
}

/** What `encodeHandover` wrote; undefined when the bytes are none. */
export function decodeHandover(bytes: Uint8Array): Handover | undefined {
  const input = reader(bytes);
  const handover = readHandover(input);
  return input.failed || input.left > 0 ? undefined : handover;
}

/** Only the one spelling that `encodeProof` gives. */
export function decodeProof(bytes: Uint8Array): Decoded<Proof> {
  if (bytes.length > maxProofLength) return refused("proof: too large", "too-large");
  const input = reader(bytes);
  if (!bytesEqual(input.bytes(4), magic) || input.u16() !== 1) return refused("proof: magic or version");
  const kind = input.u16();
  const record = input.bytes(recordLength).slice();
  const institution = input.u32();
  const zone = input.u16();
  input.zeros(2);
  const [position, first, payments] = [input.u32(), input.u32(), input.u32()];
  const [receipts, message, leaves] = [input.u32(), input.u32(), input.u32()];
  const [height, time] = [input.u64(), input.u64()];
  const receipt = {
    ...{ kind, record, institution, zone, position, first, payments, receipts, message, leaves, height, time },
    recordPath: readPath(input),
    recordsRoot: input.bytes(32).slice(),
    codes: input.bytes(32).slice(),
    codesPath: readPath(input),
    receiptPath: readPath(input),
    receiptsRoot: input.bytes(32).slice(),
    keysDigest: input.bytes(32).slice(),
  };
  const history = readHistory(input);
  const historyPath = input.bytes(componentPathLength).slice();
  const coverage = decodeCoverage(input.bytes(input.u32()));
  const coveragePath = input.bytes(componentPathLength).slice();
  const own = readHandover(input);
  const count = input.u16();
  const handovers: Handover[] = [];
  for (let i = 0; i < Math.min(count, maxHandovers) && !input.failed; i++) {
    const handover = readHandover(input);
    if (!handover) return refused("proof: a handover is not its layout");
    handovers.push(handover);
  }
  if (input.failed || input.left > 0 || !coverage || !own) return refused("proof: not its layout");
  const proof: Proof = { ...receipt, history, historyPath, ...coverage, coveragePath, ...own, handovers };
  return bytesEqual(encodeProof(proof), bytes) ? decoded(proof) : refused("proof: another spelling", "not-canonical");
}

/** Whether its era is under way u8, leaves u64, siblings in the era, siblings of the era, root of the others 32. */
export function writeHistory(out: Writer, { current, count, era, eras, other }: HistoryPath): void {
  out.u8(current ? 1 : 0);
  out.u64(count);
  writePath(out, era);
  writePath(out, eras);
  out.bytes(other);
}

export function readHistory(input: Reader): HistoryPath {
  return {
    current: input.u8() === 1,
    count: input.u64(),
    era: readPath(input),
    eras: readPath(input),
    other: input.bytes(32).slice(),
  };
}

export function readPath(input: Reader): Uint8Array {
  const length = input.u16();
  return length > maxPath ? new Uint8Array(0) : input.bytes(32 * length).slice();
}

function readHandover(input: Reader): Handover | undefined {
  const set = input.bytes(input.u32()).slice();
  const setPath = set.length === 0 ? new Uint8Array(0) : input.bytes(componentPathLength).slice();
  const header = decodeHeader(input.bytes(headerLength));
  const finalization = decodeCertificate(input.bytes(input.u32()));
  if (header.kind === "refused" || finalization.kind === "refused") return undefined;
  return { set, setPath, header: header.value, finalization: finalization.value };
}
