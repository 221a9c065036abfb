/** The rules one by one, on a single member whose peers the test plays. */
import { describe, expect, test } from "vitest";
import { gatherTime } from "./gathering.ts";
import { leader } from "./leader.ts";
import { paceTime } from "./propose.ts";
import type { State } from "./state.ts";
import { startEpoch, step } from "./step.ts";
import { hashOf, testConfig, trust } from "./testing/cluster.ts";
import type { Block, Certificate, Effect, EpochConfig, Input, Proposal, SeatIndex, Vote, VoteKind } from "./types.ts";
import { height, seatIndex, view, zeroDigest } from "./types.ts";

const config = testConfig({ powers: [1, 1, 1, 1] });
const coverage = { modeSeq: 0, degraded: [] };

/** One member fed by hand; collects what it did. */
function member(self: SeatIndex, epochConfig: EpochConfig = config) {
  let state: State = startEpoch(epochConfig, self, { height: height(0), root: epochConfig.anchor.root, coverage });
  let monotonic = 0;
  const feed = (input: Input): readonly Effect[] => {
    const result = step(state, input, { monotonic, wall: 100_000 + monotonic });
    state = result.state;
    return result.effects.filter(
      (effect) => effect.kind !== "observe" && effect.kind !== "set-timer" && effect.kind !== "clear-timer",
    );
  };
  return {
    feed,
    /** What the last input was ignored for. */
    ignored(input: Input): string | undefined {
      const result = step(state, input, { monotonic, wall: 100_000 + monotonic });
      state = result.state;
      for (const effect of result.effects)
        if (effect.kind === "observe" && effect.event.kind === "ignored") return effect.event.reason;
      return undefined;
    },
    wait(ms: number): void {
      monotonic += ms;
    },
    state: () => state,
  };
}

const leaderOfFirst = leader(config, view(1));
/** A member that does not lead view 1, so that the test plays its leader. */
const self = seatIndex((leaderOfFirst + 1) % 4);
const others = [0, 1, 2, 3].map(seatIndex).filter((seat) => seat !== self);

function block(at: number, options: Partial<Block["header"]> & { readonly body?: Partial<Block["body"]> } = {}): Block {
  const { body: content, ...fields } = options;
  const body = { batches: [], governance: [], coverage: [], ...content };
  const header = {
    chainId: config.chainId,
    epoch: config.epoch,
    view: view(at),
    height: height(1),
    parentView: view(0),
    parent: config.anchor.hash,
    time: 2_000,
    proposer: leader(config, view(at)),
    closing: false,
    rootHeight: height(0),
    root: config.anchor.root,
    bodyHash: hashOf(body),
    reveal: undefined,
    ...fields,
  };
  return { hash: hashOf(header), header, body };
}

const proposal = (of: Block): Proposal => ({ block: of, signature: new Uint8Array(64), finalization: undefined });
const propose = (of: Block): Input => ({ kind: "proposal", from: of.header.proposer, proposal: trust(proposal(of)) });
const vote = (kind: VoteKind, at: number, signer: SeatIndex, of: Block | undefined): Vote => ({
  kind,
  epoch: config.epoch,
  view: view(at),
  block: of?.hash ?? zeroDigest,
  signer,
  signature: new Uint8Array(96),
});
const say = (from: SeatIndex, what: Vote): Input => ({ kind: "vote", from, vote: what });
const certificate = (
  kind: VoteKind,
  at: number,
  of: Block | undefined,
  signers: readonly SeatIndex[] = others,
): Certificate => ({
  kind,
  epoch: config.epoch,
  view: view(at),
  block: of?.hash ?? zeroDigest,
  signers,
  signature: new Uint8Array(96),
});
const casts = (effects: readonly Effect[]) =>
  effects.filter((effect) => effect.kind === "cast").map((effect) => `${effect.ballot.kind} ${effect.ballot.view}`);
