/** The controllers beside the kubelet: each reads what is, decides with a pure function and writes the difference. */
import type { ApiClient } from "../../kube/api-client.ts";
import { createWriter } from "../../kube/apply.ts";
import type { Clock } from "../../kube/clock.ts";
import {
  configMaps,
  deployments as deploymentKind,
  nodes as nodeKind,
  persistentVolumeClaims,
  podDisruptionBudgets,
  pods as podKind,
  validatorSwarms,
} from "../../kube/kinds.ts";
import {
  isRecord,
  type JsonRecord,
  type Kind,
  keyOf,
  type ObjectKey,
  type StoredObject,
  textAt,
} from "../../kube/objects.ts";
import type { Objects } from "../../kube/watched.ts";
import type { Outcome } from "../../kube/work-queue.ts";
import type { Addresses } from "../addresses.ts";
import { forecastSuffix, type Member, readForecast } from "../links/forecast.ts";
import type { Links } from "../links/links.ts";
import { budgetStatus } from "./budgets.ts";
import type { Claims } from "./claims.ts";
import { planDeployment } from "./deployments.ts";
import { timestamp } from "./exit.ts";
import { hasLabels, isSafeName, label, swarmOf } from "./labels.ts";
import type { ClaimResult } from "./mounts.ts";
import { nodeStatus, nodesOf } from "./nodes.ts";
import { type PodPlan, portOf, readPod, referencesOf } from "./pod-spec.ts";
import { isOver } from "./pod-status.ts";
import type { Placement } from "./pods.ts";
import { schedule } from "./scheduling.ts";
import { kubeletManager, type Writes, type Written } from "./writes.ts";

export interface Controllers {
  readonly claim: (key: ObjectKey) => Promise<Outcome>;
  readonly deployment: (key: ObjectKey) => Promise<Outcome>;
  /** Key: `namespace/swarm`. */
  readonly budgets: (key: string) => Promise<Outcome>;
  /** Key: `namespace/swarm`. */
  readonly links: (key: string) => Promise<Outcome>;
  readonly nodes: () => Promise<Outcome>;
  readonly useClaim: (namespace: string, name: string) => ClaimResult;
  readonly place: (pod: StoredObject, plan: PodPlan) => Promise<Placement>;
}

export interface ControllersOptions {
  readonly api: ApiClient;
  readonly signal: AbortSignal;
  readonly objects: Objects;
  readonly writes: Writes;
  readonly clock: Clock;
  readonly claims: Claims;
  readonly addresses: Addresses;
  readonly links: Links;
  readonly onProblem: (message: string) => void;
  /** Whether a pod runs on the claim. */
  readonly isHeld: (claim: ObjectKey) => boolean;
  readonly onLost: (claim: ObjectKey) => void;
}

/** As in Kubernetes: keeps a claim until no pod uses it, here until its directory is gone. */
const claimFinalizer = "kubernetes.io/pvc-protection";
const managedBy = { "app.kubernetes.io/managed-by": "kubelet" };
/** A link whose port is taken is tried again. */
const linkRetryMs = 5_000;

const done: Outcome = { kind: "done" };

