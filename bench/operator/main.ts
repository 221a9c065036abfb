/**
 * `npm run bench:operator`: the shipped operator over the embedded API server, with hundreds of swarms whose validators and
 * nodes are models. What a visit costs, what the operator remembers, and what it does when nothing happens.
 */
import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { clusterWorld } from "../../operator/cluster/world.ts";
import { quickstart } from "../../operator/contract/quickstart.ts";
import { startOperator } from "../../operator/controller.ts";
import { createApiServer } from "../../operator/embedded/api-server/api-server.ts";
import type { ApiClient } from "../../operator/kube/api-client.ts";
import { systemClock } from "../../operator/kube/clock.ts";
import { nodes, validatorSwarms } from "../../operator/kube/kinds.ts";
import { startListWatch } from "../../operator/kube/list-watch.ts";
import { createMetrics, type Metrics } from "../../operator/kube/metrics.ts";
import { arrayAt, isRecord, numberAt, pathOf, type StoredObject, textAt } from "../../operator/kube/objects.ts";
import { startModelKubelet } from "../../operator/testing/model-kubelet.ts";
import { createModelValidators, modelKey } from "../../operator/testing/model-validators.ts";
import { describeMachine, machineLoad } from "../machine.ts";
import { percentiles, spread } from "../statistics.ts";
import { align, number } from "../table.ts";

const namespace = "default";
const help = `npm run bench:operator -- [options]

  --swarms N     how many, of four seats each (default 300)
  --runs N       each with an API server and an operator of its own (default 3)
  --rest S       how long it is watched at rest, seconds (default 60)
  --write FILE   puts the table into this Markdown file, between its two "bench:operator" comments
  --help`;

const { values } = parseArgs({
  options: {
    swarms: { type: "string", default: "300" },
    runs: { type: "string", default: "3" },
    rest: { type: "string", default: "60" },
    write: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(help);
  process.exit(0);
}
const [swarms, runs, restSeconds] = [values.swarms, values.runs, values.rest].map(Number) as [number, number, number];

/** A figure of one run. */
interface Measured {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
}

setFlagsFromString("--expose-gc");
const collect: () => void = runInNewContext("gc");

/** What is in use after a collection. */
function memory(): { readonly heap: number; readonly resident: number } {
  collect();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: heapUsed + external, resident: rss };
}

/** Counts the requests of a client: Events, and all others by method. */
function counting(api: ApiClient): { readonly api: ApiClient; readonly counts: Map<string, number> } {
  const counts = new Map<string, number>();
  const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1);
  return {
    counts,
    api: {
      ...api,
      request(request) {
        count(request.path.includes("/events") ? "events" : request.method);
        return api.request(request);
      },
    },
  };
}

const nameOf = (i: number) => `swarm-${String(i).padStart(3, "0")}`;