const started = (epochConfig?: EpochConfig, seat = self) => {
  const one = member(seat, epochConfig);
  one.feed({ kind: "start" });
  return one;
};

describe("rule 1: at most one notarize", () => {
  test("a second proposal of the leader is evidence, and the view is given up", () => {
    const one = started();
    expect(casts(one.feed(propose(block(1))))).toEqual(["notarize 1"]);
    const effects = one.feed(propose(block(1, { time: 2_001 })));
    expect(effects.map((effect) => effect.kind)).toEqual(["report-evidence", "cast"]);
    expect(casts(effects)).toEqual(["nullify 1"]);
  });
});

describe("rule 2: never both nullify and finalize", () => {
  test("a member that nullified does not finalize the block notarized after all", () => {
    const one = started();
    const first = block(1);
    one.feed(propose(first));
    one.wait(60_000);
    expect(casts(one.feed({ kind: "timer", timer: "view", view: view(1) }))).toEqual(["nullify 1"]);
    expect(
      casts(one.feed({ kind: "certificate-verified", certificate: trust(certificate("notarize", 1, first)) })),
    ).toEqual([]);
    expect(one.state().view).toBe(2);
  });

  test("a member that finalized has left the view: its timer means nothing any more", () => {
    const one = started();
    const first = block(1);
    one.feed(propose(first));
    expect(
      casts(one.feed({ kind: "certificate-verified", certificate: trust(certificate("notarize", 1, first)) })),
    ).toEqual(["finalize 1"]);
    one.wait(60_000);
    expect(one.ignored({ kind: "timer", timer: "view", view: view(1) })).toBe("timer-of-another-view");
  });
});

describe("rules 3 and 4: what a vote rests on", () => {
  const batch = { digest: hashOf("a batch"), payments: 1, bytes: 300, zone: "" };

  test("no notarize before the payload is held, which is fetched from the leader", () => {
    const one = started();
    const first = block(1, { body: { batches: [batch] } });
    const effects = one.feed(propose(first));
    expect(effects).toEqual([{ kind: "fetch-batches", batches: [batch], from: [leaderOfFirst] }]);
    expect(casts(one.feed({ kind: "batch-held", batch, creator: undefined }))).toEqual(["notarize 1"]);
  });

  test("no finalize before the payload is held, though a quorum notarized", () => {
    const one = started();
    const first = block(1, { body: { batches: [batch] } });
    one.feed(propose(first));
    expect(
      casts(one.feed({ kind: "certificate-verified", certificate: trust(certificate("notarize", 1, first)) })),
    ).toEqual([]);
    expect(casts(one.feed({ kind: "batch-held", batch, creator: undefined }))).toEqual(["finalize 1"]);
  });

  test("a parent below a view that is not nullified waits for the nullification", () => {
    const one = started();
    one.feed({ kind: "certificate-verified", certificate: trust(certificate("nullify", 2, undefined)) });
    expect(one.state().view).toBe(3);
    const third = block(3);
    expect(casts(one.feed(propose(third)))).toEqual([]);
    expect(
      casts(one.feed({ kind: "certificate-verified", certificate: trust(certificate("nullify", 1, undefined)) })),
    ).toEqual(["notarize 3"]);
  });

  const wrong: readonly [string, Block][] = [
    ["a height that skips one", block(1, { height: height(2) })],
    ["a time not above its parent's", block(1, { time: 1_000 })],
    ["a time beyond the clock's drift", block(1, { time: 200_000 })],
    ["another root for its parent's rootHeight", block(1, { root: hashOf("forged") })],
    ["a rootHeight above its ancestors", block(1, { rootHeight: height(5) })],
    ["closing set without reason", block(1, { closing: true })],
    [
      "closing missing on a governance change",
      block(1, { body: { governance: [{ bytes: new Uint8Array(1), closesEpoch: true }] } }),
    ],
    ["the same batch twice", block(1, { body: { batches: [batch, batch] } })],
    ["a batch under another zone than its content's", block(1, { body: { batches: [{ ...batch, zone: "EU" }] } })],
    ["a batch with another count of payments", block(1, { body: { batches: [{ ...batch, payments: 2 }] } })],
    ["another chain", block(1, { chainId: hashOf("other") })],
  ];
  test.each(wrong)("invalid: %s", (_, bad) => {
    const one = started();
    one.feed({ kind: "batch-held", batch, creator: undefined });
    const effects = one.feed(propose(bad));
    if (bad.header.chainId === config.chainId) expect(casts(effects)).toEqual(["nullify 1"]);
    else expect(effects).toEqual([]);
  });
});

