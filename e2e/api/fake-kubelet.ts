/**
 * What nodes would do, for a control plane without any: makes nodes, places pods, brings disks for claims and writes the
 * statuses that a kubelet writes. No container runs; a `PodRunner` may put something behind a pod's address.
 */
import type { ApiClient, ApiRequest } from "../../operator/kube/api-client.ts";
import { systemClock } from "../../operator/kube/clock.ts";
import { configMaps, nodes, persistentVolumeClaims, pods } from "../../operator/kube/kinds.ts";
import { arrayAt, isRecord, type Kind, keyOf, pathOf, type StoredObject, textAt } from "../../operator/kube/objects.ts";
import { startWatched, type Watched } from "../../operator/kube/watched.ts";
import { createWorkQueue, type Outcome } from "../../operator/kube/work-queue.ts";

/** What runs behind a pod's address instead of its containers. */
export interface PodRunner {
  /** `address`: of the loopback range and the pod's own. `disk`: uid of the volume it mounts, "" without one. */
  readonly start: (pod: StoredObject, address: string, disk: string) => Promise<void>;
  readonly stop: (pod: StoredObject) => Promise<void>;
  /** How the pod's process ended, if it is one that ends; undefined while it runs. */
  readonly ended: (pod: StoredObject) => RunEnd | undefined;
  /** What the readiness probe says. */
  readonly ready: (pod: StoredObject, address: string) => Promise<boolean>;
}

export interface RunEnd {
  readonly exitCode: number;
  /** Termination message. */
  readonly message: string;
}

export interface FakeKubelet {
  /** Takes the disk of a claim away: the claim becomes `Lost`. */
  readonly loseDisk: (claim: string) => Promise<void>;
  readonly done: Promise<void>;
}

/** Addresses of 127.64.0.0/16: a name's own, and never off this machine. */
export function createAddresses(): (pod: string) => string {
  const addresses = new Map<string, string>();
  return (pod) => {
    const next = addresses.size + 1;
    const address = addresses.get(pod) ?? `127.64.${next >> 8}.${next & 255}`;
    addresses.set(pod, address);
    return address;
  };
}

export interface FakeKubeletOptions {
  readonly api: ApiClient;
  readonly namespace: string;
  /** One node for each, labelled `topology.kubernetes.io/region`. */
  readonly regions: readonly string[];
  readonly runner: PodRunner;
  /** Of a pod, by its name: known before it runs, as names in a DNS are. */
  readonly addressOf: (pod: string) => string;
  readonly signal: AbortSignal;
}

const persistentVolumes: Kind = {
  group: "",
  version: "v1",
  plural: "persistentvolumes",
  kind: "PersistentVolume",
  namespaced: false,
};
const region = "topology.kubernetes.io/region";
/** Well below the 40 s after which the node controller gives a silent node up. */
const heartbeatMs = 10_000;

