/**
 * The kubelet of the embedded world, with the controllers that a cluster has beside it: makes nodes of regions, places
 * pods, runs them as processes, keeps claims as directories, deployments and disruption budgets, and the links between
 * members. It speaks to the API only. Level-triggered: every key is worked on from what is, one run at a time.
 */
import type { ApiClient } from "../../kube/api-client.ts";
import type { Clock } from "../../kube/clock.ts";
import {
  configMaps,
  deployments,
  nodes,
  persistentVolumeClaims,
  podDisruptionBudgets,
  pods as podKind,
  secrets,
  validatorSwarms,
} from "../../kube/kinds.ts";
import type { ListWatchTuning } from "../../kube/list-watch.ts";
import { keyOf, type ObjectKey, type StoredObject } from "../../kube/objects.ts";
import { type Objects, startWatched, type WatchedKind } from "../../kube/watched.ts";
import { createWorkQueue, type Outcome } from "../../kube/work-queue.ts";
import type { Addresses } from "../addresses.ts";
import type { Backoff } from "../backoff.ts";
import { endLeftovers } from "../leftovers.ts";
import { forecastSuffix } from "../links/forecast.ts";
import type { Links } from "../links/links.ts";
import { createProcessRuntime } from "../process-runtime.ts";
import { createClaims } from "./claims.ts";
import { type Controllers, createControllers } from "./controllers.ts";
import { hostEnvironment } from "./environment.ts";
import { createEvictions, type Evict } from "./evictions.ts";
import { createImageStore } from "./images.ts";
import { swarmOf } from "./labels.ts";
import { kubeletLayout } from "./layout.ts";
import { type LogOptions, readLog } from "./logs.ts";
import { sweepPods } from "./mounts.ts";
import { referencesOf } from "./pod-spec.ts";
import { createPods } from "./pods.ts";
import { troubleOf } from "./trouble.ts";
import { createWrites } from "./writes.ts";

export interface KubeletOptions {
  readonly api: ApiClient;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** `.swarm`. Only one kubelet may use it at a time (`lock.ts`). */
  readonly directory: string;
  readonly namespaces: readonly string[];
  /** Programs of the running sources, by container name; see `images.ts`. */
  readonly programs: Readonly<Record<string, string>>;
  readonly addresses: Addresses;
  readonly links: Links;
  /** Hears sentences about what is wrong and nobody else is told. */
  readonly onProblem: (message: string) => void;
  readonly backoff?: Backoff;
  readonly logBytes?: number;
  readonly tuning?: Partial<ListWatchTuning>;
}

export interface Kubelet {
  /** For the API server's `pods/eviction`. */
  readonly evict: Evict;
  /** For the API server's `pods/log`; undefined: no such pod. */
  readonly logs: (
    namespace: string,
    pod: string,
    options: LogOptions,
  ) => AsyncGenerator<Buffer, void, void> | undefined;
  /** Never resolves; rejects with a bug. */
  readonly failed: Promise<never>;
  /** Ends every process and resolves when they are gone. Objects stay: the next kubelet runs them again. */
  readonly close: (graceMs?: number) => Promise<void>;
}

/** Keys of the queue: what is to be looked at, and which. */
const about = {
  pod: (key: ObjectKey) => `pod ${key}`,
  claim: (key: ObjectKey) => `claim ${key}`,
  deployment: (key: ObjectKey) => `deployment ${key}`,
  budgets: (object: StoredObject) => `budgets ${object.metadata.namespace ?? ""}/${swarmOf(object)}`,
  links: (namespace: string, swarm: string) => `links ${namespace}/${swarm}`,
  nodes: "nodes",
} as const;

/** Objects worked on at a time: what takes time is the API. */
const concurrency = 16;
const mostRemembered = 256;

