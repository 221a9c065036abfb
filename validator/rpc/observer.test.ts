import { readFileSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { digest, height, seatIndex, view, zeroDigest } from "../consensus/types.ts";
import type { DriverEvent } from "../driver/services.ts";
import { rpcDocuments } from "./documents.ts";
import { type HealthServer, startHealthServer } from "./health.ts";
import { logEvents } from "./log-events.ts";
import { createLog } from "./logging.ts";
import { createMetrics } from "./metrics.ts";
import { type MetricRow, metricTable } from "./metrics-table.ts";
import { createObservation } from "./observer.ts";
import { createPhaseClock } from "./phases.ts";
import { createReachability } from "./reachability.ts";
import { scriptedHost, scriptedServices, status } from "./testing/servers.ts";

/** A driver's events at times we choose. */
function observed(peers: readonly string[] = []) {
  let now = 0;
  const lines: Record<string, unknown>[] = [];
  const metrics = createMetrics("one");
  const log = createLog({
    level: "info",
    seat: "one",
    destination: { write: (line) => void lines.push(JSON.parse(line)) },
  });
  const observation = createObservation({ metrics, log, unreachableAfterMs: 1_000, peers, now: () => now });
  return {
    lines,
    observation,
    at: (ms: number, event: DriverEvent): void => {
      now = ms;
      observation.observe(event);
    },
    tick: (ms: number): void => {
      now = ms;
      observation.tick();
    },
    /** The value of a series of this seat, written without the seat's label; NaN when there is none. */
    value: async (series: string): Promise<number> => {
      const [name = "", labels = ""] = series.replace("}", "").split("{");
      const wanted = [...labels.split(",").filter((label) => label !== ""), 'seat="one"'].sort().join();
      for (const line of (await metrics.scrape()).text.split("\n")) {
        const [, found, has = "", value] = /^(\w+)\{(.*)\} (.*)$/.exec(line) ?? [];
        if (found === name && has.split(",").sort().join() === wanted) return Number(value);
      }
      return Number.NaN;
    },
  };
}

const block = digest("11".repeat(32));
const enters = (n: number): DriverEvent => ({
  kind: "consensus",
  event: { kind: "entered-view", view: view(n), leader: seatIndex(0) },
});

describe("a view's phases", () => {
  test("on a follower the proposal counts from its own vote", async () => {
    const { at, value } = observed();
    at(0, enters(7));
    at(5, { kind: "vote-cast", vote: "notarize", view: 7, reason: undefined });
    at(9, { kind: "consensus", event: { kind: "notarized", view: view(7), block } });
    at(11, { kind: "consensus", event: { kind: "finalized", view: view(7), height: height(3), block } });
    at(11, { kind: "block-final", height: 3, view: 7, block, batches: [], payments: 0 });
    at(21, { kind: "block-settled", height: 3 });
    const sum = (phase: string): Promise<number> => value(`consensus_round_duration_seconds_sum{phase="${phase}"}`);
    expect([await sum("propose"), await sum("prepare"), await sum("commit"), await sum("settle")]).toEqual([
      0.005, 0.004, 0.002, 0.01,
    ]);
    expect(await value("finality_latency_seconds_sum")).toBe(0.006);
    expect(await value('consensus_height{state="settled"}')).toBe(3);
  });

  test("the leader's own vote does not count its proposal twice, and one settlement covers all heights below", async () => {
    const { at, value } = observed();
    at(0, enters(1));
    at(2, { kind: "consensus", event: { kind: "proposed", view: view(1), block } });
    at(3, { kind: "vote-cast", vote: "notarize", view: 1, reason: undefined });
    for (const h of [1, 2, 3]) at(10, { kind: "block-final", height: h, view: h, block, batches: [], payments: 0 });
    at(20, { kind: "block-settled", height: 2 });
    expect(await value('consensus_round_duration_seconds_count{phase="propose"}')).toBe(1);
    expect(await value('consensus_round_duration_seconds_count{phase="settle"}')).toBe(2);
  });

  test("only recent views and heights are remembered", () => {
    const clock = createPhaseClock();
    clock(enters(1), 0);
    clock({ kind: "block-final", height: 1, view: 1, block, batches: [], payments: 0 }, 0);
    for (let n = 2; n <= 300; n++) {
      clock(enters(n), n);
      clock({ kind: "block-final", height: n, view: n, block, batches: [], payments: 0 }, n);
    }
    expect(clock({ kind: "vote-cast", vote: "notarize", view: 1, reason: undefined }, 400)).toEqual([]);
    expect(clock({ kind: "vote-cast", vote: "notarize", view: 300, reason: undefined }, 400)).toEqual([
      { phase: "propose", milliseconds: 100 },
    ]);
    expect(clock({ kind: "block-settled", height: 300 }, 400)).toHaveLength(256);
  });
});

describe("counters", () => {
  test("votes by result", async () => {
    const { at, value } = observed();
    at(0, {
      kind: "vote-received",
      from: "ab",
      seat: undefined,
      vote: "notarize",
      epoch: 0,
      view: 1,
      block: zeroDigest,
    });
    at(0, {
      kind: "vote-received",
      from: "ab",
      seat: undefined,
      vote: "finalize",
      epoch: 0,
      view: 1,
      block: zeroDigest,
    });
    at(0, { kind: "vote-cast", vote: "nullify", view: 1, reason: "timeout" });
    at(0, {
      kind: "vote-received",
      from: "ab",
      seat: undefined,
      vote: "suspect",
      epoch: 0,
      view: 1,
      block: zeroDigest,
    });
    at(0, { kind: "consensus", event: { kind: "bad-vote", signer: seatIndex(2), voteKind: "finalize" } });
    const votes = (result: string): Promise<number> => value(`consensus_votes_total{result="${result}"}`);
    expect([await votes("prepare"), await votes("commit"), await votes("nullify"), await votes("invalid")]).toEqual([
      1, 1, 1, 1,
    ]);
  });

  test("stages sum to seconds over scrapes", async () => {
    const { at, value } = observed();
    at(0, { kind: "stage", stage: "execute", microseconds: 250_000 });
    at(0, { kind: "stage", stage: "execute", microseconds: 250_000 });
    expect(await value('stage_seconds_total{stage="execute"}')).toBe(0.5);
    at(0, { kind: "stage", stage: "execute", microseconds: 1_000_000 });
    expect(await value('stage_seconds_total{stage="execute"}')).toBe(1.5);
    expect(await value('stage_seconds_total{stage="persist"}')).toBe(0);
  });

  test("settlement latency feeds the status's percentiles over the last 256", () => {
    const { at, observation } = observed();
    expect(observation.settlementLatency()).toEqual({ p50: 0, p99: 0 });
    for (let i = 0; i < 1_000; i++)
      at(i, { kind: "message-settled", payments: 1, milliseconds: i < 744 ? 5_000 : i - 743 });
    expect(observation.settlementLatency()).toEqual({ p50: 129, p99: 254 });
  });

  test("disk, quarantine and regions show as states and as log lines", async () => {
    const { at, value, lines } = observed();
    at(0, { kind: "disk", healthy: false, fault: "no-space: log/7" });
    expect(await value("storage_healthy")).toBe(0);
    at(1, { kind: "disk", healthy: true, fault: "" });
    at(2, { kind: "quarantined", height: 4, own: zeroDigest, certified: block });
    at(3, { kind: "region-mode", region: "us-east", degraded: true, height: 4 });
    expect(await value("storage_healthy")).toBe(1);
    expect(await value("storage_faults_total")).toBe(1);
    expect(await value('coverage_degraded{region="us-east"}')).toBe(1);
    expect(lines.map(({ event }) => event)).toEqual(["disk-fault", "disk-recovered", "quarantined", "region-degraded"]);
    expect(lines[0]).toMatchObject({ level: "error", seat: "one", fault: "no-space: log/7" });
  });
});

describe("partitions", () => {
  test("one event per silence, not per look", async () => {
    const { at, tick, value, lines } = observed(["two"]);
    const events = (): Promise<number> => value('network_partition_events_total{peer="two"}');
    tick(900);
    expect(await events()).toBeNaN();
    tick(1_001);
    tick(5_000);
    expect(await events()).toBe(1);
    at(6_000, { kind: "round-trip", seat: "two", milliseconds: 2 });
    at(6_100, { kind: "peer", seat: "two", connected: false });
    tick(7_000);
    expect(await events()).toBe(1);
    tick(7_001);
    expect(await events()).toBe(2);
    expect(
      lines.filter(({ event }) => String(event).startsWith("peer-")).map(({ event, silentMs }) => [event, silentMs]),
    ).toEqual([
      ["peer-unreachable", 1_001],
      ["peer-reachable", 6_000],
      ["peer-disconnected", undefined],
      ["peer-unreachable", 1_001],
    ]);
  });

  test("a member that only flaps within the bound is no partition", () => {
    const reachability = createReachability({ unreachableAfterMs: 1_000, expected: [], now: 0 });
    for (let now = 0; now < 10_000; now += 500) {
      reachability.lost("two", now);
      expect(reachability.check(now)).toEqual([]);
      expect(reachability.heard("two", now + 400)).toBeUndefined();
    }
  });
});

describe("the tables", () => {
  test.each(rpcDocuments().map(({ path, content }) => [path, content]))(
    "%s is what the tables say (npm run generate)",
    (path, content) => {
      expect(readFileSync(new URL(`../../${path}`, import.meta.url), "utf8")).toBe(content);
    },
  );

  test("every metric is served, with its help and type", async () => {
    const { text } = await createMetrics("one").scrape();
    for (const [name, row] of Object.entries<MetricRow>(metricTable)) {
      expect(text).toContain(`# TYPE ${name} ${row.type}`);
      expect(text).toContain(`# HELP ${name} ${row.help}`);
    }
  });

  test("names follow Prometheus' conventions", () => {
    for (const [name, row] of Object.entries<MetricRow>(metricTable)) {
      expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
      expect(name.endsWith("_total"), name).toBe(row.type === "counter");
      if (row.type === "histogram") expect(row.buckets?.length, name).toBeGreaterThan(0);
      if (row.unit === "seconds") expect(name).toMatch(/_seconds(_total)?$/);
    }
  });

  test("warnings and worse say what to do", () => {
    for (const [name, { level, help }] of Object.entries(logEvents))
      if (["warn", "error", "fatal"].includes(level)) expect(help.split(/[.:;] /).length, name).toBeGreaterThan(1);
  });
});

describe("the log", () => {
  const capture = (level: string) => {
    const lines: Record<string, unknown>[] = [];
    return {
      lines,
      log: createLog({ level, seat: "one", destination: { write: (line) => void lines.push(JSON.parse(line)) } }),
    };
  };

  test("a line has its declared fields and nothing an object carries besides", () => {
    const { log, lines } = capture("info");
    const carrying = { peer: "two", reason: "bad frame", secret: "s3cret", content: "Jane Doe" };
    log("peer-penalized", carrying);
    expect(Object.keys(lines[0] ?? {}).sort()).toEqual(["event", "level", "peer", "reason", "seat", "time"]);
    expect(JSON.stringify(lines)).not.toMatch(/s3cret|Jane/);
  });

  test("long text is cut", () => {
    const { log, lines } = capture("info");
    log("genesis-refused", { reason: "x".repeat(10_000) });
    expect(String(lines[0]?.["reason"]).length).toBe(256);
  });

  test("levels below the configured one are not written", () => {
    const { log, lines } = capture("warn");
    log("checkpoint", { height: 1 });
    log("voting-stopped", { reason: "clock" });
    expect(lines.map(({ event }) => event)).toEqual(["voting-stopped"]);
  });
});

describe("health", () => {
  const open: HealthServer[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((server) => server.close()));
  });
  const start = async (
    host = scriptedHost(undefined),
  ): Promise<(path: string, init?: RequestInit) => Promise<[number, string]>> => {
    const server = await startHealthServer({
      host: "127.0.0.1",
      port: 0,
      metrics: createMetrics("one"),
      process: host,
    });
    open.push(server);
    return async (path, init) => {
      const response = await fetch(`http://127.0.0.1:${server.port}${path}`, init);
      return [response.status, await response.text()];
    };
  };

  test("alive before it is ready; ready names its reason until there is none", async () => {
    const waiting = await start();
    expect(await waiting("/healthz")).toEqual([200, "alive\n"]);
    expect(await waiting("/readyz")).toEqual([503, "waits for its genesis document\n"]);

    const script = scriptedServices();
    const running = await start(scriptedHost(script.services));
    expect(await running("/readyz")).toEqual([200, "ready\n"]);
    script.status = { ...status, notReady: "no quorum: 2 of 3 connected" };
    expect(await running("/readyz")).toEqual([503, "no quorum: 2 of 3 connected\n"]);
  });

  test("metrics are served, other paths and methods are not", async () => {
    const get = await start();
    const [code, text] = await get("/metrics?x=1");
    expect([code, text.includes("consensus_view")]).toEqual([200, true]);
    expect((await get("/"))[0]).toBe(404);
    expect((await get("/constructor"))[0]).toBe(404);
    expect((await get("/metrics", { method: "POST" }))[0]).toBe(405);
  });
});