/** Starts at once. `done` rejects with a bug, and resolves after the signal. */
export async function startFakeKubelet(options: FakeKubeletOptions): Promise<FakeKubelet> {
  const { api, namespace, runner, addressOf, signal } = options;
  /** By uid: those that the runner has started. */
  const running = new Set<string>();

  const send = (method: ApiRequest["method"], path: string, value?: unknown) =>
    api.request({
      method,
      path,
      signal,
      deadlineMs: 10_000,
      ...(value === undefined
        ? {}
        : { body: { type: method === "PATCH" ? "application/merge-patch+json" : "application/json", value } }),
    });
  const outcome = async (...sent: Parameters<typeof send>): Promise<Outcome> => {
    const answer = await send(...sent);
    // A conflict or an absence is answered by the next look.
    return answer.kind === "ok" || answer.failure.status === 404 ? done : { kind: "retry" };
  };

  for (const name of options.regions) await makeNode(name);
  const beat = setInterval(() => {
    for (const name of options.regions) void heartbeat(name);
  }, heartbeatMs);
  signal.addEventListener("abort", () => clearInterval(beat), { once: true });

  /** Pods seen, by key: to find those that wait for a claim or a config map. */
  const known = new Map<string, StoredObject>();
  const noted = (pod: StoredObject) => {
    known.set(keyOf(pod), pod);
    return [`pod ${keyOf(pod)}`];
  };
  const queue = createWorkQueue({ clock: systemClock, concurrency: 4, work: reconcile });
  const watched: Watched = startWatched({
    api,
    clock: systemClock,
    random: Math.random,
    scope: { kind: "namespaces", namespaces: [namespace] },
    kinds: [
      { kind: pods, keys: noted },
      { kind: persistentVolumeClaims, keys: (claim) => [`claim ${keyOf(claim)}`, ...usersOf(claim.metadata.name)] },
      { kind: configMaps, keys: (map) => usersOf(map.metadata.name) },
    ],
    signal,
    onKey: (key) => queue.add(key),
    onObservation: () => {},
  });
  await watched.synced;
  queue.start();
  signal.addEventListener("abort", () => void queue.halt(), { once: true });

  /** Pods that mount a claim or a config map of the name: all wait for it. */
  function usersOf(name: string): readonly string[] {
    const waiting = [...known.values()].filter((pod) => mounts(pod).some((mount) => mount.name === name));
    return waiting.map((pod) => `pod ${keyOf(pod)}`);
  }

  async function reconcile(key: string): Promise<Outcome> {
    const [what, name = ""] = key.split(" ");
    if (what === "claim") {
      const claim = watched.objects.get(persistentVolumeClaims, name);
      return claim ? bringDisk(claim) : done;
    }
    const pod = watched.objects.get(pods, name);
    return pod ? keepPod(pod) : done;
  }

  /** The volume controller binds the two, and calls the claim `Lost` when the disk is gone. */
  async function bringDisk(claim: StoredObject): Promise<Outcome> {
    const { uid, name } = claim.metadata;
    if (claim.metadata.deletionTimestamp !== undefined || textAt(claim["spec"], "volumeName") !== "") return done;
    const spec = isRecord(claim["spec"]) ? claim["spec"] : {};
    const resources = isRecord(spec["resources"]) ? spec["resources"] : {};
    const requests = isRecord(resources["requests"]) ? resources["requests"] : {};
    const answer = await send("POST", pathOf(persistentVolumes), {
      apiVersion: "v1",
      kind: "PersistentVolume",
      metadata: { name: diskOf(uid) },
      spec: {
        capacity: { storage: textAt(requests, "storage") || "1Gi" },
        accessModes: arrayAt(spec, "accessModes"),
        persistentVolumeReclaimPolicy: "Retain",
        storageClassName: textAt(spec, "storageClassName"),
        // Never made: no container mounts it.
        hostPath: { path: `/nonexistent/${uid}` },
        claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace, name, uid },
      },
    });
    return answer.kind === "ok" || answer.failure.status === 409 ? done : { kind: "retry" };
  }

  async function keepPod(pod: StoredObject): Promise<Outcome> {
    const { name, uid, deletionTimestamp } = pod.metadata;
    const node = textAt(pod["spec"], "nodeName");
    if (deletionTimestamp !== undefined) return endPod(pod);
    if (node === "") return place(pod);
    const wants = mounts(pod);
    const missing = wants.some(({ kind, name: mounted }) => {
      const found = watched.objects.get(kind, `${namespace}/${mounted}`);
      if (!found) return true;
      return kind === persistentVolumeClaims && textAt(found["status"], "phase") !== "Bound";
    });
    if (missing) return done;
    const address = addressOf(name);
    if (!running.has(uid)) {
      running.add(uid);
      const claim = wants.find(({ kind }) => kind === persistentVolumeClaims);
      const disk = claim ? watched.objects.get(persistentVolumeClaims, `${namespace}/${claim.name}`) : undefined;
      await runner.start(pod, address, disk?.metadata.uid ?? "");
    }
    const end = runner.ended(pod);
    if (end) {
      if (/Succeeded|Failed/.test(textAt(pod["status"], "phase"))) return done;
      return outcome("PATCH", pathOf(pods, namespace, name, "status"), { metadata: { uid }, status: over(pod, end) });
    }
    const ready = await runner.ready(pod, address);
    if (textAt(pod["status"], "phase") === "Running" && isReady(pod) === ready) return again;
    const status = runs(pod, address, ready);
    const written = await outcome("PATCH", pathOf(pods, namespace, name, "status"), { metadata: { uid }, status });
    return written.kind === "done" ? again : written;
  }

  /** As a kubelet does: the containers first, their end into the status, then the object. */
  async function endPod(pod: StoredObject): Promise<Outcome> {
    const { name, uid } = pod.metadata;
    if (running.has(uid)) await runner.stop(pod);
    running.delete(uid);
    if (textAt(pod["status"], "phase") !== "Failed" && textAt(pod["spec"], "nodeName") !== "") {
      const written = await outcome("PATCH", pathOf(pods, namespace, name, "status"), {
        metadata: { uid },
        status: ended(pod),
      });
      if (written.kind === "retry") return written;
    }
    // Somebody's finalizer keeps it: all that a kubelet can do is done.
    if (isRecord(pod.metadata) && pod.metadata["deletionGracePeriodSeconds"] === 0) return done;
    return outcome("DELETE", pathOf(pods, namespace, name), {
      apiVersion: "v1",
      kind: "DeleteOptions",
      gracePeriodSeconds: 0,
      preconditions: { uid },
    });
  }

  /** The scheduler's part: the node of the region that the pod selects, or any. */
  async function place(pod: StoredObject): Promise<Outcome> {
    const { name, uid } = pod.metadata;
    const selector = isRecord(pod["spec"]) ? pod["spec"]["nodeSelector"] : undefined;
    const wanted = textAt(selector, region) || options.regions[0];
    if (wanted === undefined || !options.regions.includes(wanted)) return done;
    return outcome("POST", `${pathOf(pods, namespace, name)}/binding`, {
      apiVersion: "v1",
      kind: "Binding",
      metadata: { name, namespace, uid },
      target: { apiVersion: "v1", kind: "Node", name: nodeOf(wanted) },
    });
  }

  async function makeNode(name: string): Promise<void> {
    const metadata = { name: nodeOf(name), labels: { [region]: name, "topology.kubernetes.io/zone": `${name}-a` } };
    await send("POST", pathOf(nodes), { apiVersion: "v1", kind: "Node", metadata });
    await heartbeat(name);
  }

  async function heartbeat(name: string): Promise<void> {
    const now = new Date().toISOString().replace(/\.\d+/, "");
    const ready = { type: "Ready", status: "True", reason: "KubeletReady", lastHeartbeatTime: now };
    await send("PATCH", pathOf(nodes, undefined, nodeOf(name), "status"), { status: { conditions: [ready] } });
  }

  return {
    async loseDisk(claim) {
      const uid = watched.objects.get(persistentVolumeClaims, `${namespace}/${claim}`)?.metadata.uid ?? "";
      const path = pathOf(persistentVolumes, undefined, diskOf(uid));
      await send("DELETE", path);
      // A bound disk is protected for as long as its claim is there: this one broke.
      await send("PATCH", path, { metadata: { finalizers: null } });
    },
    done: Promise.race([watched.done, queue.failed]),
  };
}

