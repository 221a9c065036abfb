/** Stories of one swarm: what the planner does next, why, and what it waits for. */
import { describe, expect, test } from "vitest";
import type { Desired } from "./desired.ts";
import { explain } from "./explain.ts";
import { observe } from "./exploration/observe.ts";
import { perFirst, planFor } from "./exploration/operator.ts";
import { running, specOf } from "./exploration/scenes.ts";
import { copy, edit, emptyWorld, now, type Scene, tick, type World } from "./exploration/world.ts";
import { type Plan, plan } from "./plan.ts";
import type { ConditionType, Snapshot } from "./snapshot.ts";
import { timeText } from "./time.ts";

const scene = (...specs: readonly Desired[]): Scene => ({
  name: "story",
  specs,
  nodes: 2,
  deletes: true,
  namespaced: false,
});
const four = specOf([2, 2, 2, 2], 4);
const base = scene(four, { ...four, podRevision: "b" });
const up = running(base);

function changed(world: World, change: (world: World) => void): World {
  const next = copy(world);
  change(next);
  return next;
}
const kinds = ({ actions }: Plan) =>
  actions.map((action) => ("identity" in action ? `${action.kind} ${action.identity}` : action.kind));
const waits = ({ decisions }: Plan) => decisions.flatMap((each) => (each.kind === "wait" ? [each.reason] : []));
const condition = ({ status }: Plan, type: ConditionType) => status.conditions.find((each) => each.type === type);
const revised = changed(up, (world) => {
  world.spec = 1;
});

describe("bootstrap", () => {
  test("nothing is made before its generation stands in the status", () => {
    const first = planFor(emptyWorld(base), base);
    expect(kinds(first)).toEqual(["add-finalizer", "create-service", "create-service"]);
    expect(first.status.memory.seats.map(({ seat, generation, made }) => [seat, generation, made])).toContainEqual([
      "s-r0-0",
      1,
      false,
    ]);
  });

  test("every condition is set at the first visit, with a sentence", () => {
    const { conditions } = planFor(emptyWorld(base), base).status;
    expect(conditions.map(({ type }) => type)).toEqual([
      "Ready",
      "Progressing",
      "Degraded",
      "PlacementSatisfied",
      "QuorumAvailable",
      "RolloutHealthy",
      "CheckpointFresh",
    ]);
    for (const { message, reason, lastTransitionTime } of conditions) {
      expect(message).toMatch(/^[A-Z0-9].*\.$/);
      expect(reason).toMatch(/^[A-Z][A-Za-z]+$/);
      expect(lastTransitionTime).toBe("2027-01-15T08:00:00Z");
    }
  });

  test("a refused layout makes nothing, and says why", () => {
    const three = scene(specOf([3, 3, 3], 3));
    const refused = planFor(emptyWorld(three), three);
    expect(kinds(refused).filter((kind) => kind.startsWith("create-volume"))).toEqual([]);
    expect(condition(refused, "PlacementSatisfied")).toMatchObject({ status: "False", reason: "RegionTooHeavy" });
    expect(condition(refused, "Ready")?.message).toContain("Use four regions");
  });

  test("a running swarm is left alone", () => {
    const quiet = planFor(up, base);
    expect([kinds(quiet), waits(quiet), quiet.requeueAfter]).toEqual([[], [], 60_000]);
    expect(condition(quiet, "Ready")).toMatchObject({ status: "True", reason: "AllSeatsVote" });
  });
});

