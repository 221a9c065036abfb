import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defaultTimes, timesFault } from "./leader-election.ts";
import { createElection, type Election } from "./testing/candidates.ts";
import { createFixture, type Fixture } from "./testing/fixture.ts";

const lease = { resource: "coordination.k8s.io/v1/leases", namespace: "system", name: "operator" };

let world: Fixture;
let election: Election;
beforeEach(async () => {
  world = await createFixture();
  election = createElection(world);
});
afterEach(() => world[Symbol.asyncDispose]());

const specOf = () => world.server.objects.get(lease).body["spec"] as Readonly<Record<string, unknown>>;

describe("a term", () => {
  test("goes on as long as renewals are confirmed, and others follow", async () => {
    const ann = election.add({ name: "ann" });
    await election.pass(250);
    const bob = election.add({ name: "bob" });
    await election.pass(60_000, () => expect(election.acting()).toEqual(["ann"]));
    expect(ann.events).toEqual([{ kind: "leading", transitions: 0 }]);
    expect(bob.events).toEqual([{ kind: "following", holder: "ann" }]);
  });

  test("is given back at shutdown: the next leader does not wait for the lease to run out", async () => {
    const ann = election.add({ name: "ann" });
    await election.pass(250);
    election.add({ name: "bob" });
    await election.pass(5_000);
    ann.stop();
    await election.pass(3_000);
    expect(await ann.end).toEqual({ kind: "stopped" });
    expect(election.acting()).toEqual(["bob"]);
    expect(specOf()).toMatchObject({ holderIdentity: "bob", leaseTransitions: 1 });
  });

  test.each(["stall", "lost-answer", "reset"] as const)("survives one renewal with %s", async (kind) => {
    const ann = election.add({ name: "ann" });
    await election.pass(250);
    world.server.inject("update", kind === "stall" ? { kind, afterLines: 0 } : { kind });
    await election.pass(60_000, () => expect(election.acting()).toEqual(["ann"]));
    expect(ann.events.filter(({ kind }) => kind === "stopped")).toEqual([]);
    expect(ann.events.filter(({ kind }) => kind === "failed")).toHaveLength(1);
  });

  test("ends before the lease can be taken when the server is out of reach", async () => {
    const ann = election.add({ name: "ann", endsAfterMs: 1_900 });
    await election.pass(250);
    const bob = election.add({ name: "bob" });
    await election.pass(5_000);
    world.server.partition("ann");
    let alone = 0;
    await election.pass(30_000, () => {
      expect(election.acting().length).toBeLessThanOrEqual(1);
      if (election.acting().length === 0) alone++;
    });
    expect(alone).toBeGreaterThan(0);
    expect(ann.events).toContainEqual({ kind: "stopped", why: "deadline" });
    expect(bob.acting()).toBe(true);
  });

  test.each([
    ["is taken by force", () => void world.server.objects.merge(lease, { spec: { holderIdentity: "eve" } }, "eve")],
    ["is deleted", () => void world.server.objects.remove(lease, {})],
  ])("ends when the lease %s", async (_, act) => {
    const ann = election.add({ name: "ann" });
    await election.pass(3_000);
    act();
    await election.pass(2_250);
    expect(ann.events).toContainEqual({ kind: "stopped", why: "taken" });
  });

  test("that does not end in time is said to be stuck, and its lease is not given away", async () => {
    const ann = election.add({ name: "ann", endsAfterMs: 3_600_000 });
    await election.pass(250);
    ann.stop();
    await election.pass(2_500);
    expect(await ann.end).toEqual({ kind: "stuck" });
    expect(specOf()).toMatchObject({ holderIdentity: "ann" });
  });

  test("whoever has lost the right is told so when it asks", async () => {
    const ann = election.add({ name: "ann" });
    await election.pass(250);
    const right = ann.leadership();
    expect(right?.mayAct()).toBe(true);
    world.server.partition("ann");
    await election.pass(12_000, () => expect(right?.mayAct() && right.signal.aborted).not.toBe(true));
    expect(right?.mayAct()).toBe(false);
  });
});

