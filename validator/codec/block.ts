/** Blocks: the fixed header that is hashed and signed, and the body it commits to (docs/formats.md). */
import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import type {
  BatchReference,
  Block,
  Body,
  CoverageChange,
  Digest,
  GovernanceTransaction,
  Header,
} from "../consensus/types.ts";
import { digest, epoch, height, seatIndex, view } from "../consensus/types.ts";
import { bytesEqual, type Reader, reader, toHex, type Writer, writer } from "./bytes.ts";
import { readCertificate, writeCertificate } from "./certificate.ts";
import { type Decoded, decoded, refused } from "./result.ts";

export const headerLength = 392;
const revealLength = 96;
/** Most bytes of a body: a block stays far below a gossip message's limit. */
export const maxBodyLength = 192 * 1024;
const version = 1;
const maxBatches = 1_024;
const maxGovernance = 64;
/** Most bytes of one governance transaction. */
export const maxGovernanceBytes = 64 * 1024;
const maxCoverage = 16;
/** Most bytes of a zone's or region's name. */
export const maxName = 64;

export function encodeHeader(header: Header): Uint8Array {
  const out = writer(headerLength);
  out.bytes(utf8ToBytes("VSH1"));
  out.u16(version);
  out.u16((header.closing ? 1 : 0) | (header.reveal ? 2 : 0));
  out.digest(header.chainId);
  out.u64(header.epoch);
  out.u64(header.view);
  out.u64(header.height);
  out.u64(header.parentView);
  out.digest(header.parent);
  out.u64(header.time);
  out.u64(header.proposer);
  out.u64(header.rootHeight);
  out.digest(header.root);
  out.digest(header.bodyHash);
  out.bytes(header.reveal ?? new Uint8Array(revealLength));
  out.zeros(headerLength - 288);
  return out.finish();
}

export function decodeHeader(bytes: Uint8Array): Decoded<Header> {
  const input = reader(bytes);
  if (!readMagic(input, "VSH1")) return refused("header: magic or version");
  const flags = input.u16();
  const fields = {
    chainId: input.digest(),
    epoch: epoch(input.u64()),
    view: view(input.u64()),
    height: height(input.u64()),
    parentView: view(input.u64()),
    parent: input.digest(),
    time: input.u64(),
    proposer: seatIndex(input.u64()),
    closing: (flags & 1) !== 0,
    rootHeight: height(input.u64()),
    root: input.digest(),
    bodyHash: input.digest(),
  };
  const reveal = input.bytes(revealLength);
  input.zeros(headerLength - 288);
  if (input.failed || input.left > 0) return refused("header: not its layout");
  const header: Header = { ...fields, reveal: flags & 2 ? reveal.slice() : undefined };
  return bytesEqual(encodeHeader(header), bytes)
    ? decoded(header)
    : refused("header: another spelling", "not-canonical");
}

export function encodeBody(body: Body): Uint8Array {
  const out = writer(32 + 64 * body.batches.length);
  out.bytes(utf8ToBytes("VSD1"));
  out.u16(version);
  out.u16(0);
  out.u32(body.batches.length);
  out.u32(body.governance.length);
  out.u32(body.coverage.length);
  for (const batch of body.batches) {
    out.digest(batch.digest);
    out.u32(batch.payments);
    out.u32(batch.bytes);
    writeName(out, batch.zone);
  }
  for (const { bytes, closesEpoch } of body.governance) {
    out.u8(closesEpoch ? 1 : 0);
    out.u32(bytes.length);
    out.bytes(bytes);
  }
  for (const change of body.coverage) {
    out.u8(change.kind === "degrade-region" ? 1 : 2);
    writeName(out, change.region);
    writeCertificate(out, change.certificate);
  }
  return out.finish();
}

export function decodeBody(bytes: Uint8Array): Decoded<Body> {
  if (bytes.length > maxBodyLength) return refused("body: too large", "too-large");
  const input = reader(bytes);
  if (!readMagic(input, "VSD1")) return refused("body: magic or version");
  input.zeros(2);
  const [batches, governance, coverage] = [input.u32(), input.u32(), input.u32()];
  if (batches > maxBatches || governance > maxGovernance || coverage > maxCoverage)
    return refused("body: too many entries", "too-large");
  const body: Body = {
    batches: times(batches, () => readBatch(input)),
    governance: times(governance, () => readGovernance(input)),
    coverage: times(coverage, () => readCoverage(input)),
  };
  if (input.failed || input.left > 0 || body.coverage.length !== coverage) return refused("body: not its layout");
  return bytesEqual(encodeBody(body), bytes) ? decoded(body) : refused("body: another spelling", "not-canonical");
}

/** Calls until the count is reached or an entry is none. */
function times<T>(count: number, read: () => T | undefined): readonly T[] {
  const values: T[] = [];
  for (let i = 0; i < count; i++) {
    const value = read();
    if (value === undefined) break;
    values.push(value);
  }
  return values;
}

function readBatch(input: Reader): BatchReference | undefined {
  const batch = { digest: input.digest(), payments: input.u32(), bytes: input.u32(), zone: readName(input) };
  return input.failed ? undefined : batch;
}

function readGovernance(input: Reader): GovernanceTransaction | undefined {
  const closesEpoch = input.u8() === 1;
  const length = input.u32();
  if (length > maxGovernanceBytes) return undefined;
  const bytes = input.bytes(length).slice();
  return input.failed ? undefined : { closesEpoch, bytes };
}

function readCoverage(input: Reader): CoverageChange | undefined {
  const kind = input.u8() === 1 ? "degrade-region" : "restore-region";
  const region = readName(input);
  const certificate = readCertificate(input);
  return certificate && { kind, region, certificate };
}

function writeName(out: Writer, name: string): void {
  const bytes = utf8ToBytes(name);
  out.u16(bytes.length);
  out.bytes(bytes);
}

function readName(input: Reader): string {
  const length = input.u16();
  return length > maxName ? "" : new TextDecoder().decode(input.bytes(length));
}

function readMagic(input: Reader, magic: string): boolean {
  return bytesEqual(input.bytes(4), utf8ToBytes(magic)) && input.u16() === version;
}

export function blockHash(header: Header): Digest {
  return digest(toHex(sha256(encodeHeader(header))));
}

function bodyHash(body: Body): Digest {
  return digest(toHex(sha256(encodeBody(body))));
}

/** Completes a header with its body's hash and the reveal, and names the block. */
export function sealBlock(
  header: Omit<Header, "bodyHash" | "reveal">,
  body: Body,
  reveal: Uint8Array | undefined,
): Block {
  const whole: Header = { ...header, bodyHash: bodyHash(body), reveal };
  return { hash: blockHash(whole), header: whole, body };
}

export interface BlockBytes {
  readonly header: Uint8Array;
  readonly body: Uint8Array;
}

export function encodeBlock(block: Block): BlockBytes {
  return { header: encodeHeader(block.header), body: encodeBody(block.body) };
}

/** Both parts decoded, and the body the one that the header commits to. */
export function decodeBlock({ header, body }: BlockBytes): Decoded<Block> {
  const head = decodeHeader(header);
  if (head.kind === "refused") return head;
  const content = decodeBody(body);
  if (content.kind === "refused") return content;
  if (digest(toHex(sha256(body))) !== head.value.bodyHash) return refused("block: the header commits to another body");
  return decoded({ hash: digest(toHex(sha256(header))), header: head.value, body: content.value });
}