describe("one permit", () => {
  test("is taken before the act, and names the pod", () => {
    const [take] = planFor(revised, base).actions;
    expect(take).toMatchObject({ kind: "take-permit", claim: { purpose: "restart", seats: ["s-r0-0"], power: 2 } });
  });

  test("a node failure is spent first", () => {
    const down = changed(revised, (world) => {
      const region = edit(world, 3);
      region.processes = [];
      for (const node of region.nodes) Object.assign(node, { state: "dead", since: now });
    });
    const blocked = planFor(down, base);
    expect(kinds(blocked)).toEqual([]);
    expect(waits(blocked)).toContain("QuorumAtRisk");
  });

  test("without a quorum of fresh reports nothing voluntary happens", () => {
    const silent = changed(revised, (world) => {
      for (const r of [0, 1]) edit(world, r).mute = [`s-r${r}-0-g1`];
    });
    expect(kinds(planFor(silent, base))).toEqual([]);
    expect(waits(planFor(silent, base))).toContain("TooFewReports");
    expect(condition(planFor(silent, base), "QuorumAvailable")?.status).toBe("Unknown");
  });

  test("a broken pod never blocks its own fix: it is first, and only as it was seen", () => {
    const broken = changed(revised, (world) => {
      for (const pod of edit(world, 2).pods) pod.healthy = false;
    });
    const [take] = planFor(broken, base).actions;
    expect(take).toMatchObject({ kind: "take-permit", claim: { seats: ["s-r2-0"], power: 0 } });
    const taken = perFirst(broken, planFor(broken, base), 1, base, false).next;
    expect(planFor(taken, base).actions).toMatchObject([
      { kind: "delete-pod", identity: "s-r2-0-g1", version: expect.stringContaining("false") },
    ]);
  });

  test("an unready pod that its peers hear votes still: its restart costs its power", () => {
    const wedged = changed(revised, (world) => {
      for (const pod of edit(world, 2).pods) pod.wedged = true;
    });
    expect(planFor(wedged, base).actions).toMatchObject([
      { kind: "take-permit", claim: { seats: ["s-r2-0"], power: 2 } },
    ]);
  });

  test("who may be named by a set that is not seen now is not restarted as a learner", () => {
    const rotated = changed(revised, (world) => {
      const set = world.chain?.current;
      if (!world.chain || !set) throw new Error("the swarm runs");
      // Genesis names another key than the set of now, which nobody shows.
      const members = set.members.map((each) => (each.id === "s-r2-0" ? { ...each, blsKey: "key s-r2-0-g0" } : each));
      world.chain.genesis = { ...set, members };
      world.chain.current = { ...set, epoch: 1 };
      if (world.memory) world.memory = { ...world.memory, epoch: 1 };
      for (const r of [0, 1, 2, 3]) edit(world, r).mute = [`s-r${r}-0-g1`];
    });
    expect(kinds(planFor(rotated, base))).toEqual([]);
    expect(waits(planFor(rotated, base))).toContain("NamedPerhaps");
  });

  test("coverage of a required region is kept, unless a pause is allowed", () => {
    const required = { requiredRegions: { r0: 1, r1: 1, r2: 1, r3: 1 } };
    const careful = scene(
      { ...four, ...required, allowSettlementPause: false },
      { ...four, ...required, allowSettlementPause: false, podRevision: "b" },
    );
    const world = changed(running(careful), (next) => {
      next.spec = 1;
    });
    expect(kinds(planFor(world, careful))).toEqual([]);
    expect(waits(planFor(world, careful))).toContain("CoverageAtRisk");
  });
});

describe("repair", () => {
  const cut = changed(up, (world) => {
    const region = edit(world, 1);
    for (const node of region.nodes) if (node.name === "r1-n0") Object.assign(node, { state: "cut", since: now });
  });

  test("a node that does not answer is waited for, with its countdown in the status", () => {
    const counting = planFor(cut, base);
    expect(kinds(counting)).toEqual([]);
    expect(counting.status.seats.find(({ seat }) => seat === "s-r1-0")?.replacedAt).toBe(timeText(now + 300_000));
    expect(waits(counting)).toContain("IdentityMissed");
  });

  test("then a new generation is named, and only then made", () => {
    const late = changed(cut, (world) => {
      for (const node of edit(world, 1).nodes) if (node.since === now) node.since = now - tick;
      const memory = planFor(cut, base).status.memory;
      world.memory = { ...memory, lost: memory.lost.map((each) => ({ ...each, since: now - tick })) };
    });
    const naming = planFor(late, base);
    expect(kinds(naming)).toEqual([]);
    expect(naming.status.memory.seats).toContainEqual({ seat: "s-r1-0", generation: 2, made: false });
    const named = perFirst(late, naming, 0, base, false).next;
    expect(kinds(planFor(named, base))).toEqual(["create-volume s-r1-0-g2"]);
  });

  test("a lost volume is a lost identity: its name is never used again", () => {
    const lost = changed(up, (world) => {
      edit(world, 0).volumes = [];
    });
    expect(planFor(lost, base).status.memory.seats).toContainEqual({ seat: "s-r0-0", generation: 2, made: false });
  });

  test("a successor nobody needs any more, on a node that does not answer: its name goes before its pod", () => {
    const dropped = changed(up, (world) => {
      world.memory = world.memory && {
        ...world.memory,
        seats: world.memory.seats.map((each) => (each.seat === "s-r0-0" ? { ...each, generation: 2 } : each)),
      };
      const region = edit(world, 0);
      const [pod] = region.pods;
      const [volume] = region.volumes;
      if (!pod || !volume) throw new Error("the swarm runs");
      const second = { name: "s-r0-0-g2", generation: 2 };
      region.pods.push({ ...pod, ...second, uid: "s-r0-0-g2 p0", node: "r0-n1", deleting: true });
      region.volumes.push({ ...volume, ...second, uid: "s-r0-0-g2 v0", key: "key s-r0-0-g2" });
      Object.assign(region.nodes[1] ?? {}, { state: "cut", since: now });
    });
    // Wanted again later it could otherwise get a second pod on the same volume, while the first still runs.
    expect(kinds(planFor(dropped, base))).toEqual(["delete-volume s-r0-0-g2"]);
    const without = perFirst(dropped, planFor(dropped, base), 9, base, false).next;
    expect(kinds(planFor(without, base))).toEqual(["release-pod s-r0-0-g2"]);
  });

  test("with more than F gone the condition names disaster recovery", () => {
    const gone = changed(up, (world) => {
      for (const r of [0, 1]) Object.assign(edit(world, r), { volumes: [], processes: [], pods: [] });
    });
    expect(condition(planFor(gone, base), "QuorumAvailable")?.message).toContain("spec.restoreFrom");
    expect(waits(planFor(gone, base))).toContain("QuorumLost");
  });
});

