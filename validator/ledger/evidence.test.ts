import { bytesToHex } from "@noble/hashes/utils.js";
import { describe, expect, test } from "vitest";
import { blockHash, sealBlock } from "../codec/block.ts";
import { signedBytes } from "../codec/certificate.ts";
import type { Ballot, Digest, Evidence, Member, Proposal, Vote } from "../consensus/types.ts";
import { digest, epoch, height, power, seatIndex, view, zeroDigest } from "../consensus/types.ts";
import { blsSigner, verifyBls, verifyPossession } from "../crypto/bls.ts";
import { ed25519Signer, verifyEd25519 } from "../crypto/ed25519.ts";
import { sha256 } from "../crypto/hash.ts";
import { encodeEvidence, evidenceTransaction, parseEvidence } from "./evidence.ts";
import { buildTransaction } from "./governance.ts";
import { disempower } from "./membership.ts";
import { type TestChain, testChain } from "./testing/chain.ts";

const seeded = (name: string) => sha256(new TextEncoder().encode(name));
const seats = Array.from({ length: 4 }, (_, i) => ({
  bls: blsSigner(seeded(`bls ${i}`)),
  peer: ed25519Signer(seeded(`peer ${i}`)),
}));
const governor = ed25519Signer(seeded("governance"));

function chainOf(powers: readonly number[] = [1, 1, 1, 1]): TestChain {
  const changes = {
    members: seats.map(({ bls, peer }, i) => ({
      id: `seat-${i}`,
      power: powers[i] ?? 1,
      region: ["eu-west", "us-east", "ap-south", "eu-north"][i] ?? "",
      blsKey: bytesToHex(bls.publicKey),
      peerKey: bytesToHex(peer.publicKey),
      proofOfPossession: bytesToHex(bls.provePossession(peer.publicKey)),
    })),
    governance: { threshold: 1, keys: [bytesToHex(governor.publicKey)] },
  };
  return testChain(changes, { crypto: { verifyEd25519, verifyBls, provesPossession: verifyPossession } });
}

const [a, b] = [digest("a".repeat(64)), digest("b".repeat(64))];

function vote(chainId: Digest, kind: Vote["kind"], block: Digest, at = 7, by = 3): Vote {
  const ballot: Ballot = { kind, epoch: epoch(0), view: view(at), block };
  const signature = seats[by]!.bls.signBallot({ chainId }, ballot);
  return { ...ballot, signer: seatIndex(by), signature };
}

const memberOf = (chain: TestChain, seat: number): Member => chain.ledger.state.set.members[seat]!;
const votes = (first: Vote, second: Vote): Evidence => ({ kind: "conflicting-votes", first, second });
const doubleVote = ({ chainId }: TestChain, by = 3) =>
  votes(vote(chainId, "notarize", a, 7, by), vote(chainId, "notarize", b, 7, by));

function proposal(chain: TestChain, time: number): Proposal {
  const header = {
    chainId: chain.chainId,
    epoch: epoch(0),
    view: view(7),
    height: height(1),
    parentView: view(0),
    parent: chain.chainId,
    time,
    proposer: seatIndex(3),
    closing: false,
    rootHeight: height(0),
    root: chain.chainId,
  };
  const block = sealBlock(header, { batches: [], governance: [], coverage: [] }, undefined);
  expect(block.hash).toBe(blockHash(block.header));
  const signature = seats[3]!.peer.sign(signedBytes("proposal", chain.chainId, { ...header, block: block.hash }));
  return { block, signature, finalization: undefined };
}

const powers = (chain: TestChain) => chain.ledger.state.set.members.map((member) => member.power);

