/** Proposals: everything that can be checked of one without its ancestors. */
import { hexToBytes } from "@noble/hashes/utils.js";
import { signedBytes } from "../codec/certificate.ts";
import { regionDigest } from "../consensus/coverage.ts";
import type { CoverageChange, EpochConfig, GovernanceTransaction, Proposal, Verified } from "../consensus/types.ts";
import { type MemberKeys, verifyCertificate, verifyReveal } from "./bls.ts";
import { type Ed25519Signer, verifyEd25519 } from "./ed25519.ts";

export type ProposalCheck =
  | { readonly kind: "verified"; readonly proposal: Verified<Proposal> }
  /** Not signed by the member it names: says nothing about that member. */
  | { readonly kind: "forged"; readonly reason: string }
  /** Signed by its proposer and wrong: the view can be given up. */
  | { readonly kind: "invalid"; readonly reason: string };

export function signProposal(
  signer: Ed25519Signer,
  config: EpochConfig,
  proposal: Omit<Proposal, "signature">,
): Proposal {
  return { ...proposal, signature: signer.sign(proposalBytes(config, proposal)) };
}

function proposalBytes({ chainId }: EpochConfig, { block }: Omit<Proposal, "signature">): Uint8Array {
  return signedBytes("proposal", chainId, { epoch: block.header.epoch, view: block.header.view, block: block.hash });
}

/**
 * Checks the leader's signature, the reveal, coverage changes and, by `governed`, the governance transactions.
 * Bytes were checked by the decoder; whether it fits the chain is the core's question; the attached finalization is
 * verified when the core asks for it.
 */
export function verifyProposal(
  members: MemberKeys,
  proposal: Proposal,
  governed: (transaction: GovernanceTransaction) => boolean,
): ProposalCheck {
  const { config } = members;
  const { header, body } = proposal.block;
  const proposer = config.members[header.proposer];
  if (!proposer || header.epoch !== config.epoch) return { kind: "forged", reason: "its proposer is not in the set" };
  if (!verifyEd25519(hexToBytes(proposer.peerKey), proposalBytes(config, proposal), proposal.signature)) {
    return { kind: "forged", reason: "the signature is not its proposer's" };
  }
  const due = header.view % config.parameters.revealInterval === 0;
  if (due !== (header.reveal !== undefined)) return { kind: "invalid", reason: "a reveal is missing or not due" };
  if (header.reveal && !verifyReveal(members, header, header.reveal))
    return { kind: "invalid", reason: "the reveal is not its proposer's" };
  if (!body.coverage.every((change) => provesChange(members, change)))
    return { kind: "invalid", reason: "a coverage change without its quorum" };
  if (!body.governance.every(governed))
    return { kind: "invalid", reason: "a governance transaction without its signatures" };
  return { kind: "verified", proposal: proposal as Verified<Proposal> };
}

function provesChange(members: MemberKeys, { kind, region, certificate }: CoverageChange): boolean {
  const expected = kind === "degrade-region" ? "suspect" : "sight";
  return (
    certificate.kind === expected &&
    certificate.block === regionDigest(region) &&
    verifyCertificate(members, certificate) !== undefined
  );
}
