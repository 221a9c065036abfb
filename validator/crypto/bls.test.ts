import { describe, expect, test } from "vitest";
import { decodeCertificate, encodeCertificate } from "../codec/certificate.ts";
import { hashOf, testConfig } from "../consensus/testing/cluster.ts";
import type { Ballot, Certificate, EpochConfig, SeatIndex, Vote } from "../consensus/types.ts";
import { seatIndex, view } from "../consensus/types.ts";
import { assemble, blsSigner, extend, memberKeys, verifyCertificate, verifyPossession, verifyVote } from "./bls.ts";
import { sha256 } from "./hash.ts";

const signers = [0, 1, 2, 3].map((i) => blsSigner(sha256(new Uint8Array([i]))));
const base = testConfig({ powers: [1, 1, 1, 1] });
const config: EpochConfig = {
  ...base,
  members: base.members.map((member, i) => ({
    ...member,
    blsKey: Buffer.from(signers[i]?.publicKey ?? []).toString("hex"),
  })),
};
const members = memberKeys(config);
const ballot: Ballot = { kind: "finalize", epoch: config.epoch, view: view(7), block: hashOf("a block") };

function vote(seat: number, of: Ballot = ballot): Vote {
  const signer = signers[seat];
  if (!signer) throw new Error(`no seat ${seat}`);
  return { ...of, signer: seatIndex(seat), signature: signer.signBallot(config, of) };
}

function assembled(...seats: number[]): Certificate {
  const result = assemble(
    members,
    ballot,
    seats.map((seat) => vote(seat)),
  );
  if (result.kind === "bad") throw new Error("the votes are bad");
  return result.certificate;
}

describe("certificates", () => {
  test("a quorum's votes make one, whose canonical bytes verify again", () => {
    const certificate = assembled(0, 2, 3);
    expect(certificate.signers).toEqual([0, 2, 3]);
    const read = decodeCertificate(encodeCertificate(certificate));
    expect(read.kind === "ok" && verifyCertificate(members, read.value)).toEqual(certificate);
  });

  test("bisection names every bad signature and no other", () => {
    const wrongBallot = { ...vote(1), signature: vote(1, { ...ballot, view: view(8) }).signature };
    const garbage = { ...vote(3), signature: new Uint8Array(96) };
    const result = assemble(members, ballot, [vote(0), wrongBallot, vote(2), garbage]);
    expect(result.kind === "bad" && [...result.bad].sort()).toEqual([1, 3]);
  });

  test("a late vote extends one; a bad late vote does not", () => {
    const certificate = verifyCertificate(members, assembled(0, 1, 2));
    if (!certificate) throw new Error("it does not verify");
    const result = extend(members, certificate, [vote(3)]);
    if (result.kind === "bad") throw new Error("the late vote is bad");
    expect(result.certificate.signers).toEqual([0, 1, 2, 3]);
    expect(verifyCertificate(members, result.certificate)).toBeDefined();
    const stolen = { ...vote(2), signer: seatIndex(3) };
    expect(extend(members, certificate, [stolen])).toEqual({ kind: "bad", bad: [3] });
  });

  const forgeries: readonly [string, (genuine: Certificate) => Certificate][] = [
    ["below the quorum", () => assembled(0, 1)],
    ["a signer who did not sign", (genuine) => ({ ...genuine, signers: [0, 1, 2, 3] as SeatIndex[] })],
    ["a signer counted twice", (genuine) => ({ ...genuine, signers: [0, 1, 1] as SeatIndex[] })],
    ["a seat outside the set", (genuine) => ({ ...genuine, signers: [0, 1, 9] as SeatIndex[] })],
    ["another kind", (genuine) => ({ ...genuine, kind: "notarize" })],
    ["another view", (genuine) => ({ ...genuine, view: view(8) })],
    ["another block", (genuine) => ({ ...genuine, block: hashOf("another") })],
    ["a signature at infinity", (genuine) => ({ ...genuine, signature: new Uint8Array(96).fill(0xc0, 0, 1) })],
  ];
  test.each(forgeries)("refused: %s", (_, forge) => {
    expect(verifyCertificate(members, forge(assembled(0, 1, 2)))).toBeUndefined();
  });
});

test("a vote verifies for its signer alone", () => {
  expect(verifyVote(members, vote(1))).toBeDefined();
  expect(verifyVote(members, { ...vote(1), signer: seatIndex(2) })).toBeUndefined();
});

test("a proof of possession is bound to both keys", () => {
  const [a, b] = signers;
  if (!a || !b) throw new Error("no signers");
  const peer = sha256(new Uint8Array([9]));
  expect(verifyPossession(a.publicKey, peer, a.provePossession(peer))).toBe(true);
  expect(verifyPossession(b.publicKey, peer, a.provePossession(peer))).toBe(false);
  expect(verifyPossession(a.publicKey, a.publicKey.subarray(0, 32), a.provePossession(peer))).toBe(false);
});
