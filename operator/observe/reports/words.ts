/** A validator's own words, as plain values within bounds: whatever else it sends is as if it had said nothing. */
import type { GetIdentityResponse, GetStatusResponse } from "../../../proto/validator/v1/validator_pb.js";
import { verifyPossession } from "../../../validator/crypto/bls.ts";
import { verifyChallenge } from "../../../validator/crypto/challenge.ts";
import type { Claim, PublicKeys, Report } from "../../plan/snapshot.ts";

/** What a validator says of itself. Nothing of it is proven. */
export interface Words {
  readonly role: Report["role"];
  readonly voting: boolean;
  readonly epoch: number;
  readonly view: number;
  /** Newest final height. */
  readonly height: number;
  /** Root after its newest executed block, hexadecimal. */
  readonly root: string;
  readonly heard: readonly string[];
}

const roles: readonly Report["role"][] = ["waiting", "learner", "validator", "quarantined", "retired"];
const memberName = /^[A-Za-z0-9][A-Za-z0-9-]{0,62}$/;
/** Most members of a set. */
const mostHeard = 1_024;

export function readStatus(status: GetStatusResponse): Words {
  const role = roles.find((each) => each === status.role) ?? "unknown";
  return {
    role,
    voting: status.voting,
    epoch: whole(status.epoch),
    view: whole(status.view),
    height: whole(status.finalizedHeight),
    root: hex(status.stateRoot.subarray(0, 32)),
    heard: [...new Set(status.heard.slice(0, mostHeard).filter((id) => memberName.test(id)))].sort(),
  };
}

/** Numbers above 2^53 − 1 are of no chain: -1 is of none either. */
export const whole = (number: bigint): number => (number <= Number.MAX_SAFE_INTEGER ? Number(number) : -1);

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Verified: the BLS key's possession is proven, and the peer key signed this connection's challenge. */
export function readKeys(identity: GetIdentityResponse, challenge: Uint8Array): Claim<PublicKeys> {
  const { blsKey, peerKey, proofOfPossession, signature } = identity;
  const said: PublicKeys = {
    blsKey: hex(blsKey.subarray(0, 48)),
    peerKey: hex(peerKey.subarray(0, 32)),
    proofOfPossession: hex(proofOfPossession.subarray(0, 96)),
  };
  const holds = verifyPossession(blsKey, peerKey, proofOfPossession);
  return holds && verifyChallenge(identity, challenge, signature)
    ? { kind: "verified", value: said }
    : { kind: "unverified", value: said };
}

/** A sentence of somebody else's for people to read: one line, no control characters, at most 256 characters. */
export function sentence(text: string): string {
  return text
    .slice(0, 1_024)
    .replace(/[\p{C}\p{Zl}\p{Zp}\s]+/gu, " ")
    .trim()
    .slice(0, 256);
}
