/** One swarm as objects and live figures show it together. What cannot be read is shown as absent, never as good. */
import { z } from "zod";
import { arrayAt, isRecord, numberAt, type StoredObject, textAt } from "../operator/kube/objects.ts";
import type { LiveFigures } from "./live.ts";
import { type RegionReport, type SeatReport, type SwarmReport, statusParts } from "./shapes.ts";

const count = z.int().min(0);
const specPart = z.object({
  replicas: count,
  regions: z.array(z.object({ name: z.string() })).default([]),
  members: z.array(z.object({ id: z.string(), region: z.string() })).default([]),
  consensus: z
    .object({ coverage: z.object({ requiredRegions: z.record(z.string(), count).optional() }).default({}) })
    .default({ coverage: {} }),
});

const seatPart = z.object({
  name: z.string(),
  region: z.string(),
  power: count,
  role: z.string(),
  voting: z.string(),
  identity: z.string(),
  generation: count,
  replacedAt: z.string().optional(),
});
type Seat = z.infer<typeof seatPart>;

/** The entries of a list that are as they should be. */
const entries = <T extends z.ZodType>(entry: T) =>
  z
    .array(z.unknown())
    .catch([])
    .transform((all) => all.flatMap((each) => entry.safeParse(each).data ?? []));

/** Parts that are absent or not as they should be are left out one by one. */
const statusPart = z.object({
  observedGeneration: count.catch(0),
  conditions: entries(statusParts.condition),
  replicas: count.catch(0),
  chainId: z.string().catch(""),
  epoch: count.catch(0),
  power: statusParts.power.nullable().catch(null),
  seats: entries(seatPart),
  permit: statusParts.permit.nullable().catch(null),
  membershipChange: statusParts.membershipChange.nullable().catch(null),
  rollout: statusParts.rollout.nullable().catch(null),
  canary: statusParts.canary.nullable().catch(null),
  lastCheckpoint: statusParts.checkpoint.nullable().catch(null),
});

/** Labels of everything that belongs to a swarm. */
export const instanceLabel = "app.kubernetes.io/instance";
const componentLabel = "app.kubernetes.io/component";
export const seatLabel = "validatorswarm.io/seat";

/** Each swarm with those of the pods that are its own. */
export function reportAll(
  swarms: readonly StoredObject[],
  pods: readonly StoredObject[],
  live: ReadonlyMap<string, LiveFigures>,
): readonly SwarmReport[] {
  return swarms.map((swarm) => reportOf(swarm, podsOf(swarm.metadata.name, pods), live));
}

/** Those of the pods that belong to the swarm, of one component or of all. */
export function podsOf(
  swarm: string,
  pods: readonly StoredObject[],
  component?: "validator" | "gateway",
): readonly StoredObject[] {
  return pods.filter(
    ({ metadata: { labels = {} } }) =>
      labels[instanceLabel] === swarm && (component === undefined || labels[componentLabel] === component),
  );
}

