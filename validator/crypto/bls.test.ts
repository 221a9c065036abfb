import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { concat } from "../codec/bytes.ts";
import { decodeCertificate, encodeCertificate } from "../codec/certificate.ts";
import { hashOf } from "../consensus/testing/cluster.ts";
import type { Ballot, Certificate, SeatIndex } from "../consensus/types.ts";
import { seatIndex, view, zeroDigest } from "../consensus/types.ts";
import { assemble, extend, memberKeys, verifyCertificate, verifyPossession, verifyReveal, verifyVote } from "./bls.ts";
import { sha256 } from "./hash.ts";
import { testMembers } from "./testing/members.ts";

const blst = createRequire(import.meta.url)("@chainsafe/blst") as typeof import("@chainsafe/blst");
const four = testMembers([1, 1, 1, 1]);
const { config, members, vote } = four;
const ballot: Ballot = { kind: "finalize", epoch: config.epoch, view: view(7), block: hashOf("a block") };
const seats = (...indexes: number[]) => indexes.map(seatIndex);

function assembled(...signers: number[]): Certificate {
  const made = assemble(
    members,
    ballot,
    signers.map((seat) => vote(seat, ballot)),
  );
  if (made.kind === "bad") throw new Error("the votes are bad");
  return made.certificate;
}

/** The genuine aggregate of these members, of whatever power. */
function aggregated(...signers: number[]): Certificate {
  const signatures = signers.map((seat) => blst.Signature.fromBytes(vote(seat, ballot).signature));
  return { ...ballot, signers: seats(...signers), signature: blst.aggregateSignatures(signatures).toBytes() };
}

/** The sum of two signatures' points. */
function sum(a: Uint8Array, b: Uint8Array): Uint8Array {
  return blst.aggregateSignatures([a, b].map((bytes) => blst.Signature.fromBytes(bytes))).toBytes();
}

/** The point with the other sign: bit 5 of a compressed point's first byte says which of the two it is. */
function negated(signature: Uint8Array): Uint8Array {
  return signature.map((byte, i) => (i === 0 ? byte ^ 0x20 : byte));
}

