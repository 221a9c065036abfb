/** Ballots as signed bytes, and certificates as canonical bytes (docs/formats.md). */
import { sha256 } from "@noble/hashes/sha2.js";
import { hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import type { Ballot, Certificate, Digest, SeatIndex, VoteKind } from "../consensus/types.ts";
import { epoch, seatIndex, view, zeroDigest } from "../consensus/types.ts";
import { bytesEqual, concat, type Reader, reader, type Writer, writer, writeU64 } from "./bytes.ts";
import { type Decoded, decoded, refused } from "./result.ts";

const kinds: readonly VoteKind[] = ["notarize", "nullify", "finalize", "suspect", "sight"];

export const signatureLength = 96;
/** Most members of a set: the bitmap's length is a u16 and stays far below it. */
const maxBitmap = 128;

export function voteKindCode(kind: VoteKind): number {
  return kinds.indexOf(kind) + 1;
}

export function voteKindOf(code: number): VoteKind | undefined {
  return kinds[code - 1];
}

/** The domain of a signature: `validator-swarm/v1/<kind>` in ASCII. */
export function domain(kind: string): Uint8Array {
  return utf8ToBytes(`validator-swarm/v1/${kind}`);
}

/** What a member signs for a ballot; also for a proposal and a reveal, by their kind. 32 bytes. */
export function signedBytes(
  kind: VoteKind | "reveal" | "proposal",
  chainId: Digest,
  ballot: Pick<Ballot, "epoch" | "view" | "block">,
): Uint8Array {
  const numbers = new Uint8Array(16);
  const fields = new DataView(numbers.buffer);
  writeU64(fields, 0, ballot.epoch);
  writeU64(fields, 8, ballot.view);
  return sha256(concat(domain(kind), hexToBytes(chainId), numbers, hexToBytes(ballot.block)));
}

/** What a leader signs as the reveal of its view. */
export function revealBytes(chainId: Digest, ballot: Pick<Ballot, "epoch" | "view">): Uint8Array {
  return signedBytes("reveal", chainId, { ...ballot, block: zeroDigest });
}

export function encodeCertificate(certificate: Certificate): Uint8Array {
  const out = writer(64 + signatureLength + 16);
  writeCertificate(out, certificate);
  return out.finish();
}

export function writeCertificate(out: Writer, certificate: Certificate): void {
  out.u8(voteKindCode(certificate.kind));
  out.u64(certificate.epoch);
  out.u64(certificate.view);
  out.digest(certificate.block);
  const bitmap = toBitmap(certificate.signers);
  out.u16(bitmap.length);
  out.bytes(bitmap);
  out.bytes(certificate.signature);
}

export function decodeCertificate(bytes: Uint8Array): Decoded<Certificate> {
  const input = reader(bytes);
  const certificate = readCertificate(input);
  if (!certificate || input.left > 0) return refused("certificate: not its layout");
  // One spelling only: the bitmap's trailing zeros and the unused fields are settled by writing it again.
  return bytesEqual(encodeCertificate(certificate), bytes)
    ? decoded(certificate)
    : refused("certificate: another spelling", "not-canonical");
}

/** A nullify names no block: with any other it would be a second spelling of the same word. */
export function isBallot({ kind, block }: Pick<Ballot, "kind" | "block">): boolean {
  return kind !== "nullify" || block === zeroDigest;
}

/** Reads a certificate inside another shape; undefined when it is none. */
export function readCertificate(input: Reader): Certificate | undefined {
  const kind = voteKindOf(input.u8());
  const at = { epoch: epoch(input.u64()), view: view(input.u64()), block: input.digest() };
  const length = input.u16();
  if (length === 0 || length > maxBitmap) return undefined;
  const bitmap = input.bytes(length);
  const signature = input.bytes(signatureLength).slice();
  if (input.failed || !kind || bitmap.at(-1) === 0 || !isBallot({ kind, block: at.block })) return undefined;
  return { kind, ...at, signers: fromBitmap(bitmap), signature };
}

function toBitmap(signers: readonly SeatIndex[]): Uint8Array {
  const bitmap = new Uint8Array(((signers.at(-1) ?? 0) >> 3) + 1);
  for (const seat of signers) bitmap[seat >> 3] = (bitmap[seat >> 3] ?? 0) | (1 << (seat & 7));
  return bitmap;
}

function fromBitmap(bitmap: Uint8Array): readonly SeatIndex[] {
  const signers: SeatIndex[] = [];
  for (const [i, byte] of bitmap.entries()) {
    for (let bit = 0; bit < 8; bit++) if (byte & (1 << bit)) signers.push(seatIndex(8 * i + bit));
  }
  return signers;
}
