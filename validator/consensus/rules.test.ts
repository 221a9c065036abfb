/** The rules one by one, on a single member whose peers the test plays. */
import { describe, expect, test } from "vitest";
import { gatherTime } from "./gathering.ts";
import { hashOf, trust } from "./testing/cluster.ts";
import {
  block,
  casts,
  certificate,
  config,
  coverage,
  leaderOfFirst,
  others,
  propose,
  say,
  self,
  started,
  vote,
} from "./testing/member.ts";
import type { Block, Effect, Input, SeatIndex } from "./types.ts";
import { height, view } from "./types.ts";

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

  test("no notarize for a batch that a final block has ordered: its bytes may go any time", () => {
    const first = block(1, { body: { batches: [batch] } });
    const second = (batches: Block["body"]["batches"]) => {
      const one = started();
      one.feed({ kind: "batch-held", batch, creator: undefined });
      one.feed(propose(first));
      for (const kind of ["notarize", "finalize"] as const)
        one.feed({ kind: "certificate-verified", certificate: trust(certificate(kind, 1, first)) });
      const parent = { height: height(2), parentView: view(1), parent: first.hash, time: 3_000 };
      return one.feed(propose(block(2, { ...parent, body: { batches } })));
    };
    expect(casts(second([]))).toEqual(["notarize 2"]);
    expect(second([batch])).toEqual([]);
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
