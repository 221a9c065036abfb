/**
 * BLS12-381 votes and certificates: keys in G1, signatures in G2, one aggregate over one message.
 * Rogue keys are excluded by the proof of possession that every key of a set carries.
 */
import blst from "@chainsafe/blst";
import { hexToBytes } from "@noble/hashes/utils.js";
import { domain, revealBytes, signatureLength, signedBytes } from "../codec/certificate.ts";
import { powerOf, totals } from "../consensus/power.ts";
import type { Ballot, Certificate, Epoch, EpochConfig, SeatIndex, Verified, View, Vote } from "../consensus/types.ts";
import { sha256 } from "./hash.ts";

const publicKeyLength = 48;

/** The signing half of a member. */
export interface BlsSigner {
  /** Compressed, 48 bytes. */
  readonly publicKey: Uint8Array;
  /** A signature of 96 bytes over a ballot of the chain. */
  signBallot(config: Pick<EpochConfig, "chainId">, ballot: Ballot): Uint8Array;
  signReveal(config: Pick<EpochConfig, "chainId">, turn: { readonly epoch: Epoch; readonly view: View }): Uint8Array;
  /** Proves that the signer holds the key, bound to the peer key it comes with. */
  provePossession(peerKey: Uint8Array): Uint8Array;
}

/** A signer from 32 bytes of entropy. */
export function blsSigner(entropy: Uint8Array): BlsSigner {
  const key = blst.SecretKey.fromKeygen(entropy);
  const publicKey = key.toPublicKey().toBytes();
  return {
    publicKey,
    signBallot: ({ chainId }, ballot) => key.sign(signedBytes(ballot.kind, chainId, ballot)).toBytes(),
    signReveal: ({ chainId }, turn) => key.sign(revealBytes(chainId, turn)).toBytes(),
    provePossession: (peerKey) => key.sign(possessionBytes(publicKey, peerKey)).toBytes(),
  };
}

function possessionBytes(blsKey: Uint8Array, peerKey: Uint8Array): Uint8Array {
  return sha256(domain("possession"), blsKey, peerKey);
}

/** Is this key held by whoever sent it with this peer key? */
export function verifyPossession(blsKey: Uint8Array, peerKey: Uint8Array, proof: Uint8Array): boolean {
  const key = parsePublicKey(blsKey);
  const signature = parseSignature(proof);
  return key !== undefined && signature !== undefined && blst.verify(possessionBytes(blsKey, peerKey), key, signature);
}

/** One signature over 32 bytes, its key and itself as bytes; false too for what is no key or no signature. */
export function verifyBls(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const key = parsePublicKey(publicKey);
  const point = parseSignature(signature);
  return key !== undefined && point !== undefined && blst.verify(message, key, point);
}

/** The set's public keys, parsed and validated once an epoch. */
export interface MemberKeys {
  readonly config: EpochConfig;
  readonly keys: readonly blst.PublicKey[];
}

/** As `memberKeys`; undefined when a key is none. For sets that are still to be believed. */
export function parseMemberKeys(config: EpochConfig): MemberKeys | undefined {
  const keys = config.members.flatMap((member) => parsePublicKey(hexToBytes(member.blsKey)) ?? []);
  return keys.length === config.members.length ? { config, keys } : undefined;
}

/** Throws when a key is none: a set comes from chain state, which admits only keys with a proof of possession. */
export function memberKeys(config: EpochConfig): MemberKeys {
  const keys = config.members.map((member) => {
    const key = parsePublicKey(hexToBytes(member.blsKey));
    if (!key) throw new Error(`the BLS key of ${member.id} is not a point of the group`);
    return key;
  });
  return { config, keys };
}

export type Assembly =
  | { readonly kind: "assembled"; readonly certificate: Verified<Certificate> }
  /** These members' signatures are bad; the others' were not aggregated. */
  | { readonly kind: "bad"; readonly bad: readonly SeatIndex[] };

/**
 * A certificate from a quorum's votes on one ballot: aggregated and verified once; on failure the bad ones are found by
 * bisection. Throws when the votes are not those of distinct members with a quorum's power: the core counts before it asks.
 */
export function assemble(members: MemberKeys, ballot: Ballot, votes: readonly Vote[]): Assembly {
  const { config } = members;
  const signers = votes.map((vote) => vote.signer).sort((a, b) => a - b);
  if (!ascending(signers)) throw new Error("a certificate is assembled from one vote a member");
  if (powerOf(config, signers) < totals(config.members, config.faultModel).quorum)
    throw new Error("a certificate is assembled from a quorum");
  const added = aggregate(members, ballot, votes);
  if (added.kind === "bad") return added;
  const { kind, epoch, view, block } = ballot;
  const signature = added.signature.toBytes();
  return { kind: "assembled", certificate: verified({ kind, epoch, view, block, signers, signature }) };
}

/** Adds late votes of members who have not signed yet: the votes are verified, the certificate was before. */
export function extend(members: MemberKeys, certificate: Verified<Certificate>, votes: readonly Vote[]): Assembly {
  const fresh = votes.filter((vote) => !certificate.signers.includes(vote.signer));
  if (fresh.length === 0) return { kind: "assembled", certificate };
  const signers = [...certificate.signers, ...fresh.map((vote) => vote.signer)].sort((a, b) => a - b);
  if (!ascending(signers)) throw new Error("a certificate is extended by one vote a member");
  const added = aggregate(members, certificate, fresh);
  if (added.kind === "bad") return added;
  const parts = [blst.Signature.fromBytes(certificate.signature), added.signature];
  const signature = blst.aggregateSignatures(parts).toBytes();
  return { kind: "assembled", certificate: verified({ ...certificate, signers, signature }) };
}

