/**
 * What a chain report leads to (docs/formats.md, Chain report): a validator set that follows from one trusted before,
 * a header that it finalized, and what stands under the root which that header names.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { hexToBytes } from "@noble/hashes/utils.js";
import { z } from "zod";
import { decodeHeader } from "../codec/block.ts";
import { bytesEqual, reader, writer } from "../codec/bytes.ts";
import { decodeCertificate } from "../codec/certificate.ts";
import { merklePath, merkleTree, mixedRoot, provesLeaf, rootFromPath } from "../codec/merkle.ts";
import type { Certificate, CoverageState, Digest, EpochConfig, Header } from "../consensus/types.ts";
import { initialChainState, type ValidatorSet } from "./chain-state.ts";
import { type Genesis, genesisSchema, parseCanonicalJson } from "./genesis.ts";
import type { Governance } from "./governance.ts";
import { finalizes, genesisAnchor, handOver, type Refused, setOf, type TrustAnchor } from "./handover.ts";
import { type HistoryPath, historyLeaf, historyRootOf } from "./history.ts";
import { decodeHandover, encodeHandover, readHistory, readPath, writeHistory, writePath } from "./proof-bytes.ts";
import {
  type GovernanceReceipt,
  governanceLeaf,
  keysDigest,
  type ReceiptBlock,
  type ReceiptSource,
  receiptLeaves,
} from "./receipt-tree.ts";
import { componentPathLength, coverageLeaf, decodeCoverage, provesComponent } from "./state-root.ts";

/** Components of the state with their paths to its root. */
export interface CertifiedComponents {
  /** Canonical JSON. */
  readonly governance: Uint8Array;
  /** 96 bytes each. */
  readonly governancePath: Uint8Array;
  readonly coverage: Uint8Array;
  readonly coveragePath: Uint8Array;
}

/** A validator set that the reader believes, whole: members, learners, owners, parameters. */
export interface TrustedSet {
  readonly config: EpochConfig;
  readonly set: ValidatorSet;
}

/** How signatures are checked: `verifyCertificate` is asked about sets that nobody vouched for yet and must not throw. */
export type ReportCrypto = Required<Pick<TrustAnchor, "verifyCertificate" | "provesPossession">>;

const no = (reason: string): Refused => ({ kind: "refused", reason });

/** The set that genesis names, believed as it is. */
export function genesisSet(genesis: Genesis, chainId: Digest, crypto: ReportCrypto): TrustedSet {
  return { config: genesisAnchor(genesis, chainId, crypto).config, set: initialChainState(genesis, chainId).set };
}

export type Trusting =
  | { readonly kind: "trusted"; readonly next: TrustedSet }
  /** It leads to an epoch that is not after the trusted one. */
  | { readonly kind: "passed" }
  | Refused;

/** Trust in the set that a handover's bytes hand over to; refused with why it does not follow from the trusted one. */
export function trustNext({ config }: TrustedSet, bytes: Uint8Array, crypto: ReportCrypto): Trusting {
  const handover = decodeHandover(bytes);
  if (!handover || !bytesEqual(encodeHandover(handover), bytes)) return no("the handover is not its layout");
  if (handover.header.epoch <= config.epoch) return { kind: "passed" };
  const result = handOver({ ...crypto, config }, config, handover);
  if (result.kind === "refused") return result;
  const set = setOf(handover);
  return set ? { kind: "trusted", next: { config: result.config, set } } : no("the handover has no set");
}

/** A header and the certificate that is to finalize its own block, by their layout alone: signatures come after. */
export function readFinalHeader(
  headerBytes: Uint8Array,
  certificateBytes: Uint8Array,
): { readonly kind: "read"; readonly header: Header; readonly finalization: Certificate } | Refused {
  const header = decodeHeader(headerBytes);
  if (header.kind === "refused") return no(header.error.reason);
  const certificate = decodeCertificate(certificateBytes);
  if (certificate.kind === "refused") return no(certificate.error.reason);
  if (!finalizes(header.value, certificate.value)) return no("the certificate does not finalize the header's block");
  return { kind: "read", header: header.value, finalization: certificate.value };
}

const governanceState = z.strictObject({ ...genesisSchema.shape.governance.shape, sequence: z.int().nonnegative() });

/** The governance set under the header's root; undefined when the bytes are not what the root commits to. */
export function provenGovernance(
  header: Header,
  { governance, governancePath }: Pick<CertifiedComponents, "governance" | "governancePath">,
): Governance | undefined {
  if (!isUnder(header, "governance", sha256(governance), governancePath)) return undefined;
  return governanceState.safeParse(parseCanonicalJson(governance)).data;
}

/** The coverage state under the header's root; undefined likewise. */
export function provenCoverage(
  header: Header,
  { coverage, coveragePath }: Pick<CertifiedComponents, "coverage" | "coveragePath">,
): CoverageState | undefined {
  const proven = decodeCoverage(coverage);
  if (!proven || !isUnder(header, "coverage", sha256(coverage), coveragePath)) return undefined;
  return bytesEqual(coverageLeaf(proven), sha256(coverage)) ? proven.coverage : undefined;
}

function isUnder(
  { root }: Header,
  component: "governance" | "coverage" | "history",
  leaf: Uint8Array,
  path: Uint8Array,
): boolean {
  return path.length === componentPathLength && provesComponent(hexToBytes(root), component, leaf, path);
}

/** The block that executed a governance transaction, and the way from its receipts to a later root. */
export interface GovernanceReceiptSource extends ReceiptBlock {
  /** Executed messages of the block, and its governance receipts, in order. */
  readonly messages: readonly ReceiptSource[];
  readonly governance: readonly GovernanceReceipt[];
  readonly history: HistoryPath;
  readonly historyPath: Uint8Array;
}

/**
 * The receipt of the block's governance transaction with this index: height u64, time u64, number of the leaf u32,
 * leaves u32, path, keysDigest 32, history, path of the history 96.
 */
export function buildGovernanceReceipt(source: GovernanceReceiptSource, index: number): Uint8Array {
  const leaves = receiptLeaves(source.messages, source.governance, source);
  const leaf = source.messages.length + index;
  const out = writer(1_024);
  out.u64(source.height);
  out.u64(source.time);
  out.u32(leaf);
  out.u32(leaves.length / 32);
  writePath(out, merklePath(merkleTree(leaves), leaf));
  out.bytes(keysDigest(source.messages));
  writeHistory(out, source.history);
  out.bytes(source.historyPath);
  return out.finish();
}

/** Does the receipt show, under the header's root, that the chain granted or refused the transaction with this hash? */
export function provesOutcome(
  header: Header,
  { hash, granted }: Pick<GovernanceReceipt, "hash" | "granted">,
  receipt: Uint8Array,
): boolean {
  const input = reader(receipt);
  const [height, time, leaf, leaves] = [input.u64(), input.u64(), input.u32(), input.u32()];
  const path = readPath(input);
  const keys = input.bytes(32);
  const history = readHistory(input);
  const historyPath = input.bytes(componentPathLength);
  if (input.failed || input.left > 0 || hash.length !== 32 || history.count !== header.rootHeight) return false;
  const own = governanceLeaf({ hash, granted }, { height, time });
  const receiptsRoot = mixedRoot(rootFromPath(own, leaf, path), leaves);
  if (!provesLeaf(receiptsRoot, leaves, own, leaf, path)) return false;
  const historyRoot = historyRootOf(historyLeaf(receiptsRoot, keys), height - 1, history);
  return historyRoot !== undefined && isUnder(header, "history", historyRoot, historyPath);
}
