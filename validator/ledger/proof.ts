/**
 * Settlement proofs (docs/formats.md): receipt → the block's receipts → history → state root → the header that names
 * it → the finalization that covers it → the validator set. Checked offline against a trust anchor that the reader chose.
 */
import { hash } from "@chainsafe/hashtree";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import { blockHash, decodeHeader, encodeHeader, headerLength } from "../codec/block.ts";
import { bytesEqual, type Reader, reader, writer } from "../codec/bytes.ts";
import { decodeCertificate, encodeCertificate } from "../codec/certificate.ts";
import { merklePath, merkleTree, provesLeaf } from "../codec/merkle.ts";
import { creditTransfer, type PaymentRecord, readRecord, recordLength } from "../codec/payment-message.ts";
import { type Decoded, decoded, refused } from "../codec/result.ts";
import { uncoveredRegions } from "../consensus/coverage.ts";
import type { Certificate, CoverageState, EpochConfig, Header } from "../consensus/types.ts";
import { type HistoryPath, historyRootOf } from "./history.ts";
import {
  type GovernanceReceipt,
  historyLeaf,
  keysDigest,
  type ReceiptSource,
  receiptLeaf,
  receiptLeaves,
  receiptsRoot,
} from "./receipt-tree.ts";
import { componentPathLength, coverageLeaf, decodeCoverage, encodeCoverage, provesComponent } from "./state-root.ts";

/** From a block's history leaf to a later state root, with the coverage state under the same root. */
export interface StateProof {
  readonly history: HistoryPath;
  readonly historyPath: Uint8Array;
  readonly coverage: CoverageState;
  readonly coveragePath: Uint8Array;
}

export interface Proof extends StateProof {
  /** 64 bytes. */
  readonly record: Uint8Array;
  readonly institution: number;
  readonly kind: number;
  /** Height of the payment's block, its position there, and how many receipts the block has. */
  readonly height: number;
  readonly position: number;
  readonly receipts: number;
  readonly receiptPath: Uint8Array;
  readonly receiptsRoot: Uint8Array;
  readonly keysDigest: Uint8Array;
  /** Names the state root. */
  readonly header: Header;
  /** Finalizes the header's block. */
  readonly finalization: Certificate;
}

export interface ProofSource {
  readonly height: number;
  readonly position: number;
  /** All executed messages of the block in order, and its governance receipts. */
  readonly messages: readonly ReceiptSource[];
  readonly governance: readonly GovernanceReceipt[];
  readonly state: StateProof;
  readonly header: Header;
  readonly finalization: Certificate;
}

/** The canonical bytes of a proof; undefined when the payment at the position did not settle. */
export function buildProof(source: ProofSource): Uint8Array | undefined {
  const { messages, governance, height, position, state, header, finalization } = source;
  let first = 0;
  for (const { institution, kind, records, codes } of messages) {
    const offset = position - first;
    first += codes.length;
    if (offset >= codes.length) continue;
    if (codes[offset] !== 0) return undefined;
    const leaves = receiptLeaves(messages, governance, height);
    return encodeProof({
      ...state,
      record: records.slice(offset * recordLength, (offset + 1) * recordLength),
      institution,
      kind,
      height,
      position,
      receipts: leaves.length / 32,
      receiptPath: merklePath(merkleTree(leaves), position),
      receiptsRoot: receiptsRoot(leaves),
      keysDigest: keysDigest(messages),
      header,
      finalization,
    });
  }
  return undefined;
}

const magic = new TextEncoder().encode("VSP1");
const maxPath = 32;
const maxProofLength = 64 * 1024;

export function encodeProof(proof: Proof): Uint8Array {
  const out = writer(2_048);
  const path = (bytes: Uint8Array) => {
    out.u16(bytes.length / 32);
    out.bytes(bytes);
  };
  const sized = (bytes: Uint8Array) => {
    out.u16(bytes.length);
    out.bytes(bytes);
  };
  out.bytes(magic);
  out.u16(1);
  out.u16(proof.kind);
  out.bytes(proof.record);
  out.u32(proof.institution);
  out.u32(proof.position);
  out.u64(proof.height);
  out.u32(proof.receipts);
  path(proof.receiptPath);
  out.bytes(proof.receiptsRoot);
  out.bytes(proof.keysDigest);
  out.u8(proof.history.current ? 1 : 0);
  out.u64(proof.history.count);
  path(proof.history.era);
  path(proof.history.eras);
  out.bytes(proof.history.other);
  out.bytes(proof.historyPath);
  sized(encodeCoverage(proof.coverage));
  out.bytes(proof.coveragePath);
  out.bytes(encodeHeader(proof.header));
  sized(encodeCertificate(proof.finalization));
  return out.finish();
}

