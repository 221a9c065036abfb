import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ApiClient, failure } from "./api-client.ts";
import { systemClock } from "./clock.ts";
import {
  isOlder,
  type ListWatchOptions,
  type ListWatchTuning,
  type Observation,
  startListWatch,
} from "./list-watch.ts";
import type { Change } from "./store.ts";
import type { Fault } from "./testing/faults.ts";
import { configMaps, createFixture, type Fixture, pathOfMap, put } from "./testing/fixture.ts";
import { createManualTime } from "./testing/manual-clock.ts";
import { until } from "./testing/until.ts";

const quick: Partial<ListWatchTuning> = {
  backoff: { initialMs: 2, maxMs: 10, floorMs: 1 },
  pageSize: 2,
  idleMs: 30_000,
};

let world: Fixture;
beforeEach(async () => {
  world = await createFixture({ maxLineBytes: 10_000 });
});
afterEach(() => world[Symbol.asyncDispose]());

function start(options: Partial<ListWatchOptions> = {}) {
  const changes: Change[] = [];
  const observed: Observation[] = [];
  const listWatch = startListWatch({
    api: world.client("test", options.clock),
    selection: { kind: configMaps, namespace: "swarm" },
    clock: systemClock,
    random: () => 0.5,
    signal: world.stop.signal,
    onChange: (change) => changes.push(change),
    onObservation: (observation) => observed.push(observation),
    ...options,
    tuning: { ...quick, ...options.tuning },
  });
  const story = () => changes.map(({ kind, key }) => `${kind} ${key}`);
  return { listWatch, changes, observed, story };
}

/** A client that lets something happen before each request. */
function onRequest(happen: () => void): ApiClient {
  return {
    ...world.api,
    request(request) {
      happen();
      return world.api.request(request);
    },
  };
}

function compactWith(name: string): void {
  put(world, name, {});
  world.server.objects.compact();
}

const sent = (verb: string) => world.server.requests.filter((request) => request.verb === verb);
const failuresOf = (observed: readonly Observation[]) => observed.filter((one) => one.kind === "failed");

describe("list", () => {
  test("comes in pages of one state, and the watch goes on from there", async () => {
    for (const name of ["a", "b", "c", "d", "e"]) put(world, name, {});
    put(world, "elsewhere", {}, "other");
    const { listWatch, story } = start();
    expect(await listWatch.synced).toBe("synced");
    expect(listWatch.store.size()).toBe(5);
    expect(story()).toEqual(["a", "b", "c", "d", "e"].map((name) => `added swarm/${name}`));
    expect(sent("list").map(({ query }) => query.get("limit"))).toEqual(["2", "2", "2"]);

    await until(() => world.server.watches() === 1);
    const query = sent("watch")[0]?.query;
    expect(query?.get("allowWatchBookmarks")).toBe("true");
    expect(query?.get("resourceVersion")).toBe(String(world.server.objects.version()));
    expect(Number(query?.get("timeoutSeconds"))).toBeGreaterThanOrEqual(300);
  });

  test("items get the type that lists leave out, and lose their managed fields", async () => {
    put(world, "a", { colour: "red" });
    world.server.objects.merge(pathOfMap("a"), { metadata: { managedFields: [{ manager: "x" }] } }, "x");
    const { listWatch } = start();
    await listWatch.synced;
    const object = listWatch.store.get("swarm/a");
    expect(object).toMatchObject({ apiVersion: "v1", kind: "ConfigMap", data: { colour: "red" } });
    expect(object?.metadata).not.toHaveProperty("managedFields");
  });

  test("a state forgotten between two pages is listed again in one piece", async () => {
    for (const name of ["a", "b", "c"]) put(world, name, {});
    let asked = 0;
    const { listWatch } = start({ api: onRequest(() => ++asked === 2 && compactWith("d")) });
    await listWatch.synced;
    expect(listWatch.store.size()).toBe(4);
    expect(sent("list").map(({ query }) => query.get("limit"))).toEqual(["2", "2", null]);
  });

  test("pages that are too large are halved until they fit", async () => {
    for (const name of ["a", "b", "c"]) put(world, name, {});
    const api: ApiClient = {
      ...world.api,
      request: async (request) =>
        Number(request.query?.["limit"]) > 1
          ? { kind: "failed", failure: failure("too-large", "an answer above the bound") }
          : world.api.request(request),
    };
    const { listWatch, observed } = start({ api, tuning: { pageSize: 5 } });
    await listWatch.synced;
    expect(listWatch.store.size()).toBe(3);
    expect(failuresOf(observed)).toHaveLength(2);
    expect(sent("list").map(({ query }) => query.get("limit"))).toEqual(["1", "1", "1"]);
  });

  test("refresh answers with a list that was begun after it was asked for", async () => {
    const { listWatch } = start();
    await listWatch.synced;
    await until(() => world.server.watches() === 1);
    const before = sent("list").length;
    world.server.inject("list", { kind: "hold" });
    const first = listWatch.refresh();
    await until(() => world.server.held() === 1);
    const second = listWatch.refresh();
    world.server.release();
    expect(await Promise.all([first, second])).toEqual(["synced", "synced"]);
    expect(sent("list").length - before).toBe(2);
  });
});