describe("evidence in a block", () => {
  const kinds: Record<string, (chain: TestChain) => Evidence> = {
    "two notarize votes": (chain) => doubleVote(chain),
    "nullify and finalize": ({ chainId }) => votes(vote(chainId, "finalize", a), vote(chainId, "nullify", zeroDigest)),
    "two finalize votes": ({ chainId }) => votes(vote(chainId, "finalize", a), vote(chainId, "finalize", b)),
    "two proposals": (chain) => ({
      kind: "conflicting-proposals",
      first: proposal(chain, 1_767_225_600_001),
      second: proposal(chain, 1_767_225_600_002),
    }),
  };
  test.each(Object.keys(kinds))("%s take the seat's power, with the epoch", (name) => {
    const chain = chainOf();
    const evidence = evidenceTransaction(chain.chainId, memberOf(chain, 3), kinds[name]!(chain))!;
    expect(evidence.closesEpoch).toBe(false);
    expect(chain.ledger.isGoverned(evidence)).toBe(true);
    const before = chain.ledger.executed.root;
    expect(chain.execute([], { governance: [evidence] }).governance).toMatchObject([{ granted: true }]);
    expect(chain.ledger.executed.root).not.toBe(before);
    expect(powers(chain)).toEqual([1, 1, 1, 1]);
    expect(chain.ledger.state.set.offenders).toEqual(["seat-3"]);
    chain.execute([], {}, { closing: true });
    expect(powers(chain)).toEqual([1, 1, 1, 0]);
    expect(chain.ledger.epochConfig.members[3]?.power).toBe(0);
    expect(chain.ledger.state.set.offenders).toEqual([]);
  });

  test("counts once, whatever else the seat signed", () => {
    const chain = chainOf();
    const { chainId } = chain;
    const more = votes(vote(chainId, "notarize", a, 9), vote(chainId, "notarize", b, 9));
    const [one, other] = [doubleVote(chain), more].map(
      (evidence) => evidenceTransaction(chainId, memberOf(chain, 3), evidence)!,
    );
    chain.execute([], { governance: [one!] });
    const again = chain.execute([], { governance: [one!, other!] });
    expect(again.governance).toMatchObject([
      { granted: false, reason: "it was proven before" },
      { granted: false, reason: "it was proven before" },
    ]);
    // Still valid in a proposal: who has executed less cannot know.
    expect(chain.ledger.isGoverned(other!)).toBe(true);
  });

  test("of votes that go together, of another's or a bad signature, or of another chain proves nothing", () => {
    const chain = chainOf();
    const { chainId } = chain;
    const member = memberOf(chain, 3);
    const together = [
      votes(vote(chainId, "notarize", a), vote(chainId, "nullify", zeroDigest)),
      votes(vote(chainId, "notarize", a), vote(chainId, "finalize", b)),
      votes(vote(chainId, "notarize", a), vote(chainId, "notarize", a)),
      votes(vote(chainId, "notarize", a, 7), vote(chainId, "notarize", b, 8)),
    ];
    for (const evidence of together) expect(evidenceTransaction(chainId, member, evidence)).toBeUndefined();
    const other = digest("c".repeat(64));
    const wrong = [
      evidenceTransaction(chainId, memberOf(chain, 2), doubleVote(chain)),
      evidenceTransaction(chainId, member, votes(vote(chainId, "notarize", a), vote(other, "notarize", b))),
      evidenceTransaction(other, member, doubleVote({ ...chain, chainId: other })),
      evidenceTransaction(chainId, { blsKey: "ab".repeat(48) }, doubleVote(chain)),
    ];
    for (const transaction of wrong) {
      expect(chain.ledger.isGoverned(transaction!)).toBe(false);
      expect(chain.execute([], { governance: [transaction!] }).governance).toMatchObject([{ granted: false }]);
    }
    chain.execute([], {}, { closing: true });
    expect(powers(chain)).toEqual([1, 1, 1, 1]);
  });

  test("any byte changed is refused, or is evidence of nothing", () => {
    const chain = chainOf();
    const { bytes } = evidenceTransaction(chain.chainId, memberOf(chain, 3), doubleVote(chain))!;
    expect(bytes.length).toBe(368);
    for (let at = 0; at < bytes.length; at += 3) {
      const flipped = bytes.map((byte, i) => (i === at ? byte ^ (1 << (at % 8)) : byte));
      expect(chain.ledger.isGoverned({ bytes: flipped, closesEpoch: false }), `byte ${at}`).toBe(false);
    }
    expect(parseEvidence(bytes.subarray(0, 367)).kind).toBe("refused");
    expect(parseEvidence(Uint8Array.of(...bytes, 0)).kind).toBe("refused");
    const proof = parseEvidence(bytes);
    if (proof.kind === "refused") throw new Error(proof.error.reason);
    const [first, second] = proof.value.statements;
    expect(parseEvidence(encodeEvidence({ ...proof.value, statements: [second, first] })).kind).toBe("refused");
  });

  test("has these bytes", () => {
    const chain = chainOf();
    const { bytes } = evidenceTransaction(chain.chainId, memberOf(chain, 3), doubleVote(chain))!;
    expect(bytesToHex(sha256(bytes))).toMatchInlineSnapshot(
      `"99e9b77f47f066ffed2f1688c05b0e98d015a52bfc25cc47691a370dbaaf16a2"`,
    );
  });
});

describe("a seat that lost its power", () => {
  const rotated = blsSigner(seeded("bls new"));
  const peer = ed25519Signer(seeded("peer new"));

  test("gets it back by governance, under new keys, from one set to the next", () => {
    const chain = chainOf();
    chain.execute([], { governance: [evidenceTransaction(chain.chainId, memberOf(chain, 3), doubleVote(chain))!] });
    chain.execute([], {}, { closing: true });
    const members = chain.ledger.state.set.members.map((member, i) => ({
      ...member,
      zones: [...member.zones],
      power: 1,
      blsKey: i === 3 ? bytesToHex(rotated.publicKey) : member.blsKey,
      peerKey: i === 3 ? bytesToHex(peer.publicKey) : member.peerKey,
      proofOfPossession: bytesToHex(
        (i === 3 ? rotated : seats[i]!.bls).provePossession((i === 3 ? peer : seats[i]!.peer).publicKey),
      ),
    }));
    const sign = (bytes: Uint8Array) => governor.sign(bytes);
    const restore = buildTransaction(chain.chainId, 0, { kind: "set-members", members }, [{ key: 0, sign }]);
    const block = chain.execute([], { governance: [restore] }, { closing: true });
    expect(block.governance).toMatchObject([{ granted: true, reason: "" }]);
    expect(chain.ledger.epochConfig.members.map((member) => member.power)).toEqual([1, 1, 1, 1]);
  });

  test("waits for the epoch after when a change of the set moves F power already", () => {
    const chain = chainOf([3, 3, 3, 1]);
    const { set } = chain.ledger.state;
    // F is 3: the block that ends the epoch gives another seat new keys.
    const members = set.members.with(0, { ...set.members[0]!, blsKey: "ab".repeat(48) });
    const next = disempower({ ...set, members, offenders: ["seat-3"] }, set);
    expect(next.members.map((member) => member.power)).toEqual([3, 3, 3, 1].map(power));
    expect(next.offenders).toEqual(["seat-3"]);
    const after = disempower(next, next);
    expect(after.members.map((member) => member.power)).toEqual([3, 3, 3, 0]);
    expect(after.offenders).toEqual([]);
  });
});