export function createControllers(options: ControllersOptions): Controllers {
  const { objects, writes, clock, claims, addresses, links, onProblem, isHeld, onLost } = options;
  const writer = createWriter({ api: options.api, fieldManager: kubeletManager, signal: options.signal });
  const startedAt = timestamp(clock.wall());
  const announced = new Set<string>();
  const inNamespace = (kind: Kind, namespace: string | undefined) =>
    objects.list(kind).filter(({ metadata }) => metadata.namespace === namespace);

  /** Retries what may go through later. What never will has been said. */
  function outcome(...results: readonly Written[]): Outcome {
    return results.some(({ kind }) => kind === "unavailable") ? { kind: "retry" } : done;
  }

  /** Writes a status unless it is so already. */
  async function tell(kind: Kind, object: StoredObject, status: JsonRecord): Promise<Written> {
    return covers(object["status"], status) ? { kind: "written", object } : writes.status(kind, object, status);
  }

  async function claim(key: ObjectKey): Promise<Outcome> {
    const found = objects.get(persistentVolumeClaims, key);
    if (!found) return done;
    const { deletionTimestamp, finalizers = [], namespace, name } = found.metadata;
    if (!isSafeName(name)) {
      onProblem(`persistentvolumeclaim "${name}" cannot be part of a path`);
      return done;
    }
    if (deletionTimestamp !== undefined) {
      const used = inNamespace(podKind, namespace).some(
        (pod) => referencesOf(pod).claims.includes(key) && !isOver(pod["status"]),
      );
      if (used || isHeld(key) || !finalizers.includes(claimFinalizer)) return done;
      await claims.destroy(found);
      addresses.forget(name);
      const freed = await writer.setFinalizer(persistentVolumeClaims, found, claimFinalizer, false);
      return freed.kind === "unavailable" || freed.kind === "conflict" ? { kind: "retry" } : done;
    }
    if (!finalizers.includes(claimFinalizer)) {
      const kept = await writer.setFinalizer(persistentVolumeClaims, found, claimFinalizer, true);
      if (kept.kind === "unavailable" || kept.kind === "conflict") return { kind: "retry" };
      if (kept.kind !== "applied" && kept.kind !== "unchanged") return done;
    }
    const state = claims.settle(found);
    if (state.kind === "lost" && textAt(found["status"], "phase") !== "Lost") {
      onProblem(`the volume ${key} is lost: ${state.message}`);
      onLost(key);
      return outcome(await tell(persistentVolumeClaims, found, { phase: "Lost" }));
    }
    if (state.kind === "lost") return done;
    const spec = isRecord(found["spec"]) ? found["spec"] : {};
    const requests = isRecord(spec["resources"]) ? spec["resources"]["requests"] : undefined;
    const status = { phase: "Bound", accessModes: spec["accessModes"] ?? [], capacity: requests ?? {} };
    return outcome(await tell(persistentVolumeClaims, found, status));
  }

  async function deployment(key: ObjectKey): Promise<Outcome> {
    const found = objects.get(deploymentKind, key);
    if (!found) return done;
    const { uid, namespace } = found.metadata;
    const owned = inNamespace(podKind, namespace).filter(({ metadata }) =>
      metadata.ownerReferences?.some((owner) => owner.uid === uid && owner.controller === true),
    );
    const { steps, status } = planDeployment(found, owned, addresses.other);
    const results: Written[] = [];
    for (const step of steps)
      results.push(
        step.kind === "create"
          ? await writes.create(podKind, namespace, step.pod)
          : await writes.remove(podKind, step.pod),
      );
    return outcome(...results, await tell(deploymentKind, found, status));
  }

  async function budgets(key: string): Promise<Outcome> {
    const [namespace, swarm] = split(key);
    const pods = inNamespace(podKind, namespace);
    const mine = inNamespace(podDisruptionBudgets, namespace).filter((budget) => ["", swarm].includes(swarmOf(budget)));
    const results = await Promise.all(
      mine.map((budget) => tell(podDisruptionBudgets, budget, budgetStatus(budget, pods))),
    );
    return outcome(...results);
  }

  async function linksOf(key: string): Promise<Outcome> {
    const [namespace, swarm] = split(key);
    if (swarm === "") return done;
    const members = inNamespace(podKind, namespace)
      .filter((pod) => swarmOf(pod) === swarm && pod.metadata.labels?.[label.component] === "validator")
      .flatMap((pod) => memberOf(pod) ?? []);
    const pairs = members.flatMap((from) => members.filter((to) => to !== from).map((to) => ({ from, to })));
    const forecast = readForecast(objects.get(configMaps, `${namespace}/${swarm}${forecastSuffix}`)?.["data"] ?? {});
    for (const problem of forecast.problems) onProblem(`configmap ${swarm}${forecastSuffix}: ${problem}`);
    // The weather first: a link that is to be cut never carries a byte.
    for (const { from, to } of pairs) links.set(from.pod, to.pod, forecast.of(from, to));
    const problems = await links.have(
      key,
      pairs.map(({ from, to }) => ({
        from: from.pod,
        to: to.pod,
        port: addresses.link(from.pod, to.pod),
        target: to.port,
      })),
    );
    for (const { message } of problems) onProblem(message);
    return problems.length > 0 ? { kind: "again", afterMs: linkRetryMs } : done;
  }

  async function nodes(): Promise<Outcome> {
    const wanted = nodesOf(objects.list(validatorSwarms));
    const results: Written[] = [];
    for (const { name, labels } of wanted) {
      const all = { ...labels, ...managedBy };
      const known = objects.get(nodeKind, name);
      const written: Written = !known
        ? await writes.create(nodeKind, undefined, {
            apiVersion: "v1",
            kind: "Node",
            metadata: { name, labels: all },
            spec: {},
          })
        : hasLabels(known.metadata.labels ?? {}, all)
          ? { kind: "written", object: known }
          : await writes.merge(nodeKind, known, { metadata: { labels: all } });
      results.push(written);
      if (written.kind !== "written" || announced.has(written.object.metadata.uid)) continue;
      const told = await writes.status(nodeKind, written.object, nodeStatus(name, startedAt));
      if (told.kind === "written") announced.add(written.object.metadata.uid);
      results.push(told);
    }
    const inUse = new Set(objects.list(podKind).map(({ spec }) => textAt(spec, "nodeName")));
    const stale = objects
      .list(nodeKind)
      .filter(({ metadata }) => hasLabels(metadata.labels ?? {}, managedBy) && !inUse.has(metadata.name))
      .filter(({ metadata }) => !wanted.some(({ name }) => name === metadata.name));
    for (const node of stale) results.push(await writes.remove(nodeKind, node));
    return outcome(...results);
  }

  async function place(pod: StoredObject, plan: PodPlan): Promise<Placement> {
    if (plan.nodeName !== "") return { kind: "placed" };
    const onNode = Map.groupBy(objects.list(podKind), ({ spec }) => textAt(spec, "nodeName"));
    const choice = schedule(plan, objects.list(nodeKind), (node) => onNode.get(node)?.length ?? 0);
    if (choice.kind === "unschedulable") return choice;
    const bound = await writes.merge(podKind, pod, { spec: { nodeName: choice.name } });
    switch (bound.kind) {
      case "refused":
        return { kind: "unschedulable", message: bound.message };
      case "unavailable":
        return bound;
      default:
        return { kind: "asked" };
    }
  }

  return {
    claim,
    deployment,
    budgets,
    links: linksOf,
    nodes,
    place,
    useClaim(namespace, name) {
      const found = objects.get(persistentVolumeClaims, keyOf({ metadata: { namespace, name } }));
      const message = `persistentvolumeclaim "${name}" not found`;
      return found ? claims.use(found) : { kind: "unusable", message, lost: false };
    },
  };
}

function memberOf(pod: StoredObject): (Member & { readonly port: number }) | undefined {
  const reading = readPod(pod);
  const port = reading.kind === "pod" ? portOf(reading.plan.container, "p2p") : undefined;
  if (reading.kind !== "pod" || port === undefined || isOver(pod["status"])) return undefined;
  const seat = pod.metadata.labels?.["validatorswarm.io/seat"] ?? "";
  return { pod: pod.metadata.name, seat, region: reading.plan.nodeName, port };
}

function split(key: string): readonly [namespace: string, swarm: string] {
  const at = key.indexOf("/");
  return [key.slice(0, at), key.slice(at + 1)];
}

/** Whether everything in `part` is in `whole`; lists as a whole. */
function covers(whole: unknown, part: unknown): boolean {
  if (isRecord(part))
    return isRecord(whole) && Object.entries(part).every(([field, value]) => covers(whole[field], value));
  return JSON.stringify(whole) === JSON.stringify(part);
}