type Aggregate =
  | { readonly kind: "good"; readonly signature: blst.Signature }
  | { readonly kind: "bad"; readonly bad: readonly SeatIndex[] };

/** The verified aggregate of these votes, of whatever power. */
function aggregate(members: MemberKeys, ballot: Ballot, votes: readonly Vote[]): Aggregate {
  const message = signedBytes(ballot.kind, members.config.chainId, ballot);
  const parsed = votes.map((vote) => ({ signer: vote.signer, signature: parseUnchecked(vote.signature) }));
  const usable = parsed.filter((vote): vote is Parsed => vote.signature !== undefined);
  if (usable.length < votes.length) {
    const unparsable = parsed.filter((vote) => vote.signature === undefined).map((vote) => vote.signer);
    return { kind: "bad", bad: [...unparsable, ...bisect(members, message, usable)] };
  }
  const signature = aggregateVerified(members, message, usable);
  return signature ? { kind: "good", signature } : { kind: "bad", bad: bisect(members, message, usable) };
}

/** Strictly: no seat twice. */
function ascending(signers: readonly SeatIndex[]): boolean {
  return signers.every((seat, i) => i === 0 || (signers[i - 1] ?? 0) < seat);
}

/** A certificate from a peer or the disk; undefined unless a quorum of its epoch's set signed it. */
export function verifyCertificate(members: MemberKeys, certificate: Certificate): Verified<Certificate> | undefined {
  const { config, keys } = members;
  const { signers, epoch } = certificate;
  if (epoch !== config.epoch || !ascending(signers) || signers.some((seat) => seat >= keys.length)) return undefined;
  if (powerOf(config, signers) < totals(config.members, config.faultModel).quorum) return undefined;
  const signature = parseSignature(certificate.signature);
  if (!signature) return undefined;
  const message = signedBytes(certificate.kind, config.chainId, certificate);
  return blst.fastAggregateVerify(
    message,
    signers.map((seat) => keyOf(members, seat)),
    signature,
  )
    ? verified(certificate)
    : undefined;
}

export function verifyVote(members: MemberKeys, vote: Vote): Verified<Vote> | undefined {
  const key = members.keys[vote.signer];
  const signature = parseSignature(vote.signature);
  if (!key || !signature || vote.epoch !== members.config.epoch) return undefined;
  return blst.verify(signedBytes(vote.kind, members.config.chainId, vote), key, signature) ? verified(vote) : undefined;
}

export function verifyReveal(
  members: MemberKeys,
  turn: { readonly epoch: Epoch; readonly view: View; readonly proposer: SeatIndex },
  reveal: Uint8Array,
): boolean {
  const key = members.keys[turn.proposer];
  const signature = parseSignature(reveal);
  return (
    key !== undefined &&
    signature !== undefined &&
    blst.verify(revealBytes(members.config.chainId, turn), key, signature)
  );
}

interface Parsed {
  readonly signer: SeatIndex;
  readonly signature: blst.Signature;
}

/** The aggregate of these signatures when it verifies under the signers' keys. */
function aggregateVerified(
  members: MemberKeys,
  message: Uint8Array,
  votes: readonly Parsed[],
): blst.Signature | undefined {
  if (votes.length === 0 || votes.some((vote) => members.keys[vote.signer] === undefined)) return undefined;
  const signature = blst.aggregateSignatures(votes.map((vote) => vote.signature));
  return blst.fastAggregateVerify(
    message,
    votes.map((vote) => keyOf(members, vote.signer)),
    signature,
    // The subgroup is checked once, of the sum: what verifies is right, whatever its parts were.
    true,
  )
    ? signature
    : undefined;
}

/** The signers whose signatures are bad, by halving what does not verify. */
function bisect(members: MemberKeys, message: Uint8Array, votes: readonly Parsed[]): readonly SeatIndex[] {
  if (votes.length === 0 || aggregateVerified(members, message, votes)) return [];
  if (votes.length === 1) return votes.map((vote) => vote.signer);
  const middle = votes.length >> 1;
  return [...bisect(members, message, votes.slice(0, middle)), ...bisect(members, message, votes.slice(middle))];
}

function keyOf(members: MemberKeys, seat: SeatIndex): blst.PublicKey {
  const key = members.keys[seat];
  if (!key) throw new Error(`seat ${seat} is not in the set`);
  return key;
}

function parsePublicKey(bytes: Uint8Array): blst.PublicKey | undefined {
  // Compressed only: the library reads the uncompressed spelling too.
  if (bytes.length !== publicKeyLength) return undefined;
  try {
    return blst.PublicKey.fromBytes(bytes, true);
  } catch {
    // The library throws for anything that is no point of the group.
    return undefined;
  }
}

function parseSignature(bytes: Uint8Array): blst.Signature | undefined {
  if (bytes.length !== signatureLength) return undefined;
  try {
    return blst.Signature.fromBytes(bytes, true);
  } catch {
    return undefined;
  }
}

/** A point of the curve, not yet known to be of the group: for sums that are checked whole. */
function parseUnchecked(bytes: Uint8Array): blst.Signature | undefined {
  if (bytes.length !== signatureLength) return undefined;
  try {
    return blst.Signature.fromBytes(bytes, false);
  } catch {
    return undefined;
  }
}

function verified<T>(value: T): Verified<T> {
  return value as Verified<T>;
}
