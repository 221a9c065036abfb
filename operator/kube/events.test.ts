import { afterEach, beforeEach, expect, test } from "vitest";
import { createEventRecorder, type EventLimits, type EventRecorder, type Report } from "./events.ts";
import { readObject, type StoredObject } from "./objects.ts";
import { configMaps, createFixture, type Fixture, pathOfMap, put } from "./testing/fixture.ts";
import { createManualTime, type ManualTime, type TestClock } from "./testing/manual-clock.ts";
import { until } from "./testing/until.ts";

let world: Fixture;
let time: ManualTime;
let clock: TestClock;
beforeEach(async () => {
  world = await createFixture();
  time = createManualTime();
  clock = time.clock();
});
afterEach(() => world[Symbol.asyncDispose]());

const report: Report = { type: "Normal", reason: "PodCreated", action: "CreatePod", note: "the pod was created" };

function create(limits: Partial<EventLimits> = {}): EventRecorder {
  let ids = 0;
  return createEventRecorder({
    api: world.client("test", clock),
    clock,
    signal: world.stop.signal,
    controller: "example.org/operator",
    instance: "ann",
    uniqueId: () => `id${++ids}`,
    limits,
  });
}

function object(name: string): StoredObject {
  put(world, name, {});
  const stored = readObject(configMaps, world.server.objects.get(pathOfMap(name)).body);
  if (!stored) throw new Error("no object");
  return stored;
}

const stored = () => world.server.objects.list("events.k8s.io/v1/events", "swarm");
const seriesOf = (at: number) => stored()[at]?.["series"] as { readonly count: number } | undefined;

test("says who said what about which object", async () => {
  const events = create();
  events.report(object("a"), report);
  await events.flush();
  expect(stored()).toMatchObject([
    {
      metadata: { name: "a.id1", namespace: "swarm" },
      ...report,
      reportingController: "example.org/operator",
      reportingInstance: "ann",
      regarding: { kind: "ConfigMap", name: "a", namespace: "swarm", uid: "uid-1" },
    },
  ]);
});

test("the same thing said again is one series, written at once and then once a minute", async () => {
  const events = create();
  const about = object("a");
  for (let i = 0; i < 3; i++) events.report(about, report);
  await events.flush();
  expect(seriesOf(0)?.count).toBe(3);
  for (let i = 0; i < 10; i++) events.report(about, report);
  await events.flush();
  expect(seriesOf(0)?.count).toBe(3);
  time.advance(60_000);
  await until(() => seriesOf(0)?.count === 13);
  expect(stored()).toHaveLength(1);
});

test("after a quiet time it is a new Event; another note is another Event", async () => {
  const events = create();
  const about = object("a");
  events.report(about, report);
  events.report(about, { ...report, note: "something else" });
  await events.flush();
  time.advance(360_000);
  events.report(about, report);
  await events.flush();
  expect(stored()).toHaveLength(3);
});

test("a series goes on when the server has forgotten its Event", async () => {
  const events = create();
  const about = object("a");
  events.report(about, report);
  await events.flush();
  world.server.objects.remove({ resource: "events.k8s.io/v1/events", namespace: "swarm", name: "a.id1" }, {});
  events.report(about, report);
  await events.flush();
  expect(stored()).toMatchObject([{ metadata: { name: "a.id1" }, series: { count: 2 } }]);
});

test("one noisy object does not silence the others, and what is dropped is counted", async () => {
  const events = create({ perObject: { perSecond: 1, burst: 2 } });
  const noisy = object("noisy");
  for (let i = 0; i < 5; i++) events.report(noisy, { ...report, note: `${i}` });
  events.report(object("calm"), report);
  await events.flush();
  expect(stored()).toHaveLength(3);
  expect(events.dropped()).toBe(3);
});

test("requests have one rate, and the queue a bound", async () => {
  const events = create({ overall: { perSecond: 1, burst: 1 }, waiting: 2 });
  for (let i = 0; i < 6; i++) events.report(object(`map-${i}`), report);
  await until(() => stored().length === 1 && clock.waiting().includes(1_000));
  expect(events.dropped()).toBe(3);
  time.advance(1_000);
  await until(() => stored().length === 2 && clock.waiting().includes(1_000));
  time.advance(1_000);
  await events.flush();
  expect(stored()).toHaveLength(3);
});

test("a refusal and a shutdown drop reports and fail nobody", async () => {
  const events = create();
  world.server.inject("create", { kind: "status", status: 403 });
  events.report(object("a"), report);
  await events.flush();
  world.stop.abort();
  events.report(object("b"), report);
  await events.flush();
  expect(events.dropped()).toBe(2);
  expect(stored()).toHaveLength(0);
});

test("texts are cut to the server's limits, at a character's edge", async () => {
  const events = create();
  const name = `${"x".repeat(199)}.${"y".repeat(40)}`;
  events.report(object(name), { ...report, note: "😀".repeat(600) });
  await events.flush();
  const [event] = stored();
  const note = String(event?.["note"]);
  expect(Buffer.byteLength(note)).toBeLessThanOrEqual(1_024);
  expect(note.isWellFormed()).toBe(true);
  expect(event).toMatchObject({ metadata: { name: `${"x".repeat(199)}.id1` } });
});