test("a candidate waits as long as the holder asked for", async () => {
  election.add({ name: "ann", times: { leaseDurationMs: 40_000 } });
  await election.pass(250);
  election.add({ name: "bob" });
  world.server.partition("ann");
  await election.pass(38_000);
  expect(specOf()).toMatchObject({ holderIdentity: "ann" });
  await election.pass(8_000);
  expect(election.acting()).toEqual(["bob"]);
});

test("times that let two lead are refused", () => {
  expect(timesFault(defaultTimes)).toBeUndefined();
  expect(timesFault({ ...defaultTimes, leaseDurationMs: 12_000 })).toContain("leaseDuration");
  expect(timesFault({ ...defaultTimes, retryMs: 6_000 })).toContain("renewDeadline");
  expect(timesFault({ ...defaultTimes, stopMs: 0 })).toContain("above zero");
});

/** Whoever leads is where it hurts. */
const agent = fc.constantFrom("leader", "leader", "ann", "bob", "cyd");
const disturbance = fc.oneof(
  fc.record({ kind: fc.constantFrom("partition" as const, "heal" as const, "shutdown" as const), agent }),
  fc.record({
    kind: fc.constant("fault" as const),
    agent,
    verb: fc.constantFrom("get" as const, "update" as const, "create" as const),
    fault: fc.constantFrom<"reset" | "lost-answer" | "hold" | "garbled">("reset", "lost-answer", "hold", "garbled"),
  }),
  fc.record({ kind: fc.constant("release" as const) }),
);
const skewed = fc.record({
  // The slowest and the fastest differ by less than leaseDuration / (renewDeadline + stop) = 1.25.
  rate: fc.double({ min: 0.9, max: 1.1, noNaN: true }),
  offsetMs: fc.integer({ min: -86_400_000, max: 86_400_000 }),
});

test("two never act at a time, and one does soon after the last disturbance", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(skewed, skewed, skewed),
      fc.array(fc.tuple(disturbance, fc.oneof(fc.nat(3_000), fc.nat(25_000))), { maxLength: 12 }),
      async (skews, story) => {
        await using here = await createFixture();
        const vote = createElection(here);
        const stopped = new Set<string>();
        const names = ["ann", "bob", "cyd"];
        const all = names.map((name, i) => vote.add({ name, skew: skews[i] ?? {}, endsAfterMs: 1_500 }));
        const look = () => expect(vote.acting().length).toBeLessThanOrEqual(1);
        for (const [drawn, ms] of story) {
          const leader = vote.acting()[0] ?? "ann";
          const one = "agent" in drawn && drawn.agent === "leader" ? { ...drawn, agent: leader } : drawn;
          if (one.kind === "partition") here.server.partition(one.agent);
          else if (one.kind === "heal") here.server.heal(one.agent);
          else if (one.kind === "release") here.server.release();
          else if (one.kind === "fault")
            here.server.inject(
              one.verb,
              one.fault === "garbled" ? { kind: one.fault, afterLines: 0 } : { kind: one.fault },
              one.agent,
            );
          // One always stays, so that somebody can lead in the end.
          else if (one.agent !== "cyd" && !stopped.has(one.agent)) {
            stopped.add(one.agent);
            all.find(({ name }) => name === one.agent)?.stop();
          }
          await vote.pass(ms, look);
        }
        here.server.clearFaults();
        for (const name of names) here.server.heal(name);
        await vote.pass(40_000, look);
        expect(vote.acting()).toHaveLength(1);
        for (const one of all) one.stop();
        await vote.pass(4_000, look);
        await Promise.all(all.map(({ end }) => end));
      },
    ),
    { numRuns: Number(process.env["FUZZ_RUNS"] ?? 15) },
  );
});