/** Ends what an earlier kubelet left, fills its stores and starts. Rejects when leftovers cannot be ended. */
export async function startKubelet(options: KubeletOptions): Promise<Kubelet> {
  const { api, clock, random, directory, namespaces, programs, addresses, links } = options;
  const onProblem = sayOnce(options.onProblem);
  const layout = kubeletLayout(directory);
  const leftovers = await endLeftovers(layout.run);
  if (leftovers.length > 0) onProblem(`ended what an earlier start left: ${leftovers.join(", ")}`);

  const stop = new AbortController();
  const { signal } = stop;
  const writes = createWrites(api, signal, onProblem);
  const runtime = createProcessRuntime(layout.run, hostEnvironment());
  const podsIn = (namespace: string | undefined) => inNamespace(objects, podKind, namespace);
  /** Pods that are made from this object. */
  const usersOf = (kind: "claims" | "configMaps" | "secrets", key: ObjectKey, namespace: string | undefined) =>
    podsIn(namespace)
      .filter((pod) => referencesOf(pod)[kind].includes(key))
      .map((pod) => about.pod(keyOf(pod)));
  const queue = createWorkQueue({ clock, concurrency, work: (key) => work(key) });
  const settle = (key: ObjectKey) => {
    queue.add(about.claim(key));
    const [namespace] = key.split("/");
    for (const user of usersOf("claims", key, namespace)) queue.add(user);
  };

  const kinds: readonly WatchedKind[] = [
    { kind: podKind, keys: keysOfPod },
    {
      kind: persistentVolumeClaims,
      keys: (claim) => [about.claim(keyOf(claim)), ...usersOf("claims", keyOf(claim), claim.metadata.namespace)],
    },
    {
      kind: configMaps,
      keys: (map) => [
        ...usersOf("configMaps", keyOf(map), map.metadata.namespace),
        ...(map.metadata.name.endsWith(forecastSuffix)
          ? [about.links(map.metadata.namespace ?? "", map.metadata.name.slice(0, -forecastSuffix.length))]
          : []),
      ],
    },
    { kind: secrets, keys: (secret) => usersOf("secrets", keyOf(secret), secret.metadata.namespace) },
    { kind: deployments, keys: (deployment) => [about.deployment(keyOf(deployment))] },
    { kind: podDisruptionBudgets, keys: (budget) => [about.budgets(budget)] },
    { kind: validatorSwarms, keys: () => [about.nodes] },
    {
      kind: nodes,
      keys: () => [
        about.nodes,
        ...objects
          .list(podKind)
          .filter((pod) => !isPlaced(pod))
          .map((pod) => about.pod(keyOf(pod))),
      ],
    },
  ];
  const watched = startWatched({
    api,
    clock,
    random,
    scope: { kind: "namespaces", namespaces },
    kinds,
    signal,
    onKey: (key) => queue.add(key),
    onObservation: (kind, observation) => {
      if (observation.kind === "failed") onProblem(`${kind.plural}: ${observation.failure.message}`);
    },
    ...(options.tuning ? { tuning: options.tuning } : {}),
  });
  const { objects } = watched;

  const claims = createClaims({ layout, clock, onHint: settle });
  const controllers: Controllers = createControllers({
    objects,
    writes,
    clock,
    claims,
    addresses,
    links,
    onProblem,
    isHeld: (key) => pods.isHeld(key),
    onLost: settle,
    api,
    signal,
  });
  const pods = createPods({
    world: {
      pod: (key) => objects.get(podKind, key),
      configMap: (namespace, name) => objects.get(configMaps, keyOf({ metadata: { namespace, name } })),
      secret: (namespace, name) => objects.get(secrets, keyOf({ metadata: { namespace, name } })),
      claim: controllers.useClaim,
      place: controllers.place,
    },
    runtime,
    images: createImageStore({ bundles: layout.bundles, programs }),
    layout,
    writes,
    clock,
    onDue: (key) => queue.add(about.pod(key)),
    onReleased: settle,
    ...(options.backoff ? { backoff: options.backoff } : {}),
    ...(options.logBytes === undefined ? {} : { logBytes: options.logBytes }),
  });

  function keysOfPod(pod: StoredObject): readonly string[] {
    const { namespace = "", ownerReferences = [] } = pod.metadata;
    const owner = ownerReferences.find(({ controller, kind }) => controller === true && kind === deployments.kind);
    return [
      about.pod(keyOf(pod)),
      ...referencesOf(pod).claims.map(about.claim),
      ...(owner ? [about.deployment(`${namespace}/${owner.name}`)] : []),
      about.budgets(pod),
      about.links(namespace, swarmOf(pod)),
      ...(pod.metadata.deletionTimestamp === undefined ? [] : [about.nodes]),
    ];
  }

  /** What the machine refuses is tried again, and does not end the world. */
  async function work(key: string): Promise<Outcome> {
    try {
      return await workOn(key);
    } catch (error) {
      const trouble = troubleOf(error);
      if (trouble === undefined) throw error;
      onProblem(`${key}: ${trouble}`);
      return { kind: "retry" };
    }
  }

  async function workOn(key: string): Promise<Outcome> {
    const at = key.indexOf(" ");
    const what = at < 0 ? key : key.slice(0, at);
    const which = key.slice(at + 1);
    switch (what) {
      case "pod":
        return pods.reconcile(which);
      case "claim":
        return controllers.claim(which);
      case "deployment":
        return controllers.deployment(which);
      case "budgets":
        return controllers.budgets(which);
      case "links":
        return controllers.links(which);
      default:
        return controllers.nodes();
    }
  }

  await watched.synced;
  sweepPods(layout.pods, (key) => objects.get(podKind, key) !== undefined);
  queue.start();

  return {
    evict: createEvictions({
      pods: podsIn,
      budgets: (namespace) => inNamespace(objects, podDisruptionBudgets, namespace),
      writes,
    }),
    logs(namespace, name, how) {
      const pod = objects.get(podKind, keyOf({ metadata: { namespace, name } }));
      return pod && readLog(layout.logOf(pod), how);
    },
    failed: queue.failed,
    async close(graceMs) {
      const drained = queue.drain();
      claims.close();
      await pods.close(graceMs);
      stop.abort();
      await Promise.all([drained, watched.done]);
    },
  };
}

/** What is tried again and again fails with the same words. */
function sayOnce(say: (message: string) => void): (message: string) => void {
  const said = new Set<string>();
  return (message) => {
    if (said.has(message)) return;
    if (said.size >= mostRemembered) said.clear();
    said.add(message);
    say(message);
  };
}

function isPlaced({ spec }: StoredObject): boolean {
  return typeof spec === "object" && spec !== null && "nodeName" in spec && spec.nodeName !== "";
}

function inNamespace(objects: Objects, kind: typeof podKind, namespace: string | undefined): readonly StoredObject[] {
  return objects.list(kind).filter(({ metadata }) => metadata.namespace === namespace);
}
