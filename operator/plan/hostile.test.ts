/** What validators say may be anything: it never throws, and without proof it moves nothing. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { explanationData, readExplanation } from "../api/explanation.ts";
import { readChain } from "./chain.ts";
import { explain, explanationOf } from "./explain.ts";
import { observe } from "./exploration/observe.ts";
import { running, specOf } from "./exploration/scenes.ts";
import { now, type Scene } from "./exploration/world.ts";
import { plan } from "./plan.ts";
import type { Claim, Report, Snapshot } from "./snapshot.ts";

const four = specOf([2, 2, 2, 2], 4);
const revised = { ...four, podRevision: "b" };
const scene: Scene = { name: "hostile", specs: [four, revised], nodes: 2, deletes: false, namespaced: false };
const honest = observe(running(scene), scene);

/** The snapshot with one member's report changed. */
const lying = (seat: string, change: (report: Report) => Partial<Report>, from: Snapshot = honest): Snapshot => ({
  ...from,
  reports: from.reports.map((report) => (report.identity === `${seat}-g1` ? { ...report, ...change(report) } : report)),
});
const unproven = (value: unknown): Claim<never> => ({ kind: "unverified", value });
const quiet = plan(four, honest, now);
const set = honest.genesis?.set;

describe("a claim without proof", () => {
  test("of a later set changes nothing", () => {
    const snapshot = lying("s-r0-0", () => ({
      epoch: 99,
      sets: unproven({ current: { ...set, epoch: 99, members: [] } }),
    }));
    expect(plan(four, snapshot, now).actions).toEqual([]);
    expect(readChain(four, snapshot, now)?.epoch).toBe(0);
  });

  test("of a height does not hold learners back", () => {
    const snapshot = lying("s-r0-0", () => ({ height: unproven(Number.MAX_SAFE_INTEGER) }));
    expect(readChain(four, snapshot, now)?.height).toBe(1_000);
  });

  test("of keys does not count as a report", () => {
    const snapshot = lying("s-r0-0", ({ keys }) => ({ keys: unproven(keys) }));
    expect(readChain(four, snapshot, now)?.reporting).toBe(6);
  });
});

describe("a liar", () => {
  test("cannot make another silent, nor itself heard", () => {
    const slander = lying("s-r0-0", () => ({ heard: [] }));
    expect(readChain(four, slander, now)?.available).toBe(8);
    const dead = honest.reports.map((report) => ({ ...report, heard: report.heard.filter((id) => id !== "s-r0-0") }));
    const boast = lying("s-r0-0", () => ({ voting: true, heard: ["s-r0-0", "s-r1-0", "s-r2-0", "s-r3-0"] }), {
      ...honest,
      reports: dead,
    });
    expect(readChain(four, boast, now)?.voting.get("s-r0-0")).toBe("no");
  });

  test("that calls itself retired costs its own seat alone", () => {
    const { status } = plan(
      four,
      lying("s-r0-0", () => ({ role: "retired", voting: false })),
      now,
    );
    expect(status.memory.seats.filter(({ generation }) => generation > 1).map(({ seat }) => seat)).toEqual(["s-r0-0"]);
  });

  test("that says another's keys is a clone, and takes nothing from it", () => {
    const stolen = honest.reports.find(({ identity }) => identity === "s-r1-0-g1")?.keys;
    const { actions, status } = plan(
      four,
      lying("s-r0-0", (report) => ({ keys: stolen ?? report.keys })),
      now,
    );
    expect(actions).toEqual([]);
    expect(status.memory.seats.find(({ seat }) => seat === "s-r1-0")?.generation).toBe(1);
    // Whatever is on its volume now, it is not what the seat was given to.
    expect(status.memory.seats.find(({ seat }) => seat === "s-r0-0")?.generation).toBe(2);
    expect(status.memory.lost).toContainEqual({ identity: "s-r0-0-g1", since: now, why: "keys-differ" });
  });

  test("two certified sets of one epoch stop everything", () => {
    if (!set) throw new Error("the swarm runs");
    const members = set.members.map((member) => (member.id === "s-r0-0" ? { ...member, power: 9 } : member));
    const forked = lying("s-r0-0", () => ({
      sets: { kind: "verified", value: { current: { ...set, members }, pending: undefined } },
    }));
    const answer = plan(revised, forked, now);
    expect(answer.actions).toEqual([]);
    expect(JSON.stringify(answer.decisions)).toContain("Forked");
  });
});

test("an older view of the chain than was seen before stops everything", () => {
  const old = { ...honest, memory: { ...quiet.status.memory, epoch: 3 } };
  const answer = plan(revised, old, now);
  expect(answer.actions).toEqual([]);
  expect(JSON.stringify(answer.decisions)).toContain("ReportsOutdated");
});

test("reports that are too old, or from a pod that is gone, do not count", () => {
  const stale = honest.reports.map((report) => ({ ...report, observedAt: now - 60_000 }));
  const other = honest.reports.map((report) => ({ ...report, podUid: "another" }));
  for (const reports of [stale, other]) expect(readChain(four, { ...honest, reports }, now)?.reporting).toBe(0);
});

const anything = fc.anything({ maxDepth: 3, withBigInt: false });
const claim = fc.oneof(
  fc.constant({ kind: "absent" as const }),
  anything.map((value) => ({ kind: "unverified" as const, value })),
);
const number = fc.oneof(fc.double(), fc.constant(Number.NaN), fc.constant(-1), fc.maxSafeInteger());
const identity = fc.oneof(fc.constantFrom("s-r0-0-g1", "s-r3-0-g1", "__proto__", ""), fc.string());
const report: fc.Arbitrary<Report> = fc.record({
  identity,
  podUid: fc.oneof(fc.constantFrom("", "s-r0-0-g1 p0", "s-r3-0-g1 p0"), fc.string()),
  observedAt: fc.oneof(fc.constant(now), number),
  keys: fc.oneof(claim, fc.constantFrom(...honest.reports.map(({ keys }) => keys))),
  role: fc.constantFrom("waiting", "learner", "validator", "quarantined", "retired", "unknown"),
  voting: fc.boolean(),
  epoch: number,
  view: number,
  height: fc.oneof(
    claim,
    number.map((value) => ({ kind: "verified" as const, value })),
  ),
  root: claim,
  sets: claim,
  heard: fc.array(fc.oneof(identity, fc.constantFrom("s-r0-0", "s-r1-0", "constructor")), { maxLength: 8 }),
  outcomes: claim,
});

test("any reports, any clock: a plan, a status, an explanation; and no pod, volume or permit is touched by strangers' words", () => {
  fc.assert(
    fc.property(fc.array(report, { maxLength: 8 }), fc.oneof(fc.constant(now), number), (reports, at) => {
      const answer = plan(four, { ...honest, reports }, at);
      expect(explain(answer)).toContain("Power:");
      const explanation = explanationOf(answer);
      expect(readExplanation(explanationData(explanation))).toEqual(explanation);
      const taken = answer.actions.filter(
        ({ kind }) => kind.startsWith("delete") || kind === "take-permit" || kind === "release-pod",
      );
      expect(taken).toEqual([]);
    }),
    { numRuns: 500 },
  );
});