async function run(): Promise<readonly Measured[]> {
  const { signal, ...stop } = (() => {
    const controller = new AbortController();
    return { signal: controller.signal, abort: () => controller.abort() };
  })();
  const before = memory();
  const opened = await createApiServer({ clock: systemClock });
  if (opened.kind === "failed") throw new Error(opened.message);
  const { server } = opened;
  const people = server.client("people");
  const send = async (method: "POST" | "PATCH", path: string, value: unknown) => {
    const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    const answer = await people.request({ method, path, body: { type, value }, signal, deadlineMs: 60_000 });
    if (answer.kind === "failed") throw new Error(answer.failure.message);
  };
  // One in each region, so that seats can be placed, and the one that the model kubelet puts every pod on.
  for (const region of [...regions(), undefined]) {
    const name = region === undefined ? "model" : `${region}-a`;
    const labels = region === undefined ? {} : { "topology.kubernetes.io/region": region };
    await send("POST", pathOf(nodes), { apiVersion: "v1", kind: "Node", metadata: { name, labels } });
    const conditions = [{ type: "Ready", status: "True" }];
    await send("PATCH", pathOf(nodes, undefined, name, "status"), { status: { conditions } });
  }

  const visits: number[] = [];
  const shipped = createMetrics();
  const metrics: Metrics = {
    ...shipped,
    record(name, labels, value) {
      if (name === "operator_reconcile_duration_seconds") visits.push(value * 1_000);
      shipped.record(name, labels, value);
    },
  };
  const validators = createModelValidators((key) => operator.wake(key));
  const own = counting(server.client("operator"));
  const operator = startOperator({
    api: own.api,
    clock: systemClock,
    random: Math.random,
    scope: { kind: "cluster" },
    metrics,
    signal,
    identity: "operator-0",
    lease: { namespace, name: "operator" },
    uniqueId: randomUUID,
    world: clusterWorld("validator-swarm:bench"),
    validators,
    keys: {
      operator: async () => ({ kind: "ok", key: modelKey }),
      recovery: async () => ({ kind: "missing", reason: "nothing is restored here" }),
      institutions: async (_, bics) => ({ kind: "ok", keys: new Map(bics.map((bic) => [bic, modelKey.publicKey])) }),
    },
  });
  const kubelet = startModelKubelet(server.client("kubelet"), signal);
  const settled = watchSettled(server.client("watcher"), signal);

  const measured: Measured[] = [];
  const stage = async (name: string, act: () => Promise<void>, replicas: number) => {
    visits.length = 0;
    own.counts.clear();
    const [started, cpu] = [performance.now(), process.cpuUsage()];
    await act();
    await settled(replicas);
    const [ms, used] = [performance.now() - started, process.cpuUsage(cpu)];
    const { p50, p99, max, count } = percentiles(visits);
    const per = (what: string) => (own.counts.get(what) ?? 0) / swarms;
    measured.push(
      { name: `${name}: all ${swarms} settled after`, unit: "s", value: ms / 1_000 },
      { name: `${name}: reconcile p50`, unit: "ms", value: p50 },
      { name: `${name}: reconcile p99`, unit: "ms", value: p99 },
      { name: `${name}: reconcile longest`, unit: "ms", value: max },
      { name: `${name}: visits per swarm`, unit: "", value: count / swarms },
      ...["GET", "POST", "PATCH", "DELETE"].map((method) => ({
        name: `${name}: ${method} per swarm`,
        unit: "",
        value: per(method),
      })),
      { name: `${name}: events per swarm`, unit: "", value: per("events") },
      {
        name: `${name}: CPU per swarm, with API server and models`,
        unit: "ms",
        value: (used.user + used.system) / 1_000 / swarms,
      },
    );
  };

  await stage(
    "bring-up",
    async () => {
      for (let i = 0; i < swarms; i++) await send("POST", pathOf(validatorSwarms, namespace), manifest(nameOf(i)));
    },
    4,
  );
  await stage(
    "four seats to five",
    async () => {
      for (let i = 0; i < swarms; i++)
        await send("PATCH", pathOf(validatorSwarms, namespace, nameOf(i)), { spec: { replicas: 5 } });
    },
    5,
  );

  const after = memory();
  measured.push(
    {
      name: "memory per swarm, with API server and models",
      unit: "kB",
      value: (after.heap - before.heap) / swarms / 1_000,
    },
    { name: "resident memory of the process", unit: "MB", value: after.resident / 1e6 },
  );
  // Events are sent at a bounded rate: what is left of them is not rest.
  const sent = () => own.counts.get("events") ?? 0;
  for (let before = -1; before !== sent(); await delay(2_000)) before = sent();
  visits.length = 0;
  own.counts.clear();
  const cpu = process.cpuUsage();
  await delay(restSeconds * 1_000);
  const used = process.cpuUsage(cpu);
  const minute = 60 / restSeconds;
  const requests = [...own.counts.values()].reduce((sum, each) => sum + each, 0);
  measured.push(
    {
      name: "at rest: CPU, with API server and models",
      unit: "% of a core",
      value: (used.user + used.system) / 1e4 / restSeconds,
    },
    { name: "at rest: visits per swarm and minute", unit: "", value: (visits.length * minute) / swarms },
    { name: "at rest: requests per minute, all swarms and the lease", unit: "", value: requests * minute },
  );
  stop.abort();
  await Promise.allSettled([operator.done, kubelet.done]);
  await server.close();
  return measured;
}

const regions = (): readonly string[] => arrayAt(quickstart["spec"], "regions").map((region) => textAt(region, "name"));

const manifest = (name: string) => ({ ...quickstart, metadata: { name } });

/** Resolves when every swarm has so many seats, all of which vote, and nothing is left to do. */
function watchSettled(api: ApiClient, signal: AbortSignal): (replicas: number) => Promise<void> {
  let look = () => {};
  const { store } = startListWatch({
    api,
    clock: systemClock,
    random: Math.random,
    signal,
    selection: { kind: validatorSwarms, namespace },
    onChange: () => look(),
  });
  return (replicas) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    look = () => {
      if (store.list().filter((swarm) => isSettled(swarm, replicas)).length === swarms) resolve();
    };
    look();
    return promise;
  };
}

function isSettled({ metadata, status }: StoredObject, replicas: number): boolean {
  const is = (type: string, value: string) =>
    arrayAt(status, "conditions").some((each) => textAt(each, "type") === type && textAt(each, "status") === value);
  const seen = numberAt(status, "observedGeneration") === metadata.generation;
  return (
    seen && is("Ready", "True") && is("Progressing", "False") && isRecord(status) && status["replicas"] === replicas
  );
}

const results: (readonly Measured[])[] = [];
const loads: number[] = [];
for (let i = 0; i < runs; i++) {
  loads.push(machineLoad());
  console.log(`run ${i + 1} of ${runs}, load ${loads.at(-1)}`);
  results.push(await run());
}
const rows = (results[0] ?? []).map(({ name, unit }, i) => {
  const { min, median, max } = spread(results.map((result) => result[i]?.value ?? Number.NaN));
  return [name, unit, [min, median, max].map(number).join(" / ")];
});
const { cpu, cores, kernel, node } = describeMachine(".");
const report = [
  `- ${swarms} swarms of four seats, ${runs} runs; ${cores} cores (${cpu}), Linux ${kernel}, Node ${node}`,
  `- load average before each run: ${loads.map((load) => load.toFixed(2)).join(", ")}`,
  "",
  align([["", "unit", "min / median / max"], ...rows]),
].join("\n");
console.log(`\n${report}`);
if (values.write !== undefined) {
  const file = join(process.cwd(), values.write);
  const marks = /(<!-- bench:operator -->\n)[\s\S]*?(<!-- \/bench:operator -->)/;
  const text = readFileSync(file, "utf8");
  if (!marks.test(text)) throw new Error(`${values.write} has no bench:operator comments`);
  writeFileSync(
    file,
    text.replace(marks, (_, open: string, close: string) => `${open}${report}\n${close}`),
  );
}
process.exit(0);
