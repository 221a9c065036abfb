/** The layout, and requests that cannot be. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Desired, splitPower } from "./desired.ts";
import { specOf } from "./exploration/scenes.ts";
import { faultPower, lapse, regionPowers, solve } from "./placement.ts";
import type { Node } from "./snapshot.ts";

const node = (name: string, region: string, zone: string, change: Partial<Node> = {}): Node => ({
  name,
  region,
  zone,
  reachable: true,
  unreachableSince: undefined,
  cordoned: false,
  ...change,
});

function seats(desired: Desired, nodes?: readonly Node[]) {
  const layout = solve(desired, nodes);
  if (layout.kind === "refused") throw new Error(layout.message);
  return layout.seats;
}
const message = (desired: Desired, nodes?: readonly Node[]) => solve(desired, nodes).message;

describe("a region's power is its weight", () => {
  test("a second seat splits it", () => {
    expect(seats(specOf([12, 12, 12, 12], 5)).map(({ id, power }) => `${id} ${power}`)).toEqual([
      "s-r0-0 6",
      "s-r0-1 6",
      "s-r1-0 12",
      "s-r2-0 12",
      "s-r3-0 12",
    ]);
  });

  test("whatever the number of seats", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 9, max: 99 }), { minLength: 1, maxLength: 6 }),
        fc.nat(20),
        (weights, more) => {
          const desired = specOf(weights, weights.length + more, { surviveRegionLoss: false });
          const layout = solve(desired, undefined);
          if (layout.kind === "refused") return layout.reason === "WeightTooSmall";
          const held = regionPowers(layout.seats).map(([, power]) => power);
          return JSON.stringify(held) === JSON.stringify(weights) && layout.seats.every(({ power }) => power > 0);
        },
      ),
    );
  });

  test("shares differ by at most one", () => {
    expect(splitPower(11, 4)).toEqual([3, 3, 3, 2]);
  });
});

describe("seats of a region are spread", () => {
  const nodes = [node("n1", "r0", "a"), node("n2", "r0", "a"), node("n3", "r0", "b"), node("n4", "r1", "c")];

  test("over its zones, then over their nodes", () => {
    const places = seats(specOf([6, 6], 6, { surviveRegionLoss: false }), nodes).map(({ place }) => place);
    expect(places.slice(0, 3)).toEqual([
      { region: "r0", zone: "a", node: "n1" },
      { region: "r0", zone: "b", node: "n3" },
      { region: "r0", zone: "a", node: "n2" },
    ]);
  });

  test("not to nodes that are cordoned or do not answer, while there are others", () => {
    const tired = [
      node("n1", "r0", "a", { cordoned: true }),
      node("n2", "r0", "b", { reachable: false }),
      node("n3", "r0", "c"),
    ];
    expect(seats(specOf([6], 2, { surviveRegionLoss: false }), tired).map(({ place }) => place.node)).toEqual([
      "n3",
      "n3",
    ]);
  });
});

describe("what cannot be is refused with numbers and the nearest request", () => {
  test("three equal regions cannot lose one", () => {
    expect(message(specOf([3, 3, 3], 3))).toBe(
      "3 equal regions of 3 hold 3 > F = 2 each: losing one would stop the swarm. Use four regions of equal weight, or set placement.surviveRegionLoss to false.",
    );
    expect(solve(specOf([3, 3, 3], 3, { faultModel: "Crash" }), undefined).kind).toBe("placed");
  });

  test("one heavy region, and how much it may hold", () => {
    expect(message(specOf([24, 12, 12, 12, 12], 5))).toBe(
      "r0 holds 24 > F = 23: losing one would stop the swarm. Lower the weight of r0 to at most 23, or set placement.surviveRegionLoss to false.",
    );
    expect(solve(specOf([23, 12, 12, 12, 12], 5), undefined).kind).toBe("placed");
  });

  test("the offered weight is right, and one more is not", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 4, maxLength: 7 }),
        fc.boolean(),
        (weights, crash) => {
          const faultModel = crash ? ("Crash" as const) : ("Byzantine" as const);
          const spec = (all: readonly number[]) => specOf(all, all.length, { faultModel });
          const offer = message(spec(weights)).match(/weight of r(\d+) to at most (\d+)/);
          if (!offer) return;
          const [at, most] = [Number(offer[1]), Number(offer[2])];
          expect(solve(spec(weights.with(at, most)), undefined).kind).toBe("placed");
          expect(solve(spec(weights.with(at, most + 1)), undefined).kind).toBe("refused");
        },
      ),
    );
  });

  test("members run elsewhere count", () => {
    const elsewhere = {
      id: "bank-1",
      power: 3,
      region: "elsewhere",
      zones: [],
      blsKey: "b",
      peerKey: "p",
      proofOfPossession: "x",
    };
    expect(solve(specOf([3, 3, 3], 3, { members: [elsewhere] }), undefined).kind).toBe("placed");
    expect(message(specOf([3, 3, 3], 3, { members: [{ ...elsewhere, power: 9 }] }))).toContain(
      "elsewhere holds 9 > F = 5",
    );
  });

  test("fewer seats than regions, more seats than power", () => {
    expect(message(specOf([1, 1, 1, 1], 3))).toBe(
      "3 seats cannot fill 4 regions. Set replicas to at least 4, or name 3 regions.",
    );
    expect(message(specOf([1, 1, 1, 1], 5))).toBe(
      "Region r0 has weight 1 for 2 seats: one would hold nothing. Multiply every weight by 2, or ask for at most 4 replicas.",
    );
  });

  test("regions without nodes", () => {
    expect(message(specOf([2, 2], 2, { surviveRegionLoss: false }), [node("n1", "r0", "a")])).toContain(
      "No node is in region r1",
    );
  });

  test("seats of a region may share its only node: it weighs no more than its region", () => {
    const four = [0, 1, 2, 3].map((i) => node(`n${i}`, `r${i}`, "a"));
    expect(solve(specOf([2, 2, 2, 2], 8), four).kind).toBe("placed");
  });
});

describe("a guarantee that would lapse", () => {
  const members = (...powers: number[]) => powers.map((power, i) => ({ id: `m${i}`, power, region: `r${i}` }));
  const desired = specOf([2, 2, 2, 2], 4, { requiredRegions: { r0: 2 } });

  test.each([
    [[2, 2, 2, 2], [2, 2, 2, 3], "m3 would hold 3 > F = 2: no seat of its weight could be replaced"],
    [[2, 2, 2, 2], [1, 2, 2, 2], "region r0 would hold 1 of the 2 power that settlement requires of it"],
    [[2, 2, 2, 2], [2, 2, 2, 2], undefined],
    // What does not hold now cannot lapse.
    [[2, 2, 2], [2, 2, 3], undefined],
  ])("%j to %j", (from, to, sentence) => {
    expect(
      lapse(
        members(...from),
        members(...to),
        from.length === 4 && to[0] === 1 ? { ...desired, surviveRegionLoss: false, faultModel: "Crash" } : desired,
      ),
    ).toBe(sentence);
  });

  test("F follows the fault model", () => {
    expect([faultPower(members(1, 1, 1, 1), "Byzantine"), faultPower(members(1, 1, 1), "Crash")]).toEqual([1, 1]);
  });
});