describe("watch", () => {
  test("says added, updated, deleted; a namesake is another object", async () => {
    const { listWatch, story, changes } = start();
    await listWatch.synced;
    put(world, "a", { n: "1" });
    put(world, "a", { n: "2" });
    world.server.objects.remove(pathOfMap("a"), {});
    put(world, "a", { n: "3" });
    await until(() => changes.length === 4);
    expect(story()).toEqual(["added", "updated", "deleted", "added"].map((kind) => `${kind} swarm/a`));
    expect(changes[1]).toMatchObject({ previous: { data: { n: "1" } }, object: { data: { n: "2" } } });
  });

  test("an object replaced while nobody looked is deleted, then added", async () => {
    put(world, "a", {});
    const { listWatch, story } = start();
    await listWatch.synced;
    await until(() => world.server.watches() === 1);
    world.server.inject("list", { kind: "hold" });
    const refreshed = listWatch.refresh();
    await until(() => world.server.held() === 1);
    world.server.objects.remove(pathOfMap("a"), {});
    put(world, "a", {});
    world.server.release();
    await refreshed;
    expect(story()).toEqual(["added swarm/a", "deleted swarm/a", "added swarm/a"]);
  });

  test("a bookmark moves the place to resume from: a compaction of what is elsewhere costs no list", async () => {
    const { listWatch } = start();
    await listWatch.synced;
    await until(() => world.server.watches() === 1);
    put(world, "elsewhere", {}, "other");
    world.server.objects.compact();
    world.server.bookmark();
    world.server.dropWatches();
    await until(() => sent("watch").length === 2 && world.server.watches() === 1);
    expect(sent("watch")[1]?.query.get("resourceVersion")).toBe(String(world.server.objects.version()));
    expect(sent("list")).toHaveLength(1);
  });

  test.each<[string, Fault]>([
    ["a reset before the answer", { kind: "reset" }],
    ["a reset in the middle of a line", { kind: "cut", afterLines: 1 }],
    ["a line that is no JSON", { kind: "garbled", afterLines: 1 }],
    ["a line without an end", { kind: "long-line", afterLines: 1, bytes: 20_000 }],
    ["a 500", { kind: "status", status: 500 }],
    ["a 429", { kind: "status", status: 429, retryAfterSeconds: 0.01 }],
    ["a 500 in the stream", { kind: "error-event", afterLines: 1, status: 500, reason: "InternalError" }],
  ])("survives %s without another list", async (_, fault) => {
    world.server.inject("watch", fault);
    const { listWatch, story, observed } = start();
    await listWatch.synced;
    await until(() => sent("watch").length > 0);
    put(world, "a", {});
    put(world, "b", {});
    await until(() => failuresOf(observed).length === 1 && listWatch.store.size() === 2);
    expect(story()).toEqual(["added swarm/a", "added swarm/b"]);
    expect(sent("list")).toHaveLength(1);
  });

  test("survives events that come twice, behind events that are history", async () => {
    put(world, "old", { n: "1" });
    put(world, "old", { n: "2" });
    world.server.inject("watch", { kind: "repeat" });
    const { listWatch, story } = start();
    await listWatch.synced;
    put(world, "a", {});
    put(world, "old", { n: "3" });
    await until(() => story().includes("updated swarm/old"));
    expect(story()).toEqual(["added swarm/old", "added swarm/a", "updated swarm/old"]);
  });

  test.each<[string, Fault]>([
    ["in the answer", { kind: "status", status: 410, reason: "Gone" }],
    ["in the stream", { kind: "error-event", afterLines: 0, status: 410, reason: "Expired" }],
  ])("lists again when the server forgot where it was (%s)", async (_, fault) => {
    put(world, "a", {});
    world.server.inject("watch", fault);
    const { listWatch, observed } = start();
    await listWatch.synced;
    await until(() => sent("list").length === 2 && world.server.watches() === 1);
    expect(observed.some(({ kind }) => kind === "expired")).toBe(true);
  });

  test("lists again after a compaction, and says what went meanwhile", async () => {
    put(world, "a", {});
    put(world, "b", {});
    const { listWatch, story } = start();
    await listWatch.synced;
    await until(() => world.server.watches() === 1);
    world.server.partition("test");
    world.server.dropWatches();
    await until(() => world.server.held() === 1);
    world.server.objects.remove(pathOfMap("a"), {});
    put(world, "c", {});
    world.server.objects.compact();
    world.server.heal("test");
    await until(() => listWatch.store.get("swarm/c") !== undefined);
    expect(story()).toEqual(["added swarm/a", "added swarm/b", "deleted swarm/a", "added swarm/c"]);
  });

  test("lists again when the server was restored to the past", async () => {
    put(world, "a", {});
    const { listWatch, observed, story } = start();
    await listWatch.synced;
    await until(() => world.server.watches() === 1);
    world.server.objects.restore();
    world.server.dropWatches();
    await until(() => sent("list").length === 2 && world.server.watches() === 1);
    expect(observed.some(({ kind }) => kind === "expired")).toBe(true);
    put(world, "b", {});
    await until(() => listWatch.store.get("swarm/b") !== undefined);
    expect(story()).toEqual(["added swarm/a", "deleted swarm/a", "added swarm/b"]);
  });

  test("gives a resourceVersion up after many failures in a row", async () => {
    const { listWatch } = start({ tuning: { failuresBeforeList: 3 } });
    for (let i = 0; i < 3; i++) world.server.inject("watch", { kind: "status", status: 500 });
    await listWatch.synced;
    await until(() => sent("list").length === 2);
    expect(sent("watch").length).toBeGreaterThanOrEqual(3);
  });
});

