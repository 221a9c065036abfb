/** Stories of a trial: who is chosen, what is waited for, how it ends. */
import { describe, expect, test } from "vitest";
import type { SeatWindow } from "../analysis/window.ts";
import { nextTrial } from "./canary.ts";
import type { Desired, DesiredCanary } from "./desired.ts";
import { progress } from "./exploration/events.ts";
import { observe } from "./exploration/observe.ts";
import { perFirst, planFor } from "./exploration/operator.ts";
import { running, specOf } from "./exploration/scenes.ts";
import { copy, edit, now, type Scene, type World } from "./exploration/world.ts";
import { gather } from "./facts.ts";
import { type Plan, plan } from "./plan.ts";
import type { CanaryTrial, Snapshot } from "./snapshot.ts";

const minute = 60_000;
const canary: DesiredCanary = {
  trial: "one",
  terms: "ten minutes",
  seats: 1,
  revision: "watched",
  promotedRevision: "promoted",
  duration: 10 * minute,
  analysis: [{ metric: "ViewTimeouts", maxIncreasePercent: 10, minSamples: 300 }],
};
const four = specOf([2, 2, 2, 2], 4);
const sceneOf = (...specs: readonly Desired[]): Scene => ({
  name: "trial",
  specs,
  nodes: 2,
  deletes: false,
  namespaced: false,
});
const scene = sceneOf(four, { ...four, canary });

/** The spec with a canary, as far as a number of rounds of operator and world bring it. */
function after(rounds: number, of = scene, spec = 1): World {
  let world = copy(running(of));
  world.spec = spec;
  for (let i = 0; i < rounds; i += 1) {
    const planned = planFor(world, of);
    world = perFirst(world, planned, planned.actions.length, of, true).next;
    world = progress(world, of)[0]?.next ?? world;
  }
  return world;
}
/** All of it that happens without a sample. */
const watching = after(12);

const trialIn = ({ status }: Plan): CanaryTrial | undefined => status.memory.canary;
const health = ({ status }: Plan) => status.conditions.find(({ type }) => type === "RolloutHealthy");
const waits = ({ decisions }: Plan) =>
  decisions.flatMap((each) => (each.kind === "wait" && each.topic === "Canary" ? [each] : []));

/** What a plan makes of windows of half a minute that ended now, `minutes` after it began to watch. */
function judged(minutes: number, events: (seat: string) => number | undefined, of = scene): Plan {
  const began = now - minutes * minute;
  const seats = [0, 1, 2, 3].flatMap((r): readonly SeatWindow[] => {
    const count = events(`s-r${r}-0`);
    return count === undefined ? [] : [{ seat: `s-r${r}-0`, timeouts: { trials: 500, events: count } }];
  });
  const windows = Array.from({ length: 2 * minutes }, (_, i) => ({
    from: began + i * 30_000,
    to: began + (i + 1) * 30_000,
    seats,
  }));
  const snapshot = observe(watching, of);
  const { memory } = snapshot;
  if (!memory?.canary) throw new Error("it has not begun");
  const aged: Snapshot = {
    ...snapshot,
    memory: { ...memory, canary: { ...memory.canary, chosenAt: began, since: began } },
    analysis: { windows, problem: "" },
  };
  const spec = of.specs[1];
  if (!spec) throw new Error("there are two specs");
  return plan(spec, aged, now);
}

