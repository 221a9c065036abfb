import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "./clock.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { keyOf } from "./objects.ts";
import { startProbes } from "./probes.ts";
import { type ControllerObservation, type ControllerOptions, type Run, runController } from "./runtime.ts";
import { configMap, configMaps, createFixture, type Fixture, pathOfMap, put } from "./testing/fixture.ts";
import { until } from "./testing/until.ts";
import type { Outcome } from "./work-queue.ts";

let world: Fixture;
beforeEach(async () => {
  world = await createFixture();
});
afterEach(() => world[Symbol.asyncDispose]());

const lease = { resource: "coordination.k8s.io/v1/leases", namespace: "system", name: "operator" };
const done: Outcome = { kind: "done" };

function start(name: string, reconcile: (run: Run) => Promise<Outcome>, options: Partial<ControllerOptions> = {}) {
  const stop = new AbortController();
  const metrics: Metrics = createMetrics();
  const observed: ControllerObservation[] = [];
  const controller = runController({
    api: world.client(name),
    clock: systemClock,
    random: Math.random,
    scope: { kind: "namespaces", namespaces: ["swarm"] },
    kinds: [{ kind: configMaps, keys: (object) => [keyOf(object)] }],
    reconcile,
    metrics,
    signal: AbortSignal.any([stop.signal, world.stop.signal]),
    name: "example.org/operator",
    identity: name,
    lease: {
      namespace: "system",
      name: "operator",
      times: { leaseDurationMs: 2_000, renewDeadlineMs: 1_000, retryMs: 50, stopMs: 500 },
    },
    uniqueId: () => randomUUID().slice(0, 8),
    onObservation: (one) => observed.push(one),
    ...options,
  });
  const leads = () => observed.some((one) => one.about === "election" && one.event.kind === "leading");
  return { controller, stop, metrics, leads };
}

const holder = () =>
  (world.server.objects.get(lease).body["spec"] as { readonly holderIdentity?: string }).holderIdentity;

test("works on every key there is, then on what changes, and writes with its own name", async () => {
  put(world, "a", { wish: "1" });
  const { controller, stop } = start("ann", async ({ key, objects, writer }) => {
    const name = key.split("/")[1] ?? "";
    const wish = objects.get(configMaps, key)?.["data"] as { readonly wish?: string } | undefined;
    if (name.endsWith("-copy") || wish?.wish === undefined) return done;
    const result = await writer.apply(configMaps, configMap(`${name}-copy`, { was: wish.wish }));
    return result.kind === "applied" ? done : { kind: "retry" };
  });
  const copyOf = (name: string) => world.server.objects.get(pathOfMap(`${name}-copy`)).body["data"];
  await until(() => (copyOf("a") as { readonly was?: string } | undefined)?.was === "1");
  put(world, "b", { wish: "2" });
  put(world, "a", { wish: "3" });
  await until(() => (copyOf("b") as { readonly was?: string } | undefined)?.was === "2");
  await until(() => (copyOf("a") as { readonly was?: string } | undefined)?.was === "3");
  const applied = world.server.requests.filter(({ verb }) => verb === "patch");
  expect(new Set(applied.map(({ query }) => query.get("fieldManager")))).toEqual(new Set(["example.org/operator"]));
  stop.abort();
  expect(await controller.done).toEqual({ kind: "stopped" });
});

test("shutdown lets a run finish with the right to write, then gives the lease back", async () => {
  put(world, "a", {});
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const { promise: told, resolve: tell } = Promise.withResolvers<void>();
  const results: string[] = [];
  const ann = start("ann", async ({ key, writer }) => {
    if (key !== "swarm/a") return done;
    begin();
    await told;
    results.push((await writer.create(configMaps, configMap("last-words"))).kind);
    return { kind: "again", afterMs: 1 };
  });
  await begun;
  ann.stop.abort();
  put(world, "b", {});
  expect(holder()).toBe("ann");
  tell();
  expect(await ann.controller.done).toEqual({ kind: "stopped" });
  expect(results).toEqual(["applied"]);
  expect(holder()).toBe("");
  await until(() => world.server.watches() === 0);
});

test("a follower is ready, works on nothing, and begins with what it finds when it leads", async () => {
  put(world, "a", {});
  const seen: string[] = [];
  const ann = start("ann", async () => done);
  await until(ann.leads);
  const bob = start("bob", async ({ key }) => {
    seen.push(key);
    return done;
  });
  await until(() => bob.controller.ready() === "");
  put(world, "b", {});
  world.server.objects.remove(pathOfMap("a"), {});
  await until(() => world.server.watches() === 2);
  expect((await bob.metrics.scrape()).text).toContain("operator_queue_depth 0");
  expect(seen).toEqual([]);
  ann.stop.abort();
  await ann.controller.done;
  await until(() => seen.length === 1);
  expect(seen).toEqual(["swarm/b"]);
});

test("who lost the lease sends nothing more, and ends its runs", async () => {
  put(world, "a", {});
  const results: string[] = [];
  const ann = start("ann", async ({ signal, writer }) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
    results.push((await writer.create(configMaps, configMap("too-late"))).kind);
    return done;
  });
  await until(ann.leads);
  world.server.objects.merge(lease, { spec: { holderIdentity: "eve" } }, "eve");
  await until(() => results.length === 1);
  expect(results).toEqual(["unavailable"]);
  expect(world.server.objects.get(pathOfMap("too-late")).status).toBe(404);
});

test("a run that ignores the end of its right makes the controller stuck", async () => {
  put(world, "a", {});
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const ann = start("ann", () => {
    begin();
    return new Promise<Outcome>(() => {});
  });
  await begun;
  world.server.objects.merge(lease, { spec: { holderIdentity: "eve" } }, "eve");
  expect(await ann.controller.done).toEqual({ kind: "stuck" });
  expect(holder()).toBe("eve");
});

test("an exception ends the controller, and the probes say why", async () => {
  put(world, "a", {});
  const { controller, metrics, leads } = start("ann", async () => {
    throw new Error("a bug");
  });
  const { alive, ready } = controller;
  const probes = await startProbes({ port: 0, host: "127.0.0.1", metrics, alive, ready });
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${probes.port}${path}`);
    return [response.status, await response.text()] as const;
  };
  expect((await get("/nowhere"))[0]).toBe(404);
  await expect(controller.done).rejects.toThrow("a bug");
  expect(leads()).toBe(true);
  expect(await get("/healthz")).toEqual([503, "a bug\n"]);
  expect(await get("/readyz")).toEqual([200, "ok\n"]);
  const [, text] = await get("/metrics");
  expect(text).toContain("operator_leader 0");
  expect(text).toContain("operator_leader_terms_total 1");
  expect(text).toContain('operator_objects{kind="ConfigMap"} 1');
  await probes.close();
});

test("goes on while the server fails in every way", async () => {
  const seen = new Set<string>();
  const ann = start(
    "ann",
    async ({ key }) => {
      seen.add(key);
      return done;
    },
    { tuning: { backoff: { initialMs: 2, maxMs: 10, floorMs: 1 } } },
  );
  await until(ann.leads);
  for (const [i, fault] of (["reset", "garbled", "cut", "end"] as const).entries()) {
    world.server.inject("watch", fault === "reset" ? { kind: fault } : { kind: fault, afterLines: 0 });
    world.server.inject("list", { kind: "status", status: 503 });
    world.server.dropWatches();
    put(world, `map-${i}`, {});
    await until(() => seen.has(`swarm/map-${i}`));
  }
  expect(ann.controller.alive()).toBe("");
});
