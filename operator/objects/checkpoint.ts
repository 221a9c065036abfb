/** The run of a checkpoint: a pod of its own with its configuration, so that no validator holds the credentials of a store. */
import { createHash } from "node:crypto";
import type { ValidatorSwarmSpec } from "../api/validator-swarm.ts";
import { configMaps, persistentVolumeClaims, pods } from "../kube/kinds.ts";
import {
  arrayAt,
  isRecord,
  type JsonRecord,
  type Kind,
  type KubeObject,
  type StoredObject,
  textAt,
} from "../kube/objects.ts";
import { controllerReference } from "../kube/owner.ts";
import type { IdentityLabels } from "../plan/snapshot.ts";
import { mountPath, relativePath, secretMount, tlsFilesOf, workingDir } from "./mounts.ts";
import { checkpointTlsSecret, swarmLabels } from "./names.ts";
import { restrictedContainer, restrictedPod } from "./security.ts";
import type { World } from "./world.ts";

/** Exactly one of the two. */
export type Destination = NonNullable<NonNullable<ValidatorSwarmSpec["checkpoints"]>["destination"]>;

export interface RunOrder {
  readonly swarm: StoredObject;
  readonly spec: ValidatorSwarmSpec;
  /** Of the pod and its configuration. */
  readonly name: string;
  /** With it, what is made goes. */
  readonly owner: StoredObject;
  readonly labels: Readonly<Record<string, string>>;
  readonly destination: Destination;
  /** Claim of the destination's volume, where it is one. */
  readonly claim: string;
  /** Of the checkpoint program. */
  readonly command: "take" | "verify" | "restore";
  /** Its configuration beyond what is told here: chain, height, manifest, … (checkpoint/config.ts). */
  readonly settings: JsonRecord;
  /** Identities that are asked, best first. */
  readonly validators: readonly IdentityLabels[];
}

/** Every object of the run, in the order in which they are made. */
export function runObjects(
  order: RunOrder,
  world: World,
): readonly { readonly kind: Kind; readonly object: KubeObject }[] {
  return [
    ...(order.destination.pvc && order.command === "take"
      ? [{ kind: persistentVolumeClaims, object: volume(order) }]
      : []),
    { kind: configMaps, object: configuration(order, world) },
    { kind: pods, object: pod(order, world) },
  ];
}

/** Name of the pod and its configuration, from what it is for: `checkpoint`, `restore`. */
export function runName(purpose: "checkpoint" | "restore", of: string): string {
  const name = `${purpose}-${of}`;
  if (name.length <= 63) return name;
  return `${name.slice(0, 52)}-${createHash("sha256").update(name).digest("hex").slice(0, 10)}`;
}

function metadata({ swarm, name, owner, labels }: RunOrder) {
  const { namespace } = swarm.metadata;
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    labels: { ...swarmLabels(swarm.metadata.name, "checkpoint"), ...labels },
    ownerReferences: [controllerReference(owner)],
  };
}

/** Outlives swarm and checkpoints: it is what is left of them. */
function volume({ swarm, destination, claim }: RunOrder): KubeObject {
  const { name, namespace } = swarm.metadata;
  const { size = "50Gi", storageClassName } = destination.pvc ?? {};
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: {
      name: claim,
      ...(namespace === undefined ? {} : { namespace }),
      labels: swarmLabels(name, "checkpoint"),
    },
    spec: {
      accessModes: ["ReadWriteOnce"],
      resources: { requests: { storage: size } },
      ...(storageClassName === undefined ? {} : { storageClassName }),
    },
  };
}

function configuration(order: RunOrder, world: World): KubeObject {
  const { swarm, destination, validators, settings } = order;
  const { name, namespace = "" } = swarm.metadata;
  const config = {
    ...settings,
    validators: validators.map(({ name: identity, seat }) => ({
      seat,
      url: world.rpcUrl({ identity, swarm: name, namespace }),
    })),
    ...(world.tlsSecret(name) === undefined ? {} : { tls: tlsFilesOf("tls") }),
    destination: destinationConfig(destination),
    scratch: `${relativePath("data")}/scratch`,
    result: `${relativePath("data")}/result`,
  };
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: metadata(order),
    data: { "config.json": `${JSON.stringify(config, undefined, 2)}\n` },
  };
}

function destinationConfig({ s3 }: Pick<Destination, "s3">): JsonRecord {
  if (!s3) return { directory: relativePath("checkpoints") };
  const { bucket, prefix, endpoint, region, objectLock } = s3;
  return {
    s3: {
      bucket,
      prefix,
      region,
      credentials: relativePath("store-keys"),
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(objectLock === undefined ? {} : { objectLock }),
    },
  };
}

/** Restricted as every pod of a swarm; what it says at its end is its termination message. */
function pod(order: RunOrder, world: World): KubeObject {
  const { swarm, spec, destination, command } = order;
  const { name } = swarm.metadata;
  const tls = secretMount("tls", world.tlsSecret(name) === undefined ? undefined : checkpointTlsSecret(name));
  const keys = secretMount("store-keys", destination.s3?.credentialsSecret);
  const kept = destination.pvc ? [{ name: "checkpoints", mountPath: mountPath("checkpoints") }] : [];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: metadata(order),
    spec: {
      ...restrictedPod(spec),
      restartPolicy: "Never",
      terminationGracePeriodSeconds: 10,
      containers: [
        {
          name: "checkpoint",
          // The operator's own: an image that is being rolled out is what a checkpoint is to save from.
          image: world.image,
          imagePullPolicy: spec.podTemplate.imagePullPolicy,
          command: ["node", "/app/checkpoint.mjs"],
          args: [command, "--config", `${mountPath("config")}/config.json`],
          workingDir,
          resources: spec.resources,
          terminationMessagePath: `${mountPath("data")}/result`,
          terminationMessagePolicy: "FallbackToLogsOnError",
          securityContext: restrictedContainer,
          volumeMounts: [
            { name: "data", mountPath: mountPath("data") },
            { name: "config", mountPath: mountPath("config"), readOnly: true },
            ...kept,
            ...keys.volumeMounts,
            ...tls.volumeMounts,
          ],
        },
      ],
      volumes: [
        { name: "data", emptyDir: {} },
        { name: "config", configMap: { name: order.name } },
        ...(destination.pvc ? [{ name: "checkpoints", persistentVolumeClaim: { claimName: order.claim } }] : []),
        ...keys.volumes,
        ...tls.volumes,
      ],
    },
  };
}

/** How the pod ended: ms since the Unix epoch, what it said, whether it was content; undefined while it has not. */
export function runEnd(object: StoredObject): { readonly at: number; readonly said: string } | undefined {
  const phase = textAt(object["status"], "phase");
  if (phase !== "Succeeded" && phase !== "Failed") return undefined;
  const [status] = arrayAt(object["status"], "containerStatuses");
  const state = isRecord(status) ? status["state"] : undefined;
  const terminated = isRecord(state) ? state["terminated"] : undefined;
  const at = Date.parse(textAt(terminated, "finishedAt"));
  return { at: Number.isNaN(at) ? 0 : at, said: textAt(terminated, "message") || textAt(object["status"], "message") };
}