/** `pods`: those of the swarm. */
export function reportOf(
  swarm: StoredObject,
  pods: readonly StoredObject[],
  live: ReadonlyMap<string, LiveFigures>,
): SwarmReport {
  const { name, namespace = "", generation = 0, deletionTimestamp } = swarm.metadata;
  const spec = specPart.safeParse(swarm["spec"]).data;
  const status = statusPart.parse(isRecord(swarm["status"]) ? swarm["status"] : {});
  const { observedGeneration, seats, replicas, ...rest } = status;
  const newest = Math.max(0, ...[...live.values()].map(({ height }) => height));
  const foreign = new Set(spec?.members.map(({ id }) => id));
  const degraded = new Set([...live.values()].flatMap(({ degradedRegions }) => degradedRegions));
  const names = new Set([
    ...(spec?.regions ?? []).map((region) => region.name),
    ...(spec?.members ?? []).map(({ region }) => region),
    ...seats.map(({ region }) => region),
  ]);
  const required = spec?.consensus.coverage.requiredRegions;
  const regions = [...names].map((region): RegionReport => {
    const here = seats.filter((seat) => seat.region === region);
    return {
      name: region,
      power: here.reduce((sum, { power }) => sum + power, 0),
      required: required ? (required[region] ?? 0) : 1,
      degraded: degraded.has(region),
      seats: here.map((seat) =>
        seatReport(
          seat,
          pods.find((pod) => pod.metadata.name === seat.identity),
          live.get(seat.identity),
          newest,
          !foreign.has(seat.name),
        ),
      ),
    };
  });
  return {
    name,
    namespace,
    deleting: deletionTimestamp !== undefined,
    observed: observedGeneration > 0 && observedGeneration === generation,
    ready: status.conditions.some(({ type, status: holds }) => type === "Ready" && holds === "True"),
    replicas: { wanted: spec?.replicas ?? 0, inForce: replicas },
    ...rest,
    regions,
    gateways: podsOf(name, pods, "gateway")
      .map(podReport)
      .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

function seatReport(
  seat: Seat,
  pod: StoredObject | undefined,
  figures: LiveFigures | undefined,
  newest: number,
  managed: boolean,
): SeatReport {
  const { replacedAt, ...rest } = seat;
  const shown = pod ? podReport(pod) : null;
  const health = healthOf(seat);
  return {
    ...rest,
    managed,
    health,
    trouble: troubleOf(seat, shown, figures, managed),
    height: figures?.height ?? null,
    lag: figures ? newest - figures.height : null,
    replacedAt: replacedAt ?? null,
    pod: shown,
  };
}

function healthOf({ identity, replacedAt, role, voting }: Seat): SeatReport["health"] {
  if (replacedAt !== undefined) return "missed";
  if (role === "validator") return voting === "yes" ? "healthy" : voting === "no" ? "silent" : "unseen";
  return role === "learner" && identity !== "" ? "joining" : "absent";
}

function troubleOf(
  { replacedAt }: Seat,
  pod: SeatReport["pod"],
  figures: LiveFigures | undefined,
  managed: boolean,
): string {
  if (figures?.quarantined === true) return "a quorum certified another state root than its own";
  if (replacedAt !== undefined) return `will be replaced at ${replacedAt} unless it comes back`;
  if (!managed) return "";
  if (!pod) return "has no pod";
  if (pod.ready && pod.state === "Running") return "";
  const what = pod.state === "Running" ? "not ready" : pod.state;
  return pod.message === "" ? `pod ${what}` : `pod ${what}: ${pod.message}`;
}

function podReport(pod: StoredObject): SwarmReport["gateways"][number] {
  const status = isRecord(pod["status"]) ? pod["status"] : {};
  const spec = isRecord(pod["spec"]) ? pod["spec"] : {};
  const [container] = arrayAt(status, "containerStatuses");
  const state = isRecord(container) && isRecord(container["state"]) ? container["state"] : {};
  const stopped = [state["waiting"], state["terminated"]];
  const reason = stopped.map((each) => textAt(each, "reason")).find((text) => text !== "");
  const readiness = readinessOf(pod);
  const ready = isReady(pod);
  const said = [...stopped, readiness].map((each) => textAt(each, "message")).find((text) => text !== "");
  return {
    name: pod.metadata.name,
    state:
      pod.metadata.deletionTimestamp === undefined ? (reason ?? (textAt(status, "phase") || "Pending")) : "Terminating",
    ready,
    message: ready ? "" : (said ?? "").slice(0, longestMessage),
    restarts: Math.max(0, Math.trunc(numberAt(container, "restartCount") ?? 0)),
    node: textAt(spec, "nodeName"),
  };
}

const readinessOf = (pod: StoredObject) =>
  arrayAt(pod["status"], "conditions").find((each) => textAt(each, "type") === "Ready");

export const isReady = (pod: StoredObject): boolean => textAt(readinessOf(pod), "status") === "True";

/** A container's last words can be long. */
const longestMessage = 300;