describe("scale", () => {
  test("a step that would make a guarantee lapse waits, and says which", () => {
    const uneven = scene(four, {
      ...four,
      regions: four.regions.map((region) => ({ ...region, weight: 1 + region.name.length })),
    });
    const tripled = scene(four, specOf([6, 2, 2, 2], 4, { surviveRegionLoss: false, faultModel: "Crash" }));
    for (const each of [uneven, tripled]) {
      const world = changed(running(each), (next) => {
        next.spec = 1;
      });
      const { decisions } = planFor(world, each);
      const said = decisions.find((decision) => decision.kind === "wait" && decision.reason === "GuaranteeWouldLapse");
      const claimed = decisions.some((decision) => decision.kind === "claim");
      expect(said !== undefined || claimed).toBe(true);
    }
  });

  test("one chain change at a time, at most F power", () => {
    const one = scene(specOf([12], 4, { surviveRegionLoss: false }), specOf([12], 7, { surviveRegionLoss: false }));
    let world = changed(running(one), (next) => {
      next.spec = 1;
    });
    const { members } = running(one).chain?.current ?? { members: [] };
    expect(members.map(({ power }) => power)).toEqual([3, 3, 3, 3]);
    for (let round = 0; round < 12; round += 1) world = perFirst(world, planFor(world, one), 99, one, true).next;
    expect(world.permit === undefined || world.permit.power <= 3).toBe(true);
  });
});

describe("life and sleep", () => {
  test("paused: nothing is done, everything is said", () => {
    const paused = scene(four, { ...four, podRevision: "b", paused: true });
    const world = changed(running(paused), (next) => {
      next.spec = 1;
    });
    expect(kinds(planFor(world, paused))).toEqual([]);
    expect(condition(planFor(world, paused), "Progressing")?.reason).toBe("Paused");
  });

  test("hibernation ends every pod and keeps every volume", () => {
    const sleepy = scene(four, { ...four, hibernate: true });
    const world = changed(running(sleepy), (next) => {
      next.spec = 1;
    });
    expect(kinds(planFor(world, sleepy))).toEqual([0, 1, 2, 3].map((r) => `delete-pod s-r${r}-0-g1`));
  });

  test.each(["Retain", "Delete"] as const)("deletion with %s", (retainPolicy) => {
    const mortal = scene({ ...four, retainPolicy });
    let world = changed(running(mortal), (next) => {
      next.deleting = true;
      for (const r of [0, 1, 2, 3]) Object.assign(edit(next, r), { pods: [], processes: [] });
    });
    const left = kinds(planFor(world, mortal));
    expect(left.some((kind) => kind.startsWith("delete-volume"))).toBe(retainPolicy === "Delete");
    expect(left).not.toContain("remove-finalizer");
    world = perFirst(world, planFor(world, mortal), 99, mortal, true).next;
    if (retainPolicy === "Delete") for (const r of [0, 1, 2, 3]) edit(world, r).volumes = [];
    expect(kinds(planFor(world, mortal))).toEqual(["remove-finalizer"]);
  });
});

describe("explain", () => {
  test("says what comes next, why, and what waits", () => {
    expect(explain(planFor(revised, base))).toBe(
      [
        "Power: 8 of 8 votes, F = 2, 2 may still be taken. Epoch 0.",
        "Next:",
        '  take permit for "restart s-r0-0-g1 s-r0-0-g1 p0", 2 power',
        "    RevisionOutdated: s-r0-0-g1 runs another revision than the spec's.",
        "Waits:",
        ...[1, 2, 3].flatMap((r) => [
          "  Rollout, PermitTaken",
          `    s-r${r}-0-g1 runs another revision than the spec's. One disruption at a time: "restart s-r0-0-g1 s-r0-0-g1 p0" comes first.`,
        ]),
        "Looks again in 1 s, or when something changes.",
      ].join("\n"),
    );
  });
});

test("the same snapshot gives the same plan", () => {
  const snapshot: Snapshot = observe(revised, base);
  const spec = base.specs[1] ?? four;
  const [one, two] = [plan(spec, snapshot, now), plan(spec, structuredClone(snapshot), now)];
  expect({ ...one, decisions: JSON.stringify(one.decisions) }).toEqual({
    ...two,
    decisions: JSON.stringify(two.decisions),
  });
});