describe("votes", () => {
  test("the third of four crosses the quorum, once", () => {
    const one = started();
    const first = block(1);
    one.feed(propose(first));
    const [a, b, c] = others as [SeatIndex, SeatIndex, SeatIndex];
    expect(one.feed(say(a, vote("notarize", 1, a, first)))).toEqual([]);
    expect(one.feed(say(b, vote("notarize", 1, b, first)))).toEqual([]);
    expect(one.feed(say(c, vote("notarize", 1, c, first))).map((effect) => effect.kind)).toEqual(["assemble"]);
    expect(one.feed(say(self, vote("notarize", 1, self, first)))).toEqual([]);
  });

  test("nobody fills another's slot", () => {
    const one = started();
    const [a, b] = others as [SeatIndex, SeatIndex];
    expect(one.ignored(say(a, vote("notarize", 1, b, block(1))))).toBe("vote-not-by-its-sender");
  });

  test("a bad signature found in the aggregate empties its slot, and the rest is tried again with the next vote", () => {
    const one = started();
    const first = block(1);
    const [a, b, c] = others as [SeatIndex, SeatIndex, SeatIndex];
    for (const seat of [a, b, c]) one.feed(say(seat, vote("notarize", 1, seat, first)));
    const ballot = { kind: "notarize", epoch: config.epoch, view: view(1), block: first.hash } as const;
    expect(one.feed({ kind: "assembly-refused", ballot, bad: [b] })).toEqual([]);
    const again = one.feed(say(self, vote("notarize", 1, self, first)));
    expect(again.map((effect) => effect.kind === "assemble" && effect.votes.map((v) => v.signer))).toEqual([
      [a, c, self].sort((x, y) => x - y),
    ]);
  });

  test("switching sides is evidence once both signatures are verified, and cannot buy a quorum", () => {
    const one = started();
    const [a] = others as [SeatIndex];
    const first = vote("notarize", 1, a, block(1));
    const second = vote("notarize", 1, a, block(1, { time: 2_002 }));
    one.feed(say(a, first));
    expect(one.feed(say(a, second))).toEqual([
      { kind: "verify-vote", vote: first },
      { kind: "verify-vote", vote: second },
    ]);
    expect(one.feed({ kind: "vote-verified", vote: trust(first) })).toEqual([]);
    expect(one.feed({ kind: "vote-verified", vote: trust(second) })).toEqual([
      { kind: "report-evidence", evidence: { kind: "conflicting-votes", first, second }, offender: a },
    ]);
  });

  test("a late finalize extends the finalization where it adds coverage", () => {
    const one = started();
    const first = block(1);
    one.feed(propose(first));
    one.feed({ kind: "certificate-verified", certificate: trust(certificate("finalize", 1, first)) });
    const effects = one.feed(say(self, vote("finalize", 1, self, first)));
    expect(effects.map((effect) => effect.kind)).toEqual(["extend"]);
  });
});