/** Only the one spelling that `encodeProof` gives: every byte counts. */
export function decodeProof(bytes: Uint8Array): Decoded<Proof> {
  if (bytes.length > maxProofLength) return refused("proof: too large", "too-large");
  const input = reader(bytes);
  if (!bytesEqual(input.bytes(4), magic) || input.u16() !== 1) return refused("proof: magic or version");
  const kind = input.u16();
  const record = input.bytes(recordLength).slice();
  const place = { institution: input.u32(), position: input.u32(), height: input.u64(), receipts: input.u32() };
  const receiptPath = readPath(input);
  const roots = { receiptsRoot: input.bytes(32).slice(), keysDigest: input.bytes(32).slice() };
  const current = input.u8() === 1;
  const count = input.u64();
  const history: HistoryPath = {
    current,
    count,
    era: readPath(input),
    eras: readPath(input),
    other: input.bytes(32).slice(),
  };
  const historyPath = input.bytes(componentPathLength).slice();
  const coverage = decodeCoverage(input.bytes(input.u16()));
  const coveragePath = input.bytes(componentPathLength).slice();
  const header = decodeHeader(input.bytes(headerLength));
  const finalization = decodeCertificate(input.bytes(input.u16()));
  if (input.failed || input.left > 0 || !coverage) return refused("proof: not its layout");
  if (header.kind === "refused") return header;
  if (finalization.kind === "refused") return finalization;
  const proof: Proof = {
    kind,
    record,
    ...place,
    receiptPath,
    ...roots,
    history,
    historyPath,
    coverage,
    coveragePath,
    header: header.value,
    finalization: finalization.value,
  };
  return bytesEqual(encodeProof(proof), bytes) ? decoded(proof) : refused("proof: another spelling", "not-canonical");
}

function readPath(input: Reader): Uint8Array {
  const length = input.u16();
  return length > maxPath ? new Uint8Array(0) : input.bytes(32 * length).slice();
}

/** What the reader trusts: an epoch's set, from genesis or a checkpoint pinned out of band, and a way to check its signatures. */
export interface TrustAnchor {
  readonly config: EpochConfig;
  readonly verifyCertificate: (certificate: Certificate) => boolean;
}

/** One step of the chain of evidence, for people. */
export interface ProofStep {
  readonly name: "receipt" | "receipts root" | "state root" | "header" | "finalization" | "validator set";
  readonly detail: string;
}

export type ProofVerdict =
  | {
      readonly kind: "settled";
      readonly payment: PaymentRecord;
      readonly institution: number;
      readonly height: number;
      readonly time: number;
      readonly steps: readonly ProofStep[];
    }
  | { readonly kind: "refused"; readonly reason: string };

/** Checks every link. Pure: no network, no clock, no state but the anchor. */
export function verifyProof(bytes: Uint8Array, anchor: TrustAnchor): ProofVerdict {
  const parsed = decodeProof(bytes);
  if (parsed.kind === "refused") return { kind: "refused", reason: parsed.error.reason };
  const proof = parsed.value;
  const { header, finalization, record, institution, height, position } = proof;
  const { config } = anchor;
  const no = (reason: string): ProofVerdict => ({ kind: "refused", reason });

  if (proof.kind !== creditTransfer) return no("it is not a payment's");
  if (header.chainId !== config.chainId) return no("it is of another chain");
  if (header.epoch !== config.epoch)
    return no(`it is of epoch ${header.epoch}, the trust anchor of epoch ${config.epoch}`);
  const leaf = receiptLeaf(hash(record), { institution, code: 0, kind: proof.kind, height, position });
  if (!provesLeaf(proof.receiptsRoot, proof.receipts, leaf, position, proof.receiptPath))
    return no("the receipt is not among its block's");
  const root = hexToBytes(header.root);
  const blockLeaf = historyLeaf(proof.receiptsRoot, proof.keysDigest);
  const historyRootHash = historyRootOf(blockLeaf, height - 1, proof.history);
  if (!historyRootHash) return no("the block's receipts are not in the history");
  if (proof.history.count !== header.rootHeight) return no("the history is not that of the header's root");
  if (!provesComponent(root, "history", historyRootHash, proof.historyPath))
    return no("the history is not under the header's root");
  if (!provesComponent(root, "coverage", coverageLeaf(proof.coverage), proof.coveragePath))
    return no("the coverage state is not under the header's root");
  if (
    finalization.kind !== "finalize" ||
    finalization.block !== blockHash(header) ||
    finalization.view !== header.view ||
    finalization.epoch !== header.epoch
  ) {
    return no("the certificate does not finalize the header's block");
  }
  if (!anchor.verifyCertificate(finalization))
    return no("the finalization is not signed by a quorum of the trust anchor's set");
  const uncovered = uncoveredRegions(config, proof.coverage, finalization.signers);
  if (uncovered.length > 0) return no(`no signature from ${uncovered.join(", ")}, which settlement requires`);

  const payment = readRecord(record, 0);
  const signers = finalization.signers.map((seat) => config.members[seat]?.id ?? `seat ${seat}`);
  const steps: ProofStep[] = [
    { name: "receipt", detail: `payment ${position} of block ${height}: settled` },
    { name: "receipts root", detail: bytesToHex(proof.receiptsRoot) },
    { name: "state root", detail: `${header.root} after block ${header.rootHeight}` },
    {
      name: "header",
      detail: `block ${header.height}, view ${header.view} of epoch ${header.epoch}: ${finalization.block}`,
    },
    { name: "finalization", detail: `signed by ${signers.join(", ")}` },
    { name: "validator set", detail: `epoch ${config.epoch} of chain ${config.chainId}` },
  ];
  return { kind: "settled", payment, institution, height, time: header.time, steps };
}
