/** Whatever goes wrong in whatever order: in the end the store is what the server has, at a bounded price. */
import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { systemClock } from "./clock.ts";
import { startListWatch } from "./list-watch.ts";
import type { StoredObject } from "./objects.ts";
import type { Change } from "./store.ts";
import type { Fault, Verb } from "./testing/faults.ts";
import { configMaps, createFixture, type Fixture, pathOfMap, put } from "./testing/fixture.ts";
import { until } from "./testing/until.ts";

type Step =
  | { readonly kind: "put" | "remove"; readonly name: string; readonly value: string }
  | { readonly kind: "fault"; readonly verb: Verb; readonly fault: Fault }
  | { readonly kind: "bookmark" | "compact" | "drop" | "catch-up" }
  | { readonly kind: "refresh" };

const names = ["a", "b", "c", "d", "e"];
const afterLines = fc.nat(3);
const fault: fc.Arbitrary<Fault> = fc.oneof(
  fc.constant<Fault>({ kind: "reset" }),
  fc.constant<Fault>({ kind: "lost-answer" }),
  fc.constantFrom<Fault>(
    ...[429, 500, 503, 410].map((status) => ({ kind: "status" as const, status, retryAfterSeconds: 0.005 })),
  ),
  afterLines.map((n): Fault => ({ kind: "cut", afterLines: n })),
  afterLines.map((n): Fault => ({ kind: "garbled", afterLines: n })),
  afterLines.map((n): Fault => ({ kind: "stall", afterLines: n })),
  afterLines.map((n): Fault => ({ kind: "end", afterLines: n })),
  afterLines.map((n): Fault => ({ kind: "long-line", afterLines: n, bytes: 20_000 })),
  fc
    .tuple(afterLines, fc.constantFrom(410, 500))
    .map(([n, status]): Fault => ({ kind: "error-event", afterLines: n, status, reason: "" })),
  fc.constant<Fault>({ kind: "repeat" }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom("put" as const, "remove" as const),
      name: fc.constantFrom(...names),
      value: fc.string(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("fault" as const),
      verb: fc.constantFrom<Verb>("list", "watch", "watch"),
      fault,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom("bookmark" as const, "compact" as const, "drop" as const, "catch-up" as const),
    }),
  },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: "refresh" }) },
);

/** A step, and how long the others have the word before the next: turns of the event loop. */
const paced = fc.record({ one: step, turns: fc.oneof(fc.constant(0), fc.nat(30)) });

const idleMs = 60;

test("the store ends equal to the server, changes lead from state to state, requests are bounded", async () => {
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(paced, { minLength: 1, maxLength: 25 }), async (warm, steps) => {
      await using world = await createFixture({ maxLineBytes: 10_000 });
      const startedAt = performance.now();
      const replica = new Map<string, StoredObject>();
      const listWatch = startListWatch({
        api: world.api,
        selection: { kind: configMaps, namespace: "swarm" },
        clock: systemClock,
        random: Math.random,
        signal: world.stop.signal,
        onChange: (change) => follow(replica, change),
        tuning: {
          backoff: { initialMs: 2, maxMs: 8, floorMs: 1 },
          pageSize: 2,
          idleMs,
          deadlineMs: idleMs,
          failuresBeforeList: 3,
        },
      });
      if (warm) await listWatch.synced;
      for (const { one, turns } of steps) {
        if (one.kind === "refresh") void listWatch.refresh();
        else await perform(world, one, () => listWatch.store.list());
        for (let i = 0; i < turns; i++) await setImmediate();
      }
      world.server.clearFaults();
      // One more object tells that everything before it has arrived.
      put(world, "last", { word: "end" });
      // What `follow` throws ends the loop: the test fails with it instead of waiting for ever.
      await Promise.race([until(() => sameObjects(listWatch.store.list(), world)), listWatch.done]);
      expect([...replica.values()].map(versionOf).sort()).toEqual(listWatch.store.list().map(versionOf).sort());

      const disturbances = steps.filter(({ one }) => one.kind !== "put" && one.kind !== "remove").length;
      const silences = Math.ceil((performance.now() - startedAt) / idleMs);
      // A fault costs its request, the list it may force (four pages of two, twice if it was forgotten) and a watch.
      expect(world.server.requests.length).toBeLessThanOrEqual(10 + 10 * disturbances + 2 * silences);
      world.stop.abort();
      await listWatch.done;
    }),
    { numRuns: Number(process.env["FUZZ_RUNS"] ?? 60) },
  );
});

async function perform(
  world: Fixture,
  one: Exclude<Step, { kind: "refresh" }>,
  seen: () => readonly StoredObject[],
): Promise<void> {
  switch (one.kind) {
    case "put":
      return put(world, one.name, { value: one.value });
    case "remove":
      return void world.server.objects.remove(pathOfMap(one.name), {});
    case "fault":
      return world.server.inject(one.verb, one.fault);
    case "bookmark":
      return world.server.bookmark();
    case "compact":
      return world.server.objects.compact();
    case "drop":
      return world.server.dropWatches();
    case "catch-up":
      return until(() => sameObjects(seen(), world));
  }
}

/** Changes are a story: nothing is added twice, updated or deleted unseen, or goes back in time. */
function follow(replica: Map<string, StoredObject>, change: Change): void {
  const known = replica.get(change.key);
  if (change.kind === "added") expect(known).toBeUndefined();
  else expect(known).toBeDefined();
  if (change.kind === "updated") {
    expect(change.previous).toBe(known);
    expect(change.object.metadata.uid).toBe(known?.metadata.uid);
    expect(Number(change.object.metadata.resourceVersion)).toBeGreaterThan(Number(known?.metadata.resourceVersion));
  }
  if (change.kind === "deleted") replica.delete(change.key);
  else replica.set(change.key, change.object);
}

const versionOf = ({ metadata }: StoredObject) => `${metadata.name}@${metadata.resourceVersion}`;

function sameObjects(seen: readonly StoredObject[], { server }: Fixture): boolean {
  const stored = server.objects.list("/v1/configmaps", "swarm").map((object) => {
    const metadata = object["metadata"] as { readonly name: string; readonly resourceVersion: string };
    return `${metadata.name}@${metadata.resourceVersion}`;
  });
  return seen.map(versionOf).sort().join() === stored.sort().join();
}