describe("finalize votes beyond the quorum", () => {
  const first = block(1);
  const [a, b, c] = others as [SeatIndex, SeatIndex, SeatIndex];
  /** Every region has one member, so that a finalization of three leaves one uncovered. */
  const notarized = () => {
    const one = started();
    one.feed(propose(first));
    one.feed({ kind: "certificate-verified", certificate: trust(certificate("notarize", 1, first)) });
    return one;
  };
  const finalize = (seat: SeatIndex) => say(seat, vote("finalize", 1, seat, first));
  const assembled = (effects: readonly Effect[]) =>
    effects.flatMap((effect) => (effect.kind === "assemble" ? [effect.votes.length] : []));

  test("are assembled with it when they come in time", () => {
    const one = notarized();
    for (const seat of [self, a, b]) expect(assembled(one.feed(finalize(seat)))).toEqual([]);
    one.wait(gatherTime / 2);
    expect(assembled(one.feed(finalize(c)))).toEqual([4]);
  });

  test("are not waited for longer than a moment, and not again of a member that was late", () => {
    const one = notarized();
    for (const seat of [self, a, b]) expect(assembled(one.feed(finalize(seat)))).toEqual([]);
    one.wait(gatherTime);
    expect(assembled(one.feed({ kind: "timer", timer: "gather", view: view(1) }))).toEqual([3]);
    expect(one.state().lateness.get(c)).toBe(Number.POSITIVE_INFINITY);
    one.feed({ kind: "assembled", certificate: trust(certificate("finalize", 1, first, [self, a, b])) });
    const second = block(2, { height: height(2), parentView: view(1), parent: first.hash, time: 2_001 });
    one.feed(propose(second));
    one.feed({ kind: "certificate-verified", certificate: trust(certificate("notarize", 2, second)) });
    const votes = [self, a, b].map((seat) => say(seat, vote("finalize", 2, seat, second)));
    expect(votes.flatMap((input) => assembled(one.feed(input)))).toEqual([3]);
    one.wait(1);
    one.feed(say(c, vote("finalize", 2, c, second)));
    expect(one.state().lateness.get(c)).toBe(1);
  });
});

describe("certificates collected here", () => {
  const [a, b, c] = others as [SeatIndex, SeatIndex, SeatIndex];
  const sent = (effects: readonly Effect[]) =>
    effects.flatMap((effect) =>
      effect.kind === "broadcast" && effect.message.kind === "certificate" ? [effect.message.certificate.kind] : [],
    );
  const collected = () => {
    const one = started();
    const first = block(1);
    one.feed(propose(first));
    expect(sent(one.feed({ kind: "assembled", certificate: trust(certificate("notarize", 1, first)) }))).toEqual([]);
    return { one, first };
  };
  const share: Input = { kind: "timer", timer: "share", view: view(2) };

  test("are sent a moment later while somebody may lack them", () => {
    const { one, first } = collected();
    for (const seat of [a, b]) one.feed(say(seat, vote("finalize", 1, seat, first)));
    expect(sent(one.feed(share))).toEqual(["notarize"]);
  });

  test("are not sent when everyone has shown that it holds them", () => {
    const { one, first } = collected();
    for (const seat of [a, b, c]) one.feed(say(seat, vote("finalize", 1, seat, first)));
    expect(sent(one.feed(share))).toEqual([]);
  });
});

describe("a leader that nobody reaches", () => {
  test("is skipped at once, and waited for when it is back", () => {
    const one = started();
    expect(casts(one.feed({ kind: "presence", seat: leaderOfFirst, gone: true }))).toEqual(["nullify 1"]);
    const back = started();
    back.feed({ kind: "presence", seat: seatIndex((leaderOfFirst + 2) % 4), gone: true });
    expect(casts(back.feed({ kind: "presence", seat: leaderOfFirst, gone: false }))).toEqual([]);
  });

  test("is voted for when its proposal has come", () => {
    const one = started();
    expect(casts(one.feed(propose(block(1))))).toEqual(["notarize 1"]);
    expect(casts(one.feed({ kind: "presence", seat: leaderOfFirst, gone: true }))).toEqual([]);
  });
});