const done: Outcome = { kind: "done" };
/** The period of a readiness probe. */
const again: Outcome = { kind: "again", afterMs: 500 };
const nodeOf = (name: string) => `node-${name}`;
const diskOf = (claimUid: string) => `disk-${claimUid}`;

interface Mount {
  readonly kind: Kind;
  readonly name: string;
}

function mounts(pod: StoredObject): readonly Mount[] {
  return arrayAt(pod["spec"], "volumes").flatMap((volume): Mount[] => {
    if (!isRecord(volume)) return [];
    const claim = textAt(volume["persistentVolumeClaim"], "claimName");
    const map = textAt(volume["configMap"], "name");
    return [
      ...(claim === "" ? [] : [{ kind: persistentVolumeClaims, name: claim }]),
      ...(map === "" ? [] : [{ kind: configMaps, name: map }]),
    ];
  });
}

const isReady = (pod: StoredObject) =>
  arrayAt(pod["status"], "conditions").some(
    (each) => textAt(each, "type") === "Ready" && textAt(each, "status") === "True",
  );

const containersOf = (pod: StoredObject) => arrayAt(pod["spec"], "containers").map((each) => textAt(each, "name"));

function runs(pod: StoredObject, address: string, ready: boolean) {
  const now = new Date().toISOString().replace(/\.\d+/, "");
  const conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"];
  return {
    phase: "Running",
    podIP: address,
    podIPs: [{ ip: address }],
    hostIP: "127.0.0.1",
    startTime: now,
    conditions: conditions.map((type) => ({
      type,
      status: ready || !/Ready/.test(type) ? "True" : "False",
      lastTransitionTime: now,
    })),
    containerStatuses: containersOf(pod).map((name) => ({
      name,
      ready,
      started: true,
      restartCount: 0,
      image: "fake",
      imageID: "fake",
      state: { running: { startedAt: now } },
    })),
  };
}

/** Its process ended by itself, and is not to be started again. */
function over(pod: StoredObject, { exitCode, message }: RunEnd) {
  const status = ended(pod);
  const terminated = { ...status.containerStatuses[0]?.state.terminated, exitCode, message };
  return {
    ...status,
    phase: exitCode === 0 ? "Succeeded" : "Failed",
    containerStatuses: status.containerStatuses.map((each) => ({ ...each, state: { terminated } })),
  };
}

function ended(pod: StoredObject) {
  const now = new Date().toISOString().replace(/\.\d+/, "");
  return {
    phase: "Failed",
    conditions: ["PodScheduled", "Ready"].map((type) => ({
      type,
      status: type === "Ready" ? "False" : "True",
      lastTransitionTime: now,
    })),
    containerStatuses: containersOf(pod).map((name) => ({
      name,
      ready: false,
      restartCount: 0,
      image: "fake",
      imageID: "fake",
      state: { terminated: { exitCode: 0, reason: "Completed", finishedAt: now } },
    })),
  };
}