describe("certificates", () => {
  test("a quorum's votes make one, whose canonical bytes verify again", () => {
    const certificate = assembled(0, 2, 3);
    expect(certificate.signers).toEqual([0, 2, 3]);
    const read = decodeCertificate(encodeCertificate(certificate));
    expect(read.kind === "ok" && verifyCertificate(members, read.value)).toEqual(certificate);
  });

  test("votes come in any order; the signers of the certificate ascend", () => {
    expect(assembled(3, 0, 2)).toEqual(assembled(0, 2, 3));
  });

  test("bisection names every bad signature and no other", () => {
    const wrongBallot = { ...vote(1, ballot), signature: vote(1, { ...ballot, view: view(8) }).signature };
    const garbage = { ...vote(3, ballot), signature: new Uint8Array(96) };
    const made = assemble(members, ballot, [vote(0, ballot), wrongBallot, vote(2, ballot), garbage]);
    expect(made.kind === "bad" && [...made.bad].sort()).toEqual([1, 3]);
  });

  test("two signatures that are wrong alone and right in sum make a certificate that anyone verifies", () => {
    // Nothing is forged: the sum needs both members' keys. What counts is that all verifiers agree on it.
    const offset = vote(2, { ...ballot, view: view(99) }).signature;
    const [first, second] = [vote(0, ballot), vote(1, ballot)];
    const votes = [
      { ...first, signature: sum(first.signature, offset) },
      { ...second, signature: sum(second.signature, negated(offset)) },
      vote(2, ballot),
    ];
    for (const one of votes.slice(0, 2)) expect(verifyVote(members, one)).toBeUndefined();
    const made = assemble(members, ballot, votes);
    expect(made.kind === "assembled" && made.certificate).toEqual(assembled(0, 1, 2));
  });

  test("a point outside the group is named, though parts are not checked one by one", () => {
    // 0xa0…: compressed, x = 2 and up until one lies on the curve; a random such point is outside the subgroup.
    const outside = Array.from({ length: 256 }, (_, x) =>
      Uint8Array.from({ length: 96 }, (_, i) => (i === 0 ? 0x80 : i === 95 ? x : 0)),
    ).find((bytes) => {
      try {
        blst.Signature.fromBytes(bytes, false);
        return true;
      } catch {
        return false;
      }
    });
    if (!outside) throw new Error("no point found");
    expect(() => blst.Signature.fromBytes(outside, true)).toThrow();
    const genuine = vote(1, ballot);
    const shifted = blst.aggregateSignatures(
      [genuine.signature, outside].map((bytes) => blst.Signature.fromBytes(bytes, false)),
    );
    const votes = [vote(0, ballot), { ...genuine, signature: shifted.toBytes() }, vote(2, ballot)];
    expect(assemble(members, ballot, votes)).toEqual({ kind: "bad", bad: [1] });
  });

  test("asking for one below the quorum, or with a member twice, is a bug of the caller", () => {
    expect(() => assembled(0, 1)).toThrow("a certificate is assembled from a quorum");
    expect(() => assembled(0, 1, 1)).toThrow("a certificate is assembled from one vote a member");
  });

  test("power counts, not heads", () => {
    const weighted = testMembers([3, 3, 1, 1, 1]);
    const of = (...signers: number[]) =>
      assemble(
        weighted.members,
        ballot,
        signers.map((seat) => weighted.vote(seat, ballot)),
      );
    expect(of(0, 1, 4).kind).toBe("assembled");
    expect(() => of(0, 2, 3, 4)).toThrow("a certificate is assembled from a quorum");
  });

  test("a late vote extends one; a bad late vote does not; a known one changes nothing", () => {
    const certificate = verifyCertificate(members, assembled(0, 1, 2));
    if (!certificate) throw new Error("it does not verify");
    const made = extend(members, certificate, [vote(3, ballot)]);
    expect(made.kind === "assembled" && made.certificate).toEqual(assembled(0, 1, 2, 3));
    const stolen = { ...vote(2, ballot), signer: seatIndex(3) };
    expect(extend(members, certificate, [stolen])).toEqual({ kind: "bad", bad: [3] });
    expect(extend(members, certificate, [vote(1, ballot)])).toEqual({ kind: "assembled", certificate });
  });

  const forgeries: readonly [string, (genuine: Certificate) => Certificate][] = [
    ["below the quorum", () => aggregated(0, 1)],
    ["a signer who did not sign", (genuine) => ({ ...genuine, signers: seats(0, 1, 2, 3) })],
    ["a signer who signed left out", () => ({ ...aggregated(0, 1, 2, 3), signers: seats(0, 1, 2) })],
    ["a signer counted twice", () => ({ ...aggregated(0, 1, 1), signers: [0, 1, 1] as SeatIndex[] })],
    ["signers out of order", (genuine) => ({ ...genuine, signers: seats(1, 0, 2) })],
    ["no signer", (genuine) => ({ ...genuine, signers: [] })],
    ["a seat outside the set", (genuine) => ({ ...genuine, signers: seats(0, 1, 9) })],
    ["another kind", (genuine) => ({ ...genuine, kind: "notarize" })],
    ["another view", (genuine) => ({ ...genuine, view: view(8) })],
    ["another block", (genuine) => ({ ...genuine, block: hashOf("another") })],
    ["a signature at infinity", (genuine) => ({ ...genuine, signature: new Uint8Array(96).fill(0xc0, 0, 1) })],
    [
      "an uncompressed signature",
      (genuine) => ({ ...genuine, signature: blst.Signature.fromBytes(genuine.signature).toBytes(false) }),
    ],
  ];
  test.each(forgeries)("refused: %s", (_, forge) => {
    expect(verifyCertificate(members, forge(assembled(0, 1, 2)))).toBeUndefined();
  });

  test("the aggregate used for a forgery is otherwise genuine", () => {
    expect(verifyCertificate(members, aggregated(0, 1, 2))).toBeDefined();
  });

  test("refused: any byte changed, added or removed", () => {
    const bytes = encodeCertificate(assembled(0, 1, 2));
    const passes = (given: Uint8Array) => {
      const read = decodeCertificate(given);
      return read.kind === "ok" && verifyCertificate(members, read.value) !== undefined;
    };
    expect(passes(bytes)).toBe(true);
    for (let i = 0; i < bytes.length; i++) {
      const changed = bytes.map((byte, j) => (i === j ? byte ^ (1 << (i % 8)) : byte));
      expect(passes(changed), `byte ${i}`).toBe(false);
    }
    expect(passes(bytes.subarray(1))).toBe(false);
    expect(passes(bytes.subarray(0, -1))).toBe(false);
    expect(passes(concat(bytes, new Uint8Array(1)))).toBe(false);
  });
});