describe("roots", () => {
  const first = block(1);
  const second = (root: string) =>
    block(2, {
      height: height(2),
      parentView: view(1),
      parent: first.hash,
      time: 2_001,
      rootHeight: height(1),
      root: hashOf(root),
    });
  const finalFirst = () => {
    const one = started();
    one.feed(propose(first));
    one.feed({ kind: "certificate-verified", certificate: trust(certificate("finalize", 1, first)) });
    one.feed({ kind: "executed", height: height(1), root: hashOf("mine"), coverage });
    return one;
  };

  test("a mere proposal with another root is nullified, no more", () => {
    const one = finalFirst();
    expect(one.feed(propose(second("theirs"))).map((effect) => effect.kind)).toEqual(["cast"]);
    expect(one.state().quarantined).toBe(false);
  });

  test("a notarization of another root quarantines this member: it signs nothing any more", () => {
    const one = finalFirst();
    const forked = second("theirs");
    one.feed(propose(forked));
    const effects = one.feed({ kind: "certificate-verified", certificate: trust(certificate("notarize", 2, forked)) });
    expect(effects.map((effect) => effect.kind)).toContain("quarantine");
    one.wait(100_000);
    expect(casts(one.feed({ kind: "timer", timer: "view", view: view(3) }))).toEqual([]);
  });

  test("a proposal that names a root not executed here yet waits for execution", () => {
    const one = started();
    one.feed(propose(first));
    one.feed({ kind: "certificate-verified", certificate: trust(certificate("finalize", 1, first)) });
    expect(casts(one.feed(propose(second("mine"))))).toEqual([]);
    expect(casts(one.feed({ kind: "executed", height: height(1), root: hashOf("mine"), coverage }))).toEqual([
      "notarize 2",
    ]);
  });
});

describe("disk", () => {
  test("nothing is signed while the disk is ill, and what was due is signed when it is well again", () => {
    const one = started();
    one.feed({ kind: "disk", healthy: false });
    expect(casts(one.feed(propose(block(1))))).toEqual([]);
    expect(casts(one.feed({ kind: "disk", healthy: true }))).toEqual(["notarize 1"]);
  });
});

describe("a leader's block", () => {
  test("takes as much governance as its size limit bears, and leaves the rest for the next", () => {
    const one = member(leaderOfFirst);
    one.feed({ kind: "start" });
    const large = (n: number) => ({ bytes: new Uint8Array(60_000).fill(n), closesEpoch: false });
    const batch = { digest: hashOf("a batch"), payments: 1, bytes: 300, zone: "" };
    const proposals = [1, 2, 3].flatMap((n) => one.feed({ kind: "governance", transaction: large(n) }));
    expect(proposals.filter((effect) => effect.kind === "propose")).toHaveLength(1);
    const alone = member(leaderOfFirst);
    for (const n of [1, 2, 3]) alone.feed({ kind: "governance", transaction: large(n) });
    alone.feed({ kind: "batch-held", batch, creator: undefined });
    const [proposed] = alone.feed({ kind: "start" }).filter((effect) => effect.kind === "propose");
    expect(proposed?.kind === "propose" && proposed.body.governance.map(({ bytes }) => bytes[0])).toEqual([1, 2]);
  });

  test("waits a moment for its parent to be final when the payload is small, and not when it is large", () => {
    const leads = leader(config, view(2));
    const parent = block(1);
    const afterNotarization = (bytes: number) => {
      const one = started(config, leads);
      one.feed(propose(parent));
      one.feed({ kind: "certificate-verified", certificate: trust(certificate("notarize", 1, parent)) });
      const batch = { digest: hashOf("a batch"), payments: 1, bytes, zone: "" };
      return { one, effects: one.feed({ kind: "batch-held", batch, creator: seatIndex((leads + 1) % 4) }) };
    };
    const proposals = (effects: readonly Effect[]) => effects.filter((effect) => effect.kind === "propose").length;
    expect(proposals(afterNotarization(1_000_000).effects)).toBe(1);
    const final = afterNotarization(300);
    expect(proposals(final.effects)).toBe(0);
    const finalization = trust(certificate("finalize", 1, parent));
    expect(proposals(final.one.feed({ kind: "certificate-verified", certificate: finalization }))).toBe(1);
    const late = afterNotarization(300);
    late.one.wait(paceTime);
    expect(proposals(late.one.feed({ kind: "timer", timer: "idle", view: view(2) }))).toBe(1);
  });

  test("names the root of a checkpoint on the way rather than the newest", () => {
    const often = { ...config, parameters: { ...config.parameters, checkpointInterval: 2 } };
    const one = started(often);
    const chain = [block(1)];
    for (let v = 2; v <= 4; v++) {
      const parent = chain.at(-1) as Block;
      chain.push(block(v, { height: height(v), parentView: view(v - 1), parent: parent.hash, time: 2_000 + v }));
    }
    for (const next of chain) {
      one.feed(propose(next));
      one.feed({ kind: "certificate-verified", certificate: trust(certificate("finalize", next.header.view, next)) });
    }
    for (let h = 1; h <= 3; h++) one.feed({ kind: "executed", height: height(h), root: hashOf(h), coverage });
    let at = 5;
    while (leader(config, view(at)) !== self) {
      one.feed({ kind: "certificate-verified", certificate: trust(certificate("nullify", at, undefined)) });
      at += 1;
    }
    const effects = one.feed({
      kind: "batch-held",
      batch: { digest: hashOf("b"), payments: 1, bytes: 1, zone: "" },
      creator: others[0],
    });
    const proposed = effects.find((effect) => effect.kind === "propose");
    expect(proposed?.kind === "propose" && proposed.header.rootHeight).toBe(2);
  });
});

