/**
 * A canary of real processes under load. With one region far away, a timeout policy that gives views up before a far
 * leader can be heard is aborted, with the numbers; later one that learns is promoted to every seat.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import type { ValidatorSwarmStatus } from "../../operator/api/status.ts";
import { parseValidatorSwarm } from "../../operator/api/validator-swarm.ts";
import { type Fleet, startFleet } from "../../operator/embedded/fleet.ts";
import { configMaps, pods } from "../../operator/kube/kinds.ts";
import { arrayAt, isRecord, pathOf, textAt } from "../../operator/kube/objects.ts";
import { type Load, startLoad, unsettled } from "../fleet/load.ts";

const root = join(import.meta.dirname, "../..");
const swarm = "quickstart";
/** A region, and what its messages take each way; the others are near each other. */
const region = "us-east";
const weather = (delay: string) => ({ [`any.${region}`]: delay, [`${region}.any`]: delay, "any.any": "delay=10ms" });
/** Far enough that its leader's views take more than twice the mean of all views, also on a busy machine. */
const far = weather("delay=600ms");
const near = weather("delay=20ms");
/** Long enough to show that a share of some hundred views is not a point higher; what is worse is shown in less. */
const durationSeconds = 180;
/** Restarts of every seat, a warm-up and the whole duration, on a busy machine. */
const verdictBound = 300_000;
const settledBound = 120_000;
/** Messages asked for at a time. */
const lookups = 16;
const loadEveryMs = 50;
const paymentsPerMessage = 100;
const leastRate = 1_000;

const deadlineMs = 10_000;
const signal = new AbortController().signal;

/** Where a scenario may work. */
export interface CanaryContext {
  readonly directory: string;
  readonly portBase: number;
}

export const canary = { name: "canary", minutes: 6, run };

async function run({ directory, portBase }: CanaryContext): Promise<string> {
  const document = parse(readFileSync(join(root, "manifests/quickstart.yaml"), "utf8"));
  document.spec.gateway = { replicas: 0 };
  const manifest = parseValidatorSwarm(stringify(document));
  if (manifest.kind !== "ok") throw new Error("the manifest is not valid");
  const started = await startFleet(manifest.swarm, { portBase, directory, signal });
  if (started.kind === "failed") throw new Error(started.reason);
  const { fleet } = started;
  try {
    await makeWeather(fleet, "POST", far);
    const load = await startLoad(fleet, loadEveryMs, paymentsPerMessage);
    const began = performance.now();
    const eager = await abortsTheEager(fleet);
    await makeWeather(fleet, "PATCH", near);
    const learned = await promotesTheLearned(fleet);
    const seconds = (performance.now() - began) / 1_000;
    await load.stop();
    const rate = (load.acknowledged.size * paymentsPerMessage) / seconds;
    await allSettled(fleet, load);
    must(rate >= leastRate, `${Math.round(rate)} payments/s were acknowledged, less than ${leastRate}`);
    return `${eager}\n        ${learned}\n        ${Math.round(rate)} payments/s acknowledged for ${Math.round(seconds)} s, all of them settled`;
  } finally {
    await fleet.close();
  }
}

const trial = (overrides: Readonly<Record<string, unknown>>) => ({
  canary: {
    seats: 1,
    durationSeconds,
    // Quiet, so that the policies are compared and not what is logged.
    overrides: { minTimeout: null, logLevel: "info", tracingPercent: 1, ...overrides },
    analysis: [
      { metric: "ViewTimeouts", minSamples: 60 },
      { metric: "FinalityLatency", maxIncreasePercent: 50, minSamples: 60 },
    ],
  },
});

async function abortsTheEager(fleet: Fleet): Promise<string> {
  const before = await podsOf(fleet);
  await fleet.change(trial({ timeoutPolicy: "ema", minTimeout: 10 }));
  await reached(fleet, "the eager policy is watched", () => stage(fleet) === "Watching", verdictBound);
  const ms = await reached(fleet, "the eager policy is aborted", () => stage(fleet) === "Aborted", verdictBound);
  const { seats = [], analysis = [], message = "" } = fleet.status()?.canary ?? {};
  const worse = analysis.find(({ verdict }) => verdict === "Worse");
  must(worse !== undefined && worse.p <= 0.05 && worse.changedFigure > worse.othersFigure, `no numbers: ${message}`);
  await reached(fleet, "it goes back", () => settled(fleet) && isHealthy(fleet, "CanaryAborted"), settledBound);
  const after = await podsOf(fleet);
  must(
    before.every(({ seat, revision, uid }) => {
      const now = after.find((each) => each.seat === seat);
      return now?.revision === revision && (now.uid === uid) !== seats.includes(seat);
    }),
    "only the canary's pods were replaced, and all run what they ran",
  );
  return `eager: aborted ${ms} ms after it was first watched. ${message}`;
}