test("a vote verifies for its signer, kind and epoch alone", () => {
  const genuine = vote(1, ballot);
  expect(verifyVote(members, genuine)).toEqual(genuine);
  expect(verifyVote(members, { ...genuine, signer: seatIndex(2) })).toBeUndefined();
  expect(verifyVote(members, { ...genuine, signer: seatIndex(4) })).toBeUndefined();
  expect(verifyVote(members, { ...genuine, kind: "notarize" })).toBeUndefined();
  const later = { ...config, epoch: 1 as typeof config.epoch };
  expect(verifyVote(memberKeys(later), genuine)).toBeUndefined();
});

test("a reveal is unique to its proposer and view, and never a vote", () => {
  const turn = { epoch: config.epoch, view: view(16), proposer: seatIndex(1) };
  const reveal = four.bls(1).signReveal(config, turn);
  expect(verifyReveal(members, turn, reveal)).toBe(true);
  expect(four.bls(1).signReveal(config, turn)).toEqual(reveal);
  expect(verifyReveal(members, { ...turn, proposer: seatIndex(0) }, reveal)).toBe(false);
  expect(verifyReveal(members, { ...turn, view: view(32) }, reveal)).toBe(false);
  const nullify = vote(1, { kind: "nullify", epoch: turn.epoch, view: turn.view, block: zeroDigest });
  expect(verifyReveal(members, turn, nullify.signature)).toBe(false);
});

test("a proof of possession is bound to both keys", () => {
  const [a, b] = [four.bls(0), four.bls(1)];
  const peer = sha256(new Uint8Array([9]));
  const proof = a.provePossession(peer);
  expect(verifyPossession(a.publicKey, peer, proof)).toBe(true);
  expect(verifyPossession(b.publicKey, peer, proof)).toBe(false);
  expect(verifyPossession(a.publicKey, sha256(peer), proof)).toBe(false);
  expect(verifyPossession(a.publicKey, peer, blst.Signature.fromBytes(proof).toBytes(false))).toBe(false);
  expect(verifyPossession(blst.PublicKey.fromBytes(a.publicKey).toBytes(false), peer, proof)).toBe(false);
  expect(verifyPossession(new Uint8Array(48), peer, proof)).toBe(false);
});

test("a set with a key that is none is not taken", () => {
  const broken = { ...config, members: config.members.map((member) => ({ ...member, blsKey: "c0".padEnd(96, "0") })) };
  expect(() => memberKeys(broken)).toThrow("is not a point of the group");
});

test("keys and signatures are those of the golden vectors", async () => {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
  const vectors = {
    entropy: "sha256 of the seat's index in one byte",
    chainId: config.chainId,
    ballot,
    blsKeys: [0, 1, 2].map((seat) => hex(four.bls(seat).publicKey)),
    votes: [0, 1, 2].map((seat) => hex(vote(seat, ballot).signature)),
    certificate: hex(encodeCertificate(assembled(0, 1, 2))),
    reveal: hex(four.bls(0).signReveal(config, ballot)),
    peerKeys: [0, 1, 2].map((seat) => hex(four.peer(seat).publicKey)),
    possession: hex(four.bls(0).provePossession(four.peer(0).publicKey)),
  };
  const file = join(import.meta.dirname, "golden", "signatures.json");
  await expect(`${JSON.stringify(vectors, null, 2)}\n`).toMatchFileSnapshot(file);
});
