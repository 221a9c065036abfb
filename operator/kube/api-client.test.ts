import { createServer } from "node:net";
import { KubeConfig } from "@kubernetes/client-node";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ApiRequest, createApiClient } from "./api-client.ts";
import { systemClock } from "./clock.ts";
import { listPages } from "./list-pages.ts";
import { configMaps, createFixture, type Fixture, put } from "./testing/fixture.ts";
import { createManualTime } from "./testing/manual-clock.ts";

let world: Fixture;
beforeEach(async () => {
  world = await createFixture();
});
afterEach(() => world[Symbol.asyncDispose]());

const get = (signal: AbortSignal): ApiRequest => ({
  method: "GET",
  path: "/api/v1/namespaces/swarm/configmaps",
  signal,
  deadlineMs: 5_000,
});

/** A client of an address, with time by hand. */
function clientOf(server: string, config = new KubeConfig()) {
  config.loadFromClusterAndUser({ name: "test", server, skipTLSVerify: true }, { name: "tester" });
  const time = createManualTime();
  const clock = time.clock();
  return { time, clock, api: createApiClient({ config, clock, userAgent: "test" }) };
}

test("a name that refuses on every address says so", async () => {
  const listener = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => listener.once("listening", resolve));
  const address = listener.address();
  const port = typeof address === "object" ? address?.port : 0;
  await new Promise((resolve) => listener.close(resolve));
  const answer = await clientOf(`http://localhost:${port}`).api.request(get(world.stop.signal));
  expect(answer).toMatchObject({ kind: "failed", failure: { kind: "unreachable" } });
  expect(answer.kind === "failed" && answer.failure.message).toContain("ECONNREFUSED");
});

test("credentials that never come end with the deadline", async () => {
  class Hanging extends KubeConfig {
    override applyToHTTPSOptions(): Promise<void> {
      return new Promise(() => {});
    }
  }
  const { api, time } = clientOf("http://127.0.0.1:1", new Hanging());
  const answer = api.request(get(world.stop.signal));
  time.advance(5_000);
  expect(await answer).toMatchObject({ kind: "failed", failure: { kind: "timeout" } });
});

test("patience that a server asks for is bounded", async () => {
  world.server.inject("list", { kind: "status", status: 429, retryAfterSeconds: 1e12 });
  const answer = await world.api.request(get(world.stop.signal));
  expect(answer).toMatchObject({ kind: "failed", failure: { status: 429, retryAfterMs: 300_000 } });
});

test("a long timer does not fire at once", async () => {
  let fired = false;
  const cancel = systemClock.after(1e12, () => {
    fired = true;
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  systemClock.after(20, resolve);
  await promise;
  cancel();
  expect(fired).toBe(false);
});

const page = (version: string, items: readonly unknown[], next = "") => ({
  kind: "ok" as const,
  status: 200,
  body: { metadata: { resourceVersion: version, continue: next }, items },
});
const item = (name: string) => ({ metadata: { name, namespace: "swarm", uid: name, resourceVersion: "1" } });

/** Lists from a server that answers with these pages. */
function listFrom(pages: readonly ReturnType<typeof page>[]) {
  const left = [...pages];
  return listPages({
    api: { ...world.api, request: async () => left.shift() ?? page("9", []) },
    selection: { kind: configMaps, namespace: "swarm" },
    pageSize: 1,
    deadlineMs: 1_000,
    signal: world.stop.signal,
  });
}

test.each([
  ["pages of two states", [page("5", [item("a")], "x"), page("6", [item("b")])], 410],
  ["pages in a circle", [page("5", [item("a")], "x"), page("5", [item("a")], "x")], 0],
  ["an entry that is no object", [page("5", [item("a"), { metadata: { name: "b" } }])], 0],
  ["an answer without a version", [page("", [])], 0],
])("%s are no list", async (_, pages, status) => {
  expect(await listFrom(pages)).toMatchObject({ kind: "failed", failure: { kind: "malformed", status } });
});

test("pages of one state are one list", async () => {
  expect(await listFrom([page("5", [item("a")], "x"), page("5", [item("b")])])).toMatchObject({
    kind: "listed",
    resourceVersion: "5",
    pages: 2,
  });
});

test("an answer above the bound is not read to its end", async () => {
  put(world, "large", { text: "x".repeat(5_000) });
  const api = createApiClient({
    config: world.server.config,
    clock: systemClock,
    userAgent: "small",
    maxAnswerBytes: 1_000,
  });
  expect(await api.request(get(world.stop.signal))).toMatchObject({ kind: "failed", failure: { kind: "too-large" } });
  api.close();
});
