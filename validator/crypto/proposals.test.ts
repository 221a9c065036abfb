import { describe, expect, test } from "vitest";
import { sealBlock } from "../codec/block.ts";
import { regionDigest } from "../consensus/coverage.ts";
import type { Ballot, Body, Certificate, CoverageChange, Header, Proposal } from "../consensus/types.ts";
import { epoch, height, seatIndex, view } from "../consensus/types.ts";
import { assemble } from "./bls.ts";
import { signProposal, verifyProposal } from "./proposals.ts";
import { testMembers } from "./testing/members.ts";

const set = testMembers([1, 1, 1, 1], { revealInterval: 4 });
const { config, members } = set;
const emptyBody: Body = { batches: [], governance: [], coverage: [] };
const leader = seatIndex(2);

function header(change: Partial<Header> = {}): Omit<Header, "bodyHash" | "reveal"> {
  return {
    chainId: config.chainId,
    epoch: config.epoch,
    view: view(5),
    height: height(1),
    parentView: view(0),
    parent: config.anchor.hash,
    time: 2_000,
    proposer: leader,
    closing: false,
    rootHeight: config.anchor.rootHeight,
    root: config.anchor.root,
    ...change,
  };
}

interface Draft {
  readonly header?: Partial<Header>;
  readonly body?: Partial<Body>;
  readonly reveal?: Uint8Array;
  readonly signer?: number;
}

function proposal({ header: change, body, reveal, signer = leader }: Draft = {}): Proposal {
  const block = sealBlock(header(change), { ...emptyBody, ...body }, reveal);
  return signProposal(set.peer(signer), config, { block, finalization: undefined });
}

function check(given: Proposal, governed = (): boolean => true): string {
  const result = verifyProposal(members, given, governed);
  return result.kind === "verified" ? "verified" : `${result.kind}: ${result.reason}`;
}

function certified(kind: "suspect" | "sight", region: string): Certificate {
  const ballot: Ballot = { kind, epoch: config.epoch, view: view(0), block: regionDigest(region) };
  const made = assemble(
    members,
    ballot,
    [0, 1, 3].map((seat) => set.vote(seat, ballot)),
  );
  if (made.kind === "bad") throw new Error("the votes are bad");
  return made.certificate;
}

const change = (fields: Partial<CoverageChange> = {}): CoverageChange => ({
  kind: "degrade-region",
  region: "region-2",
  certificate: certified("suspect", "region-2"),
  ...fields,
});

test("a leader's proposal is verified as it is", () => {
  const given = proposal();
  expect(verifyProposal(members, given, () => true)).toEqual({ kind: "verified", proposal: given });
});

describe("forged: nothing is held against the leader it names", () => {
  test("signed by another member", () => {
    expect(check(proposal({ signer: 1 }))).toBe("forged: the signature is not its proposer's");
  });
  test("a proposer outside the set, another epoch", () => {
    expect(check(proposal({ header: { proposer: seatIndex(4) } }))).toBe("forged: its proposer is not in the set");
    expect(check(proposal({ header: { epoch: epoch(1) } }))).toBe("forged: its proposer is not in the set");
  });
  test("another block under the signature", () => {
    const { signature } = proposal();
    expect(check({ ...proposal({ header: { time: 2_001 } }), signature })).toBe(
      "forged: the signature is not its proposer's",
    );
  });
});

describe("reveals", () => {
  const due = { header: { view: view(8) } };
  const reveal = set.bls(leader).signReveal(config, { epoch: config.epoch, view: view(8) });
  test("due in every fourth view", () => {
    expect(check(proposal({ ...due, reveal }))).toBe("verified");
    expect(check(proposal(due))).toBe("invalid: a reveal is missing or not due");
    expect(check(proposal({ reveal }))).toBe("invalid: a reveal is missing or not due");
  });
  test("the proposer's own, of this view", () => {
    const others = set.bls(1).signReveal(config, { epoch: config.epoch, view: view(8) });
    const earlier = set.bls(leader).signReveal(config, { epoch: config.epoch, view: view(4) });
    for (const wrong of [others, earlier, new Uint8Array(96)])
      expect(check(proposal({ ...due, reveal: wrong }))).toBe("invalid: the reveal is not its proposer's");
  });
});

describe("coverage changes", () => {
  const bearing = (one: CoverageChange) => check(proposal({ body: { coverage: [one] } }));
  test("need a quorum that says just that", () => {
    expect(bearing(change())).toBe("verified");
    expect(bearing(change({ kind: "restore-region", certificate: certified("sight", "region-2") }))).toBe("verified");
  });
  test.each<[string, CoverageChange]>([
    ["of another region", change({ region: "region-1" })],
    ["of another kind", change({ kind: "restore-region" })],
    ["sighted, not suspected", change({ certificate: certified("sight", "region-2") })],
    ["replayed for another mode", change({ certificate: { ...certified("suspect", "region-2"), view: view(1) } })],
    ["below the quorum", change({ certificate: { ...certified("suspect", "region-2"), signers: [seatIndex(0)] } })],
  ])("refused: %s", (_, one) => expect(bearing(one)).toBe("invalid: a coverage change without its quorum"));
});

test("every governance transaction is asked about", () => {
  const transactions = [1, 2].map((i) => ({ bytes: Uint8Array.of(i), closesEpoch: false }));
  const given = proposal({ body: { governance: transactions } });
  const asked: number[] = [];
  const result = verifyProposal(members, given, ({ bytes }) => {
    asked.push(bytes[0] ?? 0);
    return true;
  });
  expect([result.kind, asked]).toEqual(["verified", [1, 2]]);
  expect(check(given, () => false)).toBe("invalid: a governance transaction without its signatures");
});
