/**
 * Evidence of equivocation on its way into a block: two statements of one member's about one view that the rules never
 * allow together, each with its signature (docs/formats.md, Evidence). Nobody signs the transaction: the statements do.
 */
import { hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { bytesEqual, reader, type Writer, writer } from "../codec/bytes.ts";
import { signedBytes, voteKindCode, voteKindOf } from "../codec/certificate.ts";
import { type Decoded, decoded, refused } from "../codec/result.ts";
import type { Digest, Epoch, Evidence, GovernanceTransaction, Member, View } from "../consensus/types.ts";
import { epoch, view, zeroDigest } from "../consensus/types.ts";

/** What a member said of a block: a vote by its BLS key (96 bytes), or a proposal by its peer key (64 bytes). */
export interface Statement {
  readonly kind: "proposal" | "notarize" | "nullify" | "finalize";
  readonly block: Digest;
  readonly signature: Uint8Array;
}

export interface EquivocationProof {
  readonly chainId: Digest;
  readonly epoch: Epoch;
  readonly view: View;
  /** The member's BLS key, hexadecimal: seats are numbered anew each epoch. */
  readonly blsKey: string;
  /** Ascending by kind, then by block. */
  readonly statements: readonly [Statement, Statement];
}

/** Checks of single signatures, from `crypto/`. Keys and signatures as bytes; false for what is none. */
export interface EvidenceCrypto {
  readonly verifyEd25519: (key: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean;
  readonly verifyBls: (key: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean;
}

const magic = utf8ToBytes("VSE1");
const signatureBytes = 96;

/** The transaction for what the core reported; `offender` as the epoch's set has it. Undefined when it proves nothing. */
export function evidenceTransaction(
  chainId: Digest,
  offender: Pick<Member, "blsKey">,
  evidence: Evidence,
): GovernanceTransaction | undefined {
  const { blsKey } = offender;
  let proof: EquivocationProof;
  if (evidence.kind === "conflicting-votes") {
    const { first, second } = evidence;
    const [one, other] = [first, second].map(statementOfVote);
    if (!one || !other || first.view !== second.view || first.epoch !== second.epoch) return undefined;
    proof = { chainId, epoch: first.epoch, view: first.view, blsKey, statements: inOrder(one, other) };
  } else {
    const { header } = evidence.first.block;
    const [one, other] = [evidence.first, evidence.second].map(
      ({ block, signature }): Statement => ({ kind: "proposal", block: block.hash, signature }),
    );
    if (!one || !other) return undefined;
    proof = { chainId, epoch: header.epoch, view: header.view, blsKey, statements: inOrder(one, other) };
  }
  return contradicts(...proof.statements) ? { bytes: encodeEvidence(proof), closesEpoch: false } : undefined;
}

function statementOfVote({ kind, block, signature }: Extract<Evidence, { kind: "conflicting-votes" }>["first"]) {
  return kind === "suspect" || kind === "sight" ? undefined : { kind, block, signature };
}

function inOrder(one: Statement, other: Statement): readonly [Statement, Statement] {
  return ranked(one) < ranked(other) ? [one, other] : [other, one];
}

const kindCode = (kind: Statement["kind"]) => (kind === "proposal" ? 0 : voteKindCode(kind));
const ranked = ({ kind, block }: Statement) => `${kindCode(kind)} ${block}`;

/** Two blocks in one view, or nullify and finalize: rules 0, 1 and 2. */
function contradicts(first: Statement, second: Statement): boolean {
  if (first.kind === second.kind) return first.kind !== "nullify" && first.block !== second.block;
  return first.kind === "nullify" && second.kind === "finalize";
}

export function encodeEvidence(proof: EquivocationProof): Uint8Array {
  const out = writer(384);
  out.bytes(magic);
  out.u16(1);
  out.u16(0);
  out.digest(proof.chainId);
  out.u64(proof.epoch);
  out.u64(proof.view);
  out.bytes(hexToBytes(proof.blsKey));
  for (const statement of proof.statements) writeStatement(out, statement);
  return out.finish();
}

function writeStatement(out: Writer, { kind, block, signature }: Statement): void {
  out.u32(kindCode(kind));
  out.digest(block);
  const padded = new Uint8Array(signatureBytes);
  padded.set(signature);
  out.bytes(padded);
}

/** Are these bytes meant as evidence? */
export function isEvidence(transaction: Uint8Array): boolean {
  return bytesEqual(transaction.subarray(0, 4), magic);
}

export function parseEvidence(bytes: Uint8Array): Decoded<EquivocationProof> {
  const input = reader(bytes);
  if (!bytesEqual(input.bytes(4), magic) || input.u16() !== 1 || input.u16() !== 0)
    return refused("evidence: magic or version");
  const chainId = input.digest();
  const [epochNumber, viewNumber] = [input.u64(), input.u64()];
  const blsKey = [...input.bytes(48)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const read = (): Statement | undefined => {
    const code = input.u32();
    const kind = code === 0 ? "proposal" : voteKindOf(code);
    const block = input.digest();
    const padded = input.bytes(signatureBytes);
    if (kind === undefined || kind === "suspect" || kind === "sight") return undefined;
    return { kind, block, signature: kind === "proposal" ? padded.slice(0, 64) : padded.slice() };
  };
  const [first, second] = [read(), read()];
  if (input.failed || input.left > 0 || !first || !second) return refused("evidence: not its layout");
  const proof: EquivocationProof = {
    chainId,
    epoch: epoch(epochNumber),
    view: view(viewNumber),
    blsKey,
    statements: [first, second],
  };
  if (ranked(first) >= ranked(second) || !bytesEqual(encodeEvidence(proof), bytes))
    return refused("evidence: not canonical", "not-canonical");
  const nullified = proof.statements.some(({ kind, block }) => kind === "nullify" && block !== zeroDigest);
  if (nullified || !contradicts(first, second)) return refused("evidence: the two statements go together");
  return decoded(proof);
}

/** Why the evidence proves nothing against a member of this set; "" when it does. */
export function unproven(
  { chainId, epoch: at, view: turn, blsKey, statements }: EquivocationProof,
  chain: { readonly chainId: Digest; readonly epoch: number; readonly members: readonly Member[] },
  crypto: EvidenceCrypto,
): string {
  if (chainId !== chain.chainId || at > chain.epoch) return "it is of another chain or of an epoch to come";
  const member = chain.members.find((other) => other.blsKey === blsKey);
  if (!member) return "its key is of no member";
  for (const { kind, block, signature } of statements) {
    const message = signedBytes(kind, chainId, { epoch: at, view: turn, block });
    const good =
      kind === "proposal"
        ? crypto.verifyEd25519(hexToBytes(member.peerKey), message, signature)
        : crypto.verifyBls(hexToBytes(blsKey), message, signature);
    if (!good) return `the ${kind} is not signed by ${member.id}`;
  }
  return "";
}
