/**
 * Deployments: so many pods of one template, replaced one at a time. The pods of a deployment are numbered, and a
 * number is one pod at a time: on one address the ports are what tells replicas apart.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { deployments as deploymentKind } from "../../kube/kinds.ts";
import { apiVersionOf, type JsonRecord, numberAt, type StoredObject } from "../../kube/objects.ts";
import { isOver, isReady } from "./pod-status.ts";

const hashLabel = "pod-template-hash";

const port = z.looseObject({ name: z.string().optional(), containerPort: z.int().min(1).max(65_535) });
const schema = z.object({
  replicas: z.int().min(0).max(64).default(1),
  selector: z.unknown(),
  template: z.object({
    metadata: z
      .object({
        labels: z.record(z.string(), z.string()).default({}),
        annotations: z.record(z.string(), z.string()).default({}),
      })
      .prefault({}),
    spec: z.looseObject({ containers: z.array(z.looseObject({ ports: z.array(port).default([]) })).min(1) }),
  }),
});

export type DeploymentStep =
  | { readonly kind: "create"; readonly pod: JsonRecord }
  | { readonly kind: "delete"; readonly pod: StoredObject };

export interface DeploymentPlan {
  readonly steps: readonly DeploymentStep[];
  readonly status: JsonRecord;
}

/**
 * Pure. `owned`: the pods of this deployment. `portFor` gives the replicas after the first ports of their own; the
 * first has those of the template.
 */
export function planDeployment(
  deployment: StoredObject,
  owned: readonly StoredObject[],
  portFor: (pod: string, port: string) => number,
): DeploymentPlan {
  const parsed = schema.safeParse(deployment["spec"]);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const message = `spec.${issue?.path.join(".")}: ${issue?.message}`;
    return { steps: [], status: statusOf(deployment, owned, "", 0, message) };
  }
  const { replicas, template } = parsed.data;
  const hash = createHash("sha256").update(JSON.stringify(template)).digest("hex").slice(0, 10);
  const { name, namespace = "", uid } = deployment.metadata;
  const podName = (ordinal: number) => `${name}-${ordinal}`;
  const wanted = Array.from(
    { length: deployment.metadata.deletionTimestamp === undefined ? replicas : 0 },
    (_, at) => at,
  );
  const byName = new Map(owned.map((pod) => [pod.metadata.name, pod]));
  const leaving = (pod: StoredObject) => pod.metadata.deletionTimestamp !== undefined;

  const surplus = owned.filter((pod) => !leaving(pod) && !wanted.some((at) => podName(at) === pod.metadata.name));
  const ended = owned.filter((pod) => !leaving(pod) && isOver(pod["status"]));
  const missing = wanted.filter((at) => !byName.has(podName(at)));
  const current = wanted.flatMap((at) => byName.get(podName(at)) ?? []);
  const outdated = current.filter((pod) => !leaving(pod) && pod.metadata.labels?.[hashLabel] !== hash);
  // One at a time: the next goes when all others serve. One that does not serve costs nothing.
  const broken = outdated.find((pod) => !isReady(pod["status"]));
  const others = current.every((pod) => isReady(pod["status"]) && !leaving(pod));
  const replaced = broken ?? (others && missing.length === 0 ? outdated[0] : undefined);

  const create = missing.map((ordinal): DeploymentStep => {
    const { metadata, spec } = template;
    const containers = spec.containers.map((container) => ({
      ...container,
      ports: container.ports.map((one) => ({
        ...one,
        containerPort:
          ordinal === 0 ? one.containerPort : portFor(podName(ordinal), one.name ?? String(one.containerPort)),
      })),
    }));
    return {
      kind: "create",
      pod: {
        apiVersion: "v1",
        kind: "Pod",
        metadata: {
          name: podName(ordinal),
          namespace,
          annotations: metadata.annotations,
          labels: { ...metadata.labels, [hashLabel]: hash },
          ownerReferences: [
            {
              apiVersion: apiVersionOf(deploymentKind),
              kind: deploymentKind.kind,
              name,
              uid,
              controller: true,
              blockOwnerDeletion: true,
            },
          ],
        },
        spec: { ...spec, containers },
      },
    };
  });
  const gone = new Set([...surplus, ...ended, ...(replaced ? [replaced] : [])]);
  return {
    steps: [...[...gone].map((pod): DeploymentStep => ({ kind: "delete", pod })), ...create],
    status: statusOf(deployment, owned, hash, replicas, ""),
  };
}

function statusOf(
  deployment: StoredObject,
  owned: readonly StoredObject[],
  hash: string,
  replicas: number,
  invalid: string,
): JsonRecord {
  const live = owned.filter((pod) => pod.metadata.deletionTimestamp === undefined);
  const ready = live.filter((pod) => isReady(pod["status"])).length;
  const updated = live.filter((pod) => pod.metadata.labels?.[hashLabel] === hash).length;
  // One may be missing, as long as it is not the only one.
  const available = invalid === "" && ready >= Math.max(Math.min(1, replicas), replicas - 1);
  const done = invalid === "" && ready === replicas && updated === replicas && owned.length === replicas;
  const condition = (type: string, holds: boolean, reason: string, message: string) => ({
    type,
    status: holds ? "True" : "False",
    reason,
    message,
  });
  return {
    observedGeneration: numberAt(deployment.metadata, "generation") ?? 0,
    replicas: live.length,
    updatedReplicas: updated,
    readyReplicas: ready,
    availableReplicas: ready,
    unavailableReplicas: Math.max(0, replicas - ready),
    conditions: [
      condition(
        "Available",
        available,
        available ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
        `${ready} of ${replicas} replicas serve`,
      ),
      condition(
        "Progressing",
        invalid === "",
        invalid !== "" ? "InvalidSpec" : done ? "NewReplicaSetAvailable" : "ReplicaSetUpdated",
        invalid !== "" ? invalid : `${updated} of ${replicas} replicas are of the current template`,
      ),
    ],
  };
}
