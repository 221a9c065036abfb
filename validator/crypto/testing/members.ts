/** A set of members with real keys, the same in every run. */
import { testConfig } from "../../consensus/testing/cluster.ts";
import type { Ballot, EpochConfig, Parameters, Vote } from "../../consensus/types.ts";
import { seatIndex } from "../../consensus/types.ts";
import { type BlsSigner, blsSigner, type MemberKeys, memberKeys } from "../bls.ts";
import { type Ed25519Signer, ed25519Signer } from "../ed25519.ts";
import { sha256 } from "../hash.ts";

export interface TestMembers {
  readonly config: EpochConfig;
  readonly members: MemberKeys;
  bls(seat: number): BlsSigner;
  peer(seat: number): Ed25519Signer;
  vote(seat: number, ballot: Ballot): Vote;
}

export function testMembers(powers: readonly number[], parameters: Partial<Parameters> = {}): TestMembers {
  const keys = powers.map((_, i) => ({
    bls: blsSigner(sha256(Uint8Array.of(i))),
    peer: ed25519Signer(sha256(Uint8Array.of(100, i))),
  }));
  const base = testConfig({ powers, parameters });
  const of = (seat: number) => {
    const found = keys[seat];
    if (!found) throw new Error(`no seat ${seat}`);
    return found;
  };
  const config: EpochConfig = {
    ...base,
    members: base.members.map((member, i) => ({
      ...member,
      blsKey: Buffer.from(of(i).bls.publicKey).toString("hex"),
      peerKey: Buffer.from(of(i).peer.publicKey).toString("hex"),
    })),
  };
  return {
    config,
    members: memberKeys(config),
    bls: (seat) => of(seat).bls,
    peer: (seat) => of(seat).peer,
    vote: (seat, ballot) => ({
      ...ballot,
      signer: seatIndex(seat),
      signature: of(seat).bls.signBallot(config, ballot),
    }),
  };
}
