/**
 * Settlement proofs (docs/formats.md): receipt → the block's receipts → history → state root → the header that names
 * it → the finalization that covers it → the validator set. Checked offline against a trust anchor that the reader chose.
 */

import { hash } from "@chainsafe/hashtree";
import { hexToBytes } from "@noble/hashes/utils.js";
import { toHex } from "../codec/bytes.ts";
import { hashChunks, merklePath, merkleTree, mixedRoot, provesLeaf, rootFromPath } from "../codec/merkle.ts";
import { creditTransfer, type PaymentRecord, readRecord, recordLength } from "../codec/payment-message.ts";
import { coversZone, uncoveredRegions } from "../consensus/coverage.ts";
import type { Certificate, EpochConfig, Header, SeatIndex } from "../consensus/types.ts";
import { finalizes, handOver, type Refused, setIsUnderRoot, type TrustAnchor } from "./handover.ts";
import { historyLeaf, historyRootOf } from "./history.ts";
import { decodeProof, encodeProof, type Handover, type Proof, type StateProof } from "./proof-bytes.ts";
import {
  codeLeaves,
  type GovernanceReceipt,
  keysDigest,
  messageLeaf,
  type ReceiptSource,
  receiptLeaves,
  receiptsRoot,
} from "./receipt-tree.ts";
import { coverageLeaf, provesComponent } from "./state-root.ts";

export { genesisAnchor, type TrustAnchor } from "./handover.ts";
export { decodeProof, encodeProof, type Handover, type Proof, type StateProof } from "./proof-bytes.ts";

export interface ProofSource {
  /** Of the payment's block. */
  readonly height: number;
  readonly time: number;
  readonly position: number;
  /** All executed messages of the block in order, and its governance receipts. */
  readonly messages: readonly ReceiptSource[];
  readonly governance: readonly GovernanceReceipt[];
  readonly state: StateProof;
  readonly header: Header;
  readonly finalization: Certificate;
  /** From the trust anchor's set to one that shares more than F power with that of the header's epoch; none while the anchor's does. */
  readonly handovers?: readonly Handover[];
}

/** The canonical bytes of a proof; undefined when the payment at the position did not settle. */
export function buildProof(source: ProofSource): Uint8Array | undefined {
  const { messages, governance, height, time, position, state, header, finalization, handovers = [] } = source;
  let first = 0;
  for (const [message, { institution, kind, zone, records, recordsRoot, codes }] of messages.entries()) {
    const index = position - first;
    if (index >= codes.length) {
      first += codes.length;
      continue;
    }
    if (codes[index] !== 0) return undefined;
    const receipts = messages.reduce((sum, each) => sum + each.codes.length, 0);
    const chunks = codeLeaves(codes);
    const chunk = Math.floor(index / 32);
    const leaves = receiptLeaves(messages, governance, { height, time });
    return encodeProof({
      ...state,
      ...(header.epoch === 0 ? { set: new Uint8Array(0), setPath: new Uint8Array(0) } : {}),
      record: records.slice(index * recordLength, (index + 1) * recordLength),
      institution,
      kind,
      zone,
      height,
      time,
      position,
      first,
      payments: codes.length,
      receipts,
      message,
      leaves: leaves.length / 32,
      recordPath: merklePath(merkleTree(hashChunks(records)), index),
      recordsRoot,
      codes: chunks.slice(32 * chunk, 32 * chunk + 32),
      codesPath: merklePath(merkleTree(chunks), chunk),
      receiptPath: merklePath(merkleTree(leaves), message),
      receiptsRoot: receiptsRoot(leaves),
      keysDigest: keysDigest(messages),
      header,
      finalization,
      handovers,
    });
  }
  return undefined;
}

/** Does a finalization with these signers settle a block of the zone (0: none), in the coverage state that its header names? */
export function covers(
  config: EpochConfig,
  { coverage, zones }: Pick<StateProof, "coverage" | "zones">,
  zone: number,
  signers: readonly SeatIndex[],
): boolean {
  return missing(config, { coverage, zones }, zone, signers) === undefined;
}

function missing(
  config: EpochConfig,
  { coverage, zones }: Pick<StateProof, "coverage" | "zones">,
  zone: number,
  signers: readonly SeatIndex[],
): string | undefined {
  const regions = uncoveredRegions(config, coverage, signers);
  if (regions.length > 0) return `no signature from ${regions.join(", ")}, which settlement requires`;
  const name = zone === 0 ? "" : zones[zone - 1];
  if (name === undefined) return `the chain has no residency zone ${zone}`;
  return name === "" || coversZone(config, name, signers) ? undefined : `not signed by 2/3 of residency zone ${name}`;
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
      /** Of the payment's block, ms since the Unix epoch. */
      readonly time: number;
      readonly steps: readonly ProofStep[];
    }
  | Refused;

