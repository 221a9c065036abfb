/** The payload of each kind of log record (docs/storage.md). Blocks and certificates stand in their canonical bytes. */
import { decodeBlock, encodeBlock, headerLength } from "../codec/block.ts";
import { decodeCertificate, encodeCertificate } from "../codec/certificate.ts";
import type { Ballot, Block, Certificate, Digest, Height, VoteKind } from "../consensus/types.ts";
import { digest, epoch, height, view, zeroDigest } from "../consensus/types.ts";
import type { Record } from "./framing.ts";
import type { Entry } from "./types.ts";

export const recordKind = {
  ballot: 1,
  proposal: 2,
  block: 3,
  batch: 4,
  private: 5,
  certificate: 6,
  final: 7,
  outcome: 8,
  settled: 9,
} as const;

/** Bytes before the content in the payload of an outcome, a batch and a private record. */
export const outcomePrefix = 8;
export const batchPrefix = 40;
export const privatePrefix = 72;

const voteKinds: readonly VoteKind[] = ["notarize", "nullify", "finalize", "suspect", "sight"];

/** What a record says, without the content of batches and private payloads. */
export type Decoded =
  | { readonly kind: "ballot"; readonly ballot: Ballot }
  | { readonly kind: "proposal"; readonly proposal: Extract<Entry, { kind: "proposal" }>["proposal"] }
  | { readonly kind: "block"; readonly block: Block }
  | { readonly kind: "certificate"; readonly certificate: Certificate }
  | { readonly kind: "final"; readonly height: Height; readonly hash: Digest; readonly finalization: Certificate }
  | { readonly kind: "outcome"; readonly height: Height }
  | { readonly kind: "settled"; readonly height: Height; readonly finalization: Certificate }
  /** `after`: the newest final height when it was written. */
  | { readonly kind: "batch"; readonly digest: Digest; readonly after: number }
  /** `batch`: the one it was written with; zero when none. */
  | { readonly kind: "private"; readonly message: string; readonly after: number; readonly batch: Digest };

/** One record. `after`: the newest final height. */
export function encodeEntry(entry: Exclude<Entry, { kind: "private" }>, after: number): Record {
  switch (entry.kind) {
    case "ballot":
      return { kind: recordKind.ballot, payload: [encodeBallot(entry.ballot)] };
    case "proposal": {
      const block = writeBlock(entry.proposal.block);
      const { finalization } = entry.proposal;
      const length = Buffer.alloc(4);
      length.writeUInt32LE(block.length);
      const certificate = finalization === undefined ? new Uint8Array(0) : encodeCertificate(finalization);
      return { kind: recordKind.proposal, payload: [Buffer.concat([length, block, certificate])] };
    }
    case "block":
      return { kind: recordKind.block, payload: [writeBlock(entry.block)] };
    case "certificate":
      return { kind: recordKind.certificate, payload: [encodeCertificate(entry.certificate)] };
    case "final":
      return {
        kind: recordKind.final,
        payload: [
          Buffer.concat([u64(entry.height), Buffer.from(entry.hash, "hex"), encodeCertificate(entry.finalization)]),
        ],
      };
    case "outcome":
      return { kind: recordKind.outcome, payload: [u64(entry.height), entry.bytes] };
    case "settled":
      return {
        kind: recordKind.settled,
        payload: [Buffer.concat([u64(entry.height), encodeCertificate(entry.finalization)])],
      };
    case "batch":
      return {
        kind: recordKind.batch,
        payload: [Buffer.concat([u64(after), Buffer.from(entry.digest, "hex")]), entry.bytes],
      };
  }
}

export function encodePrivate(message: string, sealed: Uint8Array, after: number, batch: Digest | undefined): Record {
  const prefix = Buffer.concat([u64(after), Buffer.from(message, "hex"), Buffer.from(batch ?? zeroDigest, "hex")]);
  return { kind: recordKind.private, payload: [prefix, sealed] };
}

/** Undefined when the payload is not what this version writes. */
export function decodeRecord(kind: number, payload: Uint8Array): Decoded | undefined {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  switch (kind) {
    case recordKind.ballot: {
      const ballot = decodeBallot(bytes);
      return ballot && { kind: "ballot", ballot };
    }
    case recordKind.proposal: {
      if (bytes.length < 4) return undefined;
      const end = 4 + bytes.readUInt32LE(0);
      const block = readBlock(bytes.subarray(4, end));
      if (block === undefined || end > bytes.length) return undefined;
      if (end === bytes.length) return { kind: "proposal", proposal: { block, finalization: undefined } };
      const finalization = readCertificate(bytes.subarray(end));
      return finalization && { kind: "proposal", proposal: { block, finalization } };
    }
    case recordKind.block: {
      const block = readBlock(bytes);
      return block && { kind: "block", block };
    }
    case recordKind.certificate: {
      const certificate = readCertificate(bytes);
      return certificate && { kind: "certificate", certificate };
    }
    case recordKind.final: {
      if (bytes.length < 40) return undefined;
      const finalization = readCertificate(bytes.subarray(40));
      return finalization && { kind: "final", height: height(readU64(bytes, 0)), hash: hex(bytes, 8), finalization };
    }
    case recordKind.outcome:
      return bytes.length < outcomePrefix ? undefined : { kind: "outcome", height: height(readU64(bytes, 0)) };
    case recordKind.settled: {
      if (bytes.length < 8) return undefined;
      const finalization = readCertificate(bytes.subarray(8));
      return finalization && { kind: "settled", height: height(readU64(bytes, 0)), finalization };
    }
    case recordKind.batch:
      return bytes.length < batchPrefix
        ? undefined
        : { kind: "batch", after: readU64(bytes, 0), digest: hex(bytes, 8) };
    case recordKind.private:
      if (bytes.length < privatePrefix) return undefined;
      return { kind: "private", after: readU64(bytes, 0), message: hex(bytes, 8), batch: hex(bytes, 40) };
    default:
      return undefined;
  }
}

/** Header and body, one after the other. */
export function writeBlock(block: Block): Uint8Array {
  const { header, body } = encodeBlock(block);
  return Buffer.concat([header, body]);
}

/** Copies first: the decoded value must not hold on to a whole segment's buffer. */
export function readBlock(source: Uint8Array): Block | undefined {
  const bytes = Uint8Array.from(source);
  const result = decodeBlock({ header: bytes.subarray(0, headerLength), body: bytes.subarray(headerLength) });
  return result.kind === "ok" ? result.value : undefined;
}

export function readCertificate(bytes: Uint8Array): Certificate | undefined {
  const result = decodeCertificate(Uint8Array.from(bytes));
  return result.kind === "ok" ? result.value : undefined;
}

function encodeBallot(ballot: Ballot): Buffer {
  const kind = Buffer.of(voteKinds.indexOf(ballot.kind) + 1);
  return Buffer.concat([kind, u64(ballot.epoch), u64(ballot.view), Buffer.from(ballot.block, "hex")]);
}

function decodeBallot(bytes: Buffer): Ballot | undefined {
  const kind = voteKinds[(bytes[0] ?? 0) - 1];
  if (bytes.length !== 49 || kind === undefined) return undefined;
  return { kind, epoch: epoch(readU64(bytes, 1)), view: view(readU64(bytes, 9)), block: hex(bytes, 17) };
}

function u64(n: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(n));
  return bytes;
}

function readU64(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}

function hex(bytes: Buffer, at: number): Digest {
  return digest(bytes.toString("hex", at, at + 32));
}