describe("who is chosen", () => {
  const chosen = (desired: Desired, first = four) => {
    const of = sceneOf(first, desired);
    const world = copy(running(of));
    world.spec = 1;
    return planFor(world, of);
  };

  test("stands in the status before anybody is restarted", () => {
    const planned = chosen({ ...four, canary });
    expect(trialIn(planned)).toMatchObject({ trial: "one", seats: ["s-r0-0"], since: undefined });
    expect(planned.actions).toEqual([]);
    const [next] = planFor(after(1), scene).actions;
    expect(next).toMatchObject({ kind: "take-permit", reason: "CanaryStarts", claim: { seats: ["s-r0-0"], power: 2 } });
  });

  test("different regions first, the lightest seats first", () => {
    const first = specOf([4, 4, 4, 2, 6], 7, { surviveRegionLoss: false });
    const seats = trialIn(chosen({ ...first, canary: { ...canary, seats: 3 } }, first))?.seats;
    expect(seats).toEqual(["s-r0-0", "s-r1-0", "s-r3-0"]);
  });

  test("never more than F power: it says so, and nobody has the overrides", () => {
    const planned = chosen({ ...four, canary: { ...canary, seats: 2 } });
    expect(trialIn(planned)).toBeUndefined();
    expect(waits(planned)).toMatchObject([{ reason: "CanaryHasNoRoom" }]);
    expect(waits(planned)[0]?.message).toContain(
      "1 of 2 canary seats can be chosen: together they may hold F = 2 power",
    );
  });

  test("never a required region's only seat, unless settlement may pause", () => {
    const strict = { ...four, requiredRegions: { r0: 1, r1: 1 }, allowSettlementPause: false };
    expect(trialIn(chosen({ ...strict, canary }, strict))?.seats).toEqual(["s-r2-0"]);
    expect(trialIn(chosen({ ...strict, canary, allowSettlementPause: true }, strict))?.seats).toEqual(["s-r0-0"]);
  });

  test("nobody while something else is under way", () => {
    const of = sceneOf(four, { ...four, canary });
    const world = copy(running(of));
    world.spec = 1;
    for (const pod of edit(world, 3).pods) pod.healthy = false;
    const planned = planFor(world, of);
    expect(trialIn(planned)).toBeUndefined();
    expect(waits(planned)[0]?.message).toBe(
      "The canary begins when every seat votes with the spec's revision: s-r3-0 does not yet.",
    );
  });

  test("nobody when the spec says the same anyway", () => {
    const planned = chosen({ ...four, canary: { ...canary, promotedRevision: four.podRevision } });
    expect([trialIn(planned), waits(planned), planned.actions]).toEqual([undefined, [], []]);
    expect(planned.status.canary?.message).toBe("The spec says the same as the overrides.");
  });
});

describe("watching", () => {
  test("begins when the seat votes with the overrides, and asks for samples from then on", () => {
    expect(watching.memory?.canary?.since).toBe(now);
    expect(watching.regions[0]?.pods.map(({ revision }) => revision)).toEqual(["watched"]);
    const planned = planFor(watching, scene);
    expect(planned.watch).toEqual({ every: 20_000 });
    expect(planned.actions).toEqual([]);
    expect(health(planned)).toMatchObject({ status: "True", reason: "CanaryWatched" });
  });

  test("the first minute is not compared, and no window twice", () => {
    const planned = judged(5, () => 0);
    expect(trialIn(planned)?.tallies[0]?.moments.count).toBe(8);
    const facts = gather({ ...four, canary }, { ...observe(watching, scene), memory: planned.status.memory }, now);
    expect(nextTrial(facts)).toEqual(trialIn(planned));
  });

  test("good figures are no verdict before the time is over", () => {
    expect(trialIn(judged(5, () => 0))?.outcome).toBeUndefined();
    expect(trialIn(judged(10, () => 0))?.outcome?.kind).toBe("Promote");
  });

  test("bad ones are, at once, with the numbers", () => {
    const planned = judged(6, (seat) => (seat === "s-r0-0" ? 200 : 5));
    expect(trialIn(planned)?.outcome).toMatchObject({ kind: "Abort", at: now });
    expect(trialIn(planned)?.outcome?.message).toMatch(
      /^ViewTimeouts: 40\.00 % against 1\.00 % \(n = 5000 and 15000 in 10 windows\), worse than \+10 % and 1 point: t = /,
    );
  });

  test.each<[string, (seat: string) => number | undefined]>([
    ["no samples", () => undefined],
    ["no samples of the canary", (seat) => (seat === "s-r0-0" ? undefined : 0)],
    ["no samples of the others", (seat) => (seat === "s-r0-0" ? 0 : undefined)],
  ])("%s: inconclusive in the end, never a success", (_, events) => {
    expect(trialIn(judged(10, events))?.outcome?.kind).toBe("Inconclusive");
  });

  test("a seat that stops voting ends it", () => {
    const world = copy(watching);
    const region = edit(world, 0);
    region.pods = [];
    region.processes = [];
    expect(trialIn(planFor(world, scene))?.outcome).toMatchObject({
      kind: "Inconclusive",
      message: "s-r0-0 stopped voting while it ran with the overrides.",
    });
  });

  test("a pause, and a swarm whose reports are missing, leave it as it is", () => {
    const paused = sceneOf(four, { ...four, canary, paused: true });
    expect(trialIn(judged(10, () => 0, paused))?.outcome).toBeUndefined();
    const blind = { ...observe(watching, scene), reports: [] };
    expect(trialIn(plan({ ...four, canary }, blind, now + 60 * minute))).toEqual(watching.memory?.canary);
  });
});