describe("time", () => {
  const time = createManualTime();
  const tuning = { ...quick, backoff: { initialMs: 100, maxMs: 1_000, floorMs: 10 } };

  test("what the server asks for is waited for, and jitter comes on top", async () => {
    const clock = time.clock();
    world.server.inject("list", { kind: "status", status: 429, retryAfterSeconds: 7 });
    const { observed, listWatch } = start({ clock, tuning });
    await until(() => clock.waiting().includes(7_050));
    expect(failuresOf(observed)).toMatchObject([{ waitMs: 7_050, failure: { status: 429 } }]);
    time.advance(7_049);
    expect(sent("list")).toHaveLength(1);
    time.advance(1);
    expect(await listWatch.synced).toBe("synced");
  });

  test("waits double up to a bound while the server is down", async () => {
    const clock = time.clock();
    for (let i = 0; i < 7; i++) world.server.inject("list", { kind: "reset" });
    const { observed, listWatch } = start({ clock, tuning });
    const expected = [50, 100, 200, 400, 500, 500, 500];
    for (const [i, wait] of expected.entries()) {
      await until(() => failuresOf(observed).length === i + 1 && clock.waiting().includes(wait));
      time.advance(wait);
    }
    expect(await listWatch.synced).toBe("synced");
    expect(failuresOf(observed).map(({ waitMs }) => waitMs)).toEqual(expected);
  });

  test("a list that comes too slowly is given up", async () => {
    const clock = time.clock();
    world.server.inject("list", { kind: "hold" });
    const { observed, listWatch } = start({ clock, tuning: { ...tuning, deadlineMs: 5_000 } });
    await until(() => world.server.held() === 1);
    time.advance(5_000);
    await until(() => clock.waiting().includes(50));
    expect(failuresOf(observed)).toMatchObject([{ during: "list", failure: { kind: "timeout" } }]);
    time.advance(50);
    expect(await listWatch.synced).toBe("synced");
  });

  test("a watch on which nothing arrives is dead; a bookmark is a sign of life", async () => {
    const clock = time.clock();
    const { observed, listWatch } = start({ clock, tuning: { ...tuning, idleMs: 9_000 } });
    await listWatch.synced;
    await until(() => world.server.watches() === 1 && clock.waiting().includes(9_000));
    time.advance(8_999);
    put(world, "elsewhere", {}, "other");
    world.server.bookmark();
    const dueBefore = time.now() + 1;
    await until(() => time.nextDue(clock) > dueBefore);
    time.advance(8_999);
    expect(failuresOf(observed)).toEqual([]);
    time.advance(1);
    await until(() => failuresOf(observed).length === 1);
    expect(failuresOf(observed)).toMatchObject([{ during: "watch", failure: { kind: "timeout" } }]);
    // It had been healthy: the first wait is a short one.
    await until(() => clock.waiting().includes(50));
    time.advance(50);
    await until(() => world.server.watches() === 1);
    expect(sent("list")).toHaveLength(1);
  });

  test("a server that ends every watch at once is not asked in a hot loop", async () => {
    const clock = time.clock();
    for (let i = 0; i < 4; i++) world.server.inject("watch", { kind: "end", afterLines: 0 });
    const { observed } = start({ clock, tuning });
    for (const [i, wait] of [50, 100, 200, 400].entries()) {
      await until(() => failuresOf(observed).length === i + 1 && clock.waiting().includes(wait));
      expect(sent("watch")).toHaveLength(i + 1);
      time.advance(wait);
    }
    await until(() => world.server.watches() === 1);
  });
});

describe("the end", () => {
  test("the signal ends a watch, a wait and a list", async () => {
    const watching = start();
    await watching.listWatch.synced;
    const stop = new AbortController();
    world.server.inject("list", { kind: "hold" });
    const listing = start({ signal: stop.signal });
    await until(() => world.server.held() === 1);
    stop.abort();
    await listing.listWatch.done;
    expect(await listing.listWatch.synced).toBe("stopped");
    expect(await listing.listWatch.refresh()).toBe("stopped");
    world.stop.abort();
    await watching.listWatch.done;
    await until(() => world.server.watches() === 0);
  });

  test("a handler that throws ends the loop with its exception", async () => {
    put(world, "a", {});
    const { listWatch } = start({
      onChange: () => {
        throw new Error("a bug");
      },
    });
    await expect(listWatch.done).rejects.toThrow("a bug");
  });
});

test("versions are compared as numbers, or not at all", () => {
  expect(isOlder("9", "10")).toBe(true);
  expect(isOlder("10", "9")).toBe(false);
  expect(isOlder("10", "10")).toBe(false);
  expect(isOlder("abc", "abd")).toBe(false);
  expect(isOlder("0", "1")).toBe(false);
});