const no = (reason: string): Refused => ({ kind: "refused", reason });

/** Checks every link. Pure: no network, no clock, no state but the anchor. */
export function verifyProof(bytes: Uint8Array, anchor: TrustAnchor): ProofVerdict {
  const parsed = decodeProof(bytes);
  if (parsed.kind === "refused") return no(parsed.error.reason);
  const proof = parsed.value;
  const { header, finalization, record, institution, height, position } = proof;

  const broken = brokenReceipt(proof) ?? brokenState(proof);
  if (broken !== undefined) return no(broken);
  let config = anchor.config;
  for (const handover of proof.handovers) {
    const next = handOver(anchor, config, handover);
    if (next.kind === "refused") return next;
    config = next.config;
  }
  if (header.chainId !== config.chainId) return no("it is of another chain");
  if (header.epoch !== config.epoch) {
    const next = handOver(anchor, config, proof);
    if (next.kind === "refused") return next;
    config = next.config;
  } else {
    // A set that is not needed could say anything: none is allowed, unless it is the one under the root.
    if (proof.set.length > 0 && !setIsUnderRoot(proof)) return no("the validator set is not under the header's root");
    if (!finalizes(header, finalization)) return no("the certificate does not finalize the header's block");
    if (!anchor.verifyCertificate(finalization, config))
      return no("the finalization is not signed by a quorum of the trust anchor's set");
  }
  const uncovered = missing(config, proof, proof.zone, finalization.signers);
  if (uncovered !== undefined) return no(uncovered);

  const payment = readRecord(record, 0);
  const signers = finalization.signers.map((seat) => config.members[seat]?.id ?? `seat ${seat}`);
  const from = config.epoch === anchor.config.epoch ? "" : `, handed over from epoch ${anchor.config.epoch}`;
  const steps: ProofStep[] = [
    { name: "receipt", detail: `payment ${position} of block ${height}: settled` },
    { name: "receipts root", detail: toHex(proof.receiptsRoot) },
    { name: "state root", detail: `${header.root} after block ${header.rootHeight}` },
    {
      name: "header",
      detail: `block ${header.height}, view ${header.view} of epoch ${header.epoch}: ${finalization.block}`,
    },
    { name: "finalization", detail: `signed by ${signers.join(", ")}` },
    { name: "validator set", detail: `epoch ${config.epoch} of chain ${config.chainId}${from}` },
  ];
  return { kind: "settled", payment, institution, height, time: proof.time, steps };
}

/** Why the record is not settled under its block's receipts; undefined when it is. */
function brokenReceipt(proof: Proof): string | undefined {
  if (proof.kind !== creditTransfer) return "it is not a payment's";
  const index = proof.position - proof.first;
  if (index < 0 || index >= proof.payments) return "the position is not in its message";
  if (!provesLeaf(proof.recordsRoot, proof.payments, hash(proof.record), index, proof.recordPath))
    return "the record is not among its message's";
  if (proof.codes[index % 32] !== 0) return "the payment was rejected";
  const chunks = Math.ceil(proof.payments / 32);
  const chunk = Math.floor(index / 32);
  const codesRoot = mixedRoot(rootFromPath(proof.codes, chunk, proof.codesPath), chunks);
  if (!provesLeaf(codesRoot, chunks, proof.codes, chunk, proof.codesPath)) return "the code is not its message's";
  const leaf = messageLeaf(proof.recordsRoot, codesRoot, proof);
  return provesLeaf(proof.receiptsRoot, proof.leaves, leaf, proof.message, proof.receiptPath)
    ? undefined
    : "the receipt is not among its block's";
}

/** Why the block's receipts and the coverage state are not under the root that the header names; undefined when they are. */
function brokenState(proof: Proof): string | undefined {
  const { header, height } = proof;
  const root = hexToBytes(header.root);
  const historyRoot = historyRootOf(historyLeaf(proof.receiptsRoot, proof.keysDigest), height - 1, proof.history);
  if (!historyRoot) return "the block's receipts are not in the history";
  if (proof.history.count !== header.rootHeight) return "the history is not that of the header's root";
  if (!provesComponent(root, "history", historyRoot, proof.historyPath))
    return "the history is not under the header's root";
  if (!provesComponent(root, "coverage", coverageLeaf(proof), proof.coveragePath))
    return "the coverage state is not under the header's root";
  return undefined;
}