describe("leaders", () => {
  test("are drawn in proportion to power", () => {
    const weighted = testConfig({ powers: [4, 3, 2, 1] });
    const turns = [0, 0, 0, 0];
    for (let v = 1; v <= 20_000; v++) {
      const seat = leader(weighted, view(v));
      turns[seat] = (turns[seat] ?? 0) + 1;
    }
    for (const [seat, share] of [0.4, 0.3, 0.2, 0.1].entries())
      expect((turns[seat] ?? 0) / 20_000).toBeCloseTo(share, 1);
  });
});

describe("epochs", () => {
  test("the block that carries a membership transaction closes the epoch; only empty carriers follow", () => {
    const one = started();
    const closing = block(1, {
      closing: true,
      body: { governance: [{ bytes: new Uint8Array([1]), closesEpoch: true }] },
    });
    expect(casts(one.feed(propose(closing)))).toEqual(["notarize 1"]);
    one.feed({ kind: "certificate-verified", certificate: trust(certificate("notarize", 1, closing)) });
    const after = { parentView: view(1), parent: closing.hash, time: 2_001 };
    const payment = { digest: hashOf("late"), payments: 1, bytes: 300, zone: "" };
    const full = block(2, { ...after, closing: true, body: { batches: [payment] } });
    expect(casts(one.feed(propose(full)))).toEqual(["nullify 2"]);
    one.feed({ kind: "certificate-verified", certificate: trust(certificate("nullify", 2, undefined)) });
    const carrier = block(3, { ...after, closing: true });
    expect(casts(one.feed(propose(carrier)))).toEqual(["notarize 3"]);
    const effects = one.feed({ kind: "certificate-verified", certificate: trust(certificate("finalize", 3, carrier)) });
    const commits = effects.filter((effect) => effect.kind === "commit").map((effect) => effect.block.hash);
    expect(commits).toEqual([closing.hash]);
    expect(one.state().finalized.closed).toBe(true);
  });

  test("the last height of an epoch closes it", () => {
    const short = { ...config, parameters: { ...config.parameters, epochBlocks: 1 } };
    expect(casts(started(short).feed(propose(block(1, { closing: true }))))).toEqual(["notarize 1"]);
    expect(casts(started(short).feed(propose(block(1))))).toEqual(["nullify 1"]);
  });
});
