/** What a leader proposes, when, and who leads. */
import { describe, expect, test } from "vitest";
import { leader } from "./leader.ts";
import { paceTime } from "./propose.ts";
import { hashOf, testConfig, trust } from "./testing/cluster.ts";
import {
  block,
  casts,
  certificate,
  config,
  coverage,
  leaderOfFirst,
  member,
  others,
  propose,
  self,
  started,
} from "./testing/member.ts";
import type { Block, Effect } from "./types.ts";
import { height, seatIndex, view } from "./types.ts";

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
