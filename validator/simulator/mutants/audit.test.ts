/** The listener hears bad histories, and says what is wrong with them. */
import { describe, expect, test } from "vitest";
import type { Gossip } from "../../codec/peer.ts";
import { hashOf, testConfig } from "../../consensus/testing/cluster.ts";
import type { Block, Digest, VoteKind } from "../../consensus/types.ts";
import { epoch, height, seatIndex, view, zeroDigest } from "../../consensus/types.ts";
import { createAudit } from "./audit.ts";

const config = testConfig({ powers: [1, 1, 1, 1] });
const anchor = config.anchor.hash;

function block(at: number, parent: Digest, name = ""): Block {
  const header = {
    chainId: config.chainId,
    epoch: config.epoch,
    view: view(at),
    height: height(at),
    parentView: view(at - 1),
    parent,
    time: at,
    proposer: seatIndex(0),
    closing: false,
    rootHeight: height(0),
    root: config.anchor.root,
    bodyHash: zeroDigest,
    reveal: undefined,
  };
  return { hash: hashOf([at, parent, name]), header, body: { batches: [], governance: [], coverage: [] } };
}

const proposal = (of: Block): Gossip => ({
  kind: "proposal",
  proposal: { block: of, signature: new Uint8Array(64), finalization: undefined },
});
const vote = (signer: number, kind: VoteKind, at: number, of: Digest = zeroDigest): Gossip => ({
  kind: "vote",
  vote: { kind, epoch: epoch(0), view: view(at), block: of, signer: seatIndex(signer), signature: new Uint8Array(96) },
});

/** What the listener finds in `[from, message]` pairs; seat 3 is faulty. */
function found(...said: readonly (readonly [number, Gossip])[]): readonly string[] {
  const audit = createAudit(config);
  for (const [from, message] of said) audit.heard(seatIndex(from), from !== 3, message);
  return audit.violations.map(({ property }) => property);
}
const all = (kind: VoteKind, at: number, of: Digest, who = [0, 1, 2]) =>
  who.map((signer) => [signer, vote(signer, kind, at, of)] as const);

const [a, b] = [block(1, anchor, "a"), block(1, anchor, "b")];

describe("a member that breaks its own word", () => {
  test("two proposals of a view", () => {
    expect(found([0, proposal(a)], [0, proposal(a)])).toEqual([]);
    expect(found([0, proposal(a)], [1, proposal(b)], [0, proposal(b)])).toEqual(["one proposal a view"]);
  });

  test("two notarize votes of a view", () => {
    expect(found([1, vote(1, "notarize", 1, a.hash)], [1, vote(1, "notarize", 1, a.hash)])).toEqual([]);
    expect(found([1, vote(1, "notarize", 1, a.hash)], [1, vote(1, "notarize", 1, b.hash)])).toEqual([
      "one notarize a view",
    ]);
    expect(found([3, vote(3, "notarize", 1, a.hash)], [3, vote(3, "notarize", 1, b.hash)])).toEqual([]);
  });

  test("nullify and finalize in one view, in either order", () => {
    const [skip, seal] = [[1, vote(1, "nullify", 1)] as const, [1, vote(1, "finalize", 1, a.hash)] as const];
    expect(found(skip, seal)).toEqual(["never nullify and finalize"]);
    expect(found(seal, skip)).toEqual(["never nullify and finalize"]);
    expect(found(skip, [1, vote(1, "finalize", 2, a.hash)])).toEqual([]);
  });

  test("a vote in another's name counts for nobody", () => {
    expect(found([3, vote(1, "notarize", 1, a.hash)], [1, vote(1, "notarize", 1, b.hash)])).toEqual([]);
  });
});

describe("a swarm that disagrees", () => {
  test("a block notarized beside a final one, below its quorum not yet", () => {
    const [beside, after] = [block(2, anchor), block(2, a.hash)];
    const known = [a, beside, after].map((of) => [0, proposal(of)] as const);
    const final = all("finalize", 1, a.hash);
    const others = (of: Block) => all("notarize", 2, of.hash, [1, 2, 3]);
    const heard = (of: Block, votes: number) =>
      found(...known.slice(0, 1), [3, proposal(beside)], [3, proposal(after)], ...final, ...others(of).slice(0, votes));
    expect(heard(after, 3)).toEqual([]);
    expect(heard(beside, 2)).toEqual([]);
    expect(heard(beside, 3)).toEqual(["agreement"]);
  });

  test("two blocks committed at one height", () => {
    const audit = createAudit(config);
    audit.final(0, 1, a.hash);
    audit.final(1, 1, a.hash);
    expect(audit.violations).toEqual([]);
    audit.final(2, 1, b.hash);
    expect(audit.violations.map(({ property }) => property)).toEqual(["agreement"]);
  });
});
