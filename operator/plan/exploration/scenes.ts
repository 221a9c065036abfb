/** The swarms that are explored. */
import type { Desired } from "../desired.ts";
import { progress } from "./events.ts";
import { perFirst, planFor, sameMemory } from "./operator.ts";
import { emptyWorld, keysFor, type Scene, tick, type World } from "./world.ts";

/** A spec over regions `r0`, `r1`, … of these weights. */
export function specOf(weights: readonly number[], replicas: number, change: Partial<Desired> = {}): Desired {
  return {
    name: "s",
    faultModel: "Byzantine",
    replicas,
    regions: weights.map((weight, i) => ({ name: `r${i}`, weight, zones: [] })),
    surviveRegionLoss: true,
    members: [],
    parameters: { epochBlocks: 100 },
    requiredRegions: {},
    podRevision: "a",
    allowSettlementPause: true,
    retainPolicy: "Delete",
    paused: false,
    hibernate: false,
    replaced: [],
    identityTimeout: 300_000,
    ...change,
  };
}

const equal = (regions: number, weight: number) => Array.from({ length: regions }, () => weight);

/** Scenes by name: `seats` from 4 to 7, equal and unequal powers. */
export function scenesOf(seats: number): readonly Scene[] {
  const weights = equal(4, 2);
  const base = specOf(weights, seats);
  const scene = (name: string, specs: readonly Desired[], more: Partial<Scene> = {}): Scene => ({
    name,
    specs,
    nodes: 2,
    deletes: false,
    namespaced: false,
    ...more,
  });
  const bank = { id: "bank-1", power: 2, region: "bank", zones: [], ...keysFor("key bank-1") };
  const three = specOf(equal(3, 2), seats - 1, { members: [bank] });
  // Its first region has two seats or more, and settlement waits for one of them.
  const covered = { ...base, requiredRegions: { r0: 1 }, allowSettlementPause: false };
  const trial = (name: string, podRevision: string, tried: number, duration = tick) => ({
    ...base,
    podRevision,
    canary: {
      trial: name,
      terms: "",
      seats: tried,
      revision: `${podRevision} watched`,
      promotedRevision: "b",
      duration,
      analysis: [{ metric: "ViewTimeouts" as const, maxIncreasePercent: 10, minSamples: 300 }],
    },
  });
  return [
    scene("repair", [base]),
    scene("replacement", [
      base,
      { ...base, replaced: ["s-r0-0-g1", "s-r1-0-g1"] },
      { ...base, replaced: ["s-r1-0-g1"] },
    ]),
    scene("rollout", [base, { ...base, podRevision: "b" }]),
    scene("scale", [base, { ...base, replicas: seats + 1 }]),
    scene("parameters and sleep", [base, { ...base, parameters: { epochBlocks: 200 } }, { ...base, hibernate: true }], {
      deletes: true,
    }),
    scene(
      "paused, and deleted with volumes kept",
      [
        { ...base, retainPolicy: "Retain" },
        { ...base, retainPolicy: "Retain", podRevision: "b", paused: true },
      ],
      { deletes: true },
    ),
    scene("one namespace", [base, { ...base, podRevision: "b" }], { namespaced: true }),
    scene("consortium", [three, { ...three, podRevision: "b" }, { ...three, members: [{ ...bank, power: 1 }] }]),
    scene("weights and regions", [
      specOf(equal(4, 4), seats),
      specOf([5, 4, 4, 4], seats, { requiredRegions: { r0: 4, r1: 1 } }),
      specOf(equal(5, 4), Math.max(5, seats), { requiredRegions: { r0: 1, r4: 1 } }),
    ]),
    scene("settlement kept", [
      { ...covered, replicas: seats + 1 },
      { ...covered, replicas: seats + 1, podRevision: "b" },
      // Eight are the most that this power can seat.
      { ...covered, replicas: seats < 7 ? seats + 2 : seats },
    ]),
    scene("crash model", [
      specOf([2, 2, 2], Math.max(3, seats - 1), { faultModel: "Crash" }),
      specOf([2, 2, 2], Math.max(3, seats - 1), { faultModel: "Crash", podRevision: "b" }),
    ]),
    // Promoted, written into the spec, replaced by another trial.
    scene("canary", [base, trial("one", "a", 1), trial("one", "b", 1), trial("two", "c", 1)], { measured: "as good" }),
    scene("canary that is worse", [base, trial("one", "a", 1, 2 * tick), trial("two", "c", 1, 2 * tick)], {
      measured: "worse",
    }),
    scene("canary without samples", [base, trial("one", "a", 1), trial("two", "a", 1)]),
    scene("unequal", [
      specOf([3, 2, 2, 2, 2], Math.max(5, seats)),
      specOf([3, 2, 2, 2, 2], Math.max(5, seats), { podRevision: "b" }),
    ]),
  ];
}

/** The scene's first spec, brought up without faults. */
export function running(scene: Scene): World {
  let world = emptyWorld(scene);
  for (let round = 0; round < 500; round += 1) {
    const plan = planFor(world, scene);
    if (plan.actions.length > 0 || !sameMemory(world.memory, plan.status.memory)) {
      world = perFirst(world, plan, plan.actions.length, scene, true).next;
      continue;
    }
    const [step] = progress(world, scene);
    if (!step) return world;
    world = step.next;
  }
  throw new Error(`scene ${scene.name} does not start`);
}