describe("how it ends", () => {
  /** The world once a trial has ended so. */
  const ended = (kind: "Promote" | "Abort" | "Inconclusive", spec: Desired = { ...four, canary }) => {
    const world = copy(watching);
    const trial = world.memory?.canary;
    if (!world.memory || !trial) throw new Error("it has not begun");
    world.memory = { ...world.memory, canary: { ...trial, outcome: { kind, message: "Because.", at: now } } };
    return planFor(world, sceneOf(four, spec));
  };
  const claimed = ({ actions }: Plan) =>
    actions.map((action) => (action.kind === "take-permit" ? [action.reason, action.claim.seats] : action.kind));

  test("promoted: everybody gets the overrides under the budget, also who tried them, without closer logs", () => {
    const planned = ended("Promote");
    expect(claimed(planned)).toEqual([["CanaryPromoted", ["s-r0-0"]]]);
    expect(planned.decisions.filter(({ kind }) => kind === "claim")).toHaveLength(4);
    expect(planned.status.canary).toMatchObject({ stage: "Promoted", message: "Because." });
  });

  test.each(["Abort", "Inconclusive"] as const)("%s: the seat alone goes back, and is not asked again", (kind) => {
    const planned = ended(kind);
    expect(claimed(planned)).toEqual([[kind === "Abort" ? "CanaryAborted" : "CanaryInconclusive", ["s-r0-0"]]]);
    expect(health(planned)).toMatchObject({
      status: "False",
      message: "Because. It is not tried again until the spec changes.",
    });
    expect(planned.watch).toBeUndefined();
  });

  test("what failed is tried again under other terms, what was promoted stays", () => {
    const other = { ...four, canary: { ...canary, terms: "an hour" } };
    for (const kind of ["Abort", "Inconclusive"] as const) {
      const planned = ended(kind, other);
      expect([trialIn(planned), claimed(planned)]).toEqual([undefined, [["RevisionOutdated", ["s-r0-0"]]]]);
    }
    expect(trialIn(ended("Promote", other))?.outcome?.kind).toBe("Promote");
  });

  test("other terms hold at once for a trial under way, and what was measured under the old ones is dropped", () => {
    const spec = { ...four, canary: { ...canary, terms: "an hour", duration: 60 * minute } };
    const planned = judged(10, () => 0, sceneOf(four, spec));
    expect(trialIn(planned)).toMatchObject({ terms: "an hour", outcome: undefined, seats: ["s-r0-0"] });
    expect(trialIn(judged(10, () => 0))?.outcome?.kind).toBe("Promote");
  });

  test("another spec supersedes it: what is left of it goes, then the next one begins", () => {
    const other = { ...canary, trial: "two", revision: "watched too" };
    const planned = ended("Promote", { ...four, podRevision: "c", canary: other });
    expect(trialIn(planned)).toBeUndefined();
    expect(planned.decisions.filter(({ kind }) => kind === "claim")).toHaveLength(4);
    expect(waits(planned)[0]?.reason).toBe("CanaryWaits");
  });

  test("what is written into the spec after it was promoted restarts nobody", () => {
    const world = copy(watching);
    for (const r of [0, 1, 2, 3]) for (const pod of edit(world, r).pods) pod.revision = "promoted";
    const planned = planFor(world, sceneOf(four, { ...four, podRevision: "promoted" }));
    expect([planned.actions, trialIn(planned), planned.status.canary]).toEqual([[], undefined, undefined]);
  });
});