async function promotesTheLearned(fleet: Fleet): Promise<string> {
  // A view that was given up teaches nothing: the floor keeps it patient until it has learned.
  await fleet.change(trial({ timeoutPolicy: "learned", minTimeout: 2_000 }));
  await reached(fleet, "the learned policy is watched", () => stage(fleet) === "Watching", verdictBound);
  const ms = await reached(fleet, "the learned policy has a verdict", () => isOver(fleet), verdictBound);
  const message = fleet.status()?.canary?.message ?? "";
  must(stage(fleet) === "Promoted", `it was not promoted: ${message}`);
  await reached(fleet, "it is everywhere", () => settled(fleet) && isHealthy(fleet, "CanaryPromoted"), verdictBound);
  const promoted = await podsOf(fleet);
  must(new Set(promoted.map(({ revision }) => revision)).size === 1, "every pod has the same revision");
  must(
    (await policies(fleet)).every((policy) => policy === "learned"),
    "every seat has the policy in its configuration",
  );

  await fleet.change({ consensus: { timeoutPolicy: "learned", minTimeout: 2_000 }, canary: null });
  await reached(fleet, "the spec says so too", () => settled(fleet) && isHealthy(fleet, "UpToDate"), settledBound);
  must(JSON.stringify(await podsOf(fleet)) === JSON.stringify(promoted), "what was promoted restarts nobody");
  return `learned: promoted ${ms} ms after it was first watched. ${message}`;
}

const stage = (fleet: Fleet): NonNullable<ValidatorSwarmStatus["canary"]>["stage"] | undefined =>
  fleet.status()?.canary?.stage;
const isOver = (fleet: Fleet) => ["Promoted", "Aborted", "Inconclusive"].includes(stage(fleet) ?? "");
const conditionOf = (fleet: Fleet, type: string) => fleet.status()?.conditions.find((each) => each.type === type);
const isHealthy = (fleet: Fleet, reason: string) => conditionOf(fleet, "RolloutHealthy")?.reason === reason;
const settled = (fleet: Fleet) =>
  conditionOf(fleet, "Ready")?.status === "True" &&
  conditionOf(fleet, "Progressing")?.status === "False" &&
  fleet.status()?.permit === undefined;

async function makeWeather(
  fleet: Fleet,
  method: "POST" | "PATCH",
  data: Readonly<Record<string, string>>,
): Promise<void> {
  const { namespace } = fleet.world;
  const name = `${swarm}-links`;
  const created = { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data };
  const answer = await fleet.world.api("weather").request({
    method,
    path: method === "POST" ? pathOf(configMaps, namespace) : pathOf(configMaps, namespace, name),
    body:
      method === "POST"
        ? { type: "application/json", value: created }
        : { type: "application/merge-patch+json", value: { data } },
    signal,
    deadlineMs,
  });
  if (answer.kind === "failed") throw new Error(answer.failure.message);
}

async function get(fleet: Fleet, path: string): Promise<unknown> {
  const answer = await fleet.world.api("canary").request({ method: "GET", path, signal, deadlineMs });
  if (answer.kind === "failed") throw new Error(answer.failure.message);
  return answer.body;
}

interface SeatPod {
  readonly seat: string;
  readonly uid: string;
  readonly revision: string;
}

async function podsOf(fleet: Fleet): Promise<readonly SeatPod[]> {
  const list = await get(fleet, pathOf(pods, fleet.world.namespace));
  const found = arrayAt(list, "items").flatMap((pod): SeatPod[] => {
    const metadata = isRecord(pod) ? pod["metadata"] : undefined;
    const [labels, annotations] = isRecord(metadata) ? [metadata["labels"], metadata["annotations"]] : [];
    const seat = textAt(labels, "validatorswarm.io/seat");
    if (seat === "") return [];
    return [{ seat, uid: textAt(metadata, "uid"), revision: textAt(annotations, "validatorswarm.io/revision") }];
  });
  return found.toSorted((a, b) => (a.seat < b.seat ? -1 : 1));
}

/** The timeout policy in each validator's configuration. */
async function policies(fleet: Fleet): Promise<readonly string[]> {
  return Promise.all(
    fleet.view.seats.map(async ({ identity }) => {
      const config = await get(fleet, pathOf(configMaps, fleet.world.namespace, identity));
      const { parameters } = JSON.parse(textAt(isRecord(config) ? config["data"] : undefined, "config.json"));
      return parameters.timeoutPolicy;
    }),
  );
}

/** On one validator, and all of them have one root. */
async function allSettled(fleet: Fleet, { acknowledged }: Load): Promise<void> {
  const [link] = fleet.view.links;
  if (!link) throw new Error("there is no validator");
  let missing: readonly Uint8Array[] = [...acknowledged.values()];
  for (const until = performance.now() + settledBound; missing.length > 0; ) {
    const slices = Array.from({ length: lookups }, (_, i) => missing.filter((__, n) => n % lookups === i));
    missing = (await Promise.all(slices.map((slice) => unsettled(link, slice)))).flat();
    must(missing.length === 0 || performance.now() < until, `${missing.length} of ${acknowledged.size} not settled`);
  }
  must(fleet.view.state.divergedAt() === undefined, `state roots differ at ${fleet.view.state.divergedAt()}`);
}

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

/** Waits for a state of the status, at most so long; the milliseconds it took. */
async function reached(fleet: Fleet, what: string, holds: () => boolean, ms: number): Promise<number> {
  const started = performance.now();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const stop = fleet.watch(() => (holds() ? resolve() : undefined));
  const timer = setTimeout(() => reject(new Error(`not in ${ms} ms: ${what}. ${JSON.stringify(fleet.status())}`)), ms);
  if (holds()) resolve();
  await promise.finally(() => {
    stop();
    clearTimeout(timer);
  });
  return Math.round(performance.now() - started);
}
