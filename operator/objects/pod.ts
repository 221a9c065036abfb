/** The pod of an identity: how it is made, and what is read from it. */
import type { ValidatorSwarmSpec } from "../api/validator-swarm.ts";
import { arrayAt, isRecord, type JsonRecord, type KubeObject, type StoredObject, textAt } from "../kube/objects.ts";
import { controllerReference } from "../kube/owner.ts";
import type { Place } from "../plan/actions.ts";
import type { IdentityLabels, Pod } from "../plan/snapshot.ts";
import { mountPath, secretMount, workingDir } from "./mounts.ts";
import { identityFinalizer, identityLabels, identityOf, peersService, revisionAnnotation } from "./names.ts";
import { restrictedContainer, restrictedPod } from "./security.ts";
import type { World } from "./world.ts";

/** What makes a validator give freed memory back (docs/running-a-validator.md). */
const allocation = [
  { name: "MALLOC_ARENA_MAX", value: "2" },
  { name: "MALLOC_MMAP_THRESHOLD_", value: "131072" },
  { name: "MALLOC_TRIM_THRESHOLD_", value: "131072" },
  { name: "NODE_OPTIONS", value: "--max-semi-space-size=16" },
];
/** The region's label when the spec names no other. */
const regionLabel = "topology.kubernetes.io/region";

export interface PodOrder {
  readonly swarm: StoredObject;
  readonly spec: ValidatorSwarmSpec;
  readonly identity: IdentityLabels;
  readonly revision: string;
  readonly place: Place;
}

/** The pod as it is created: restricted, without a service-account token, one container, one volume, one file. */
export function podObject({ swarm, spec, identity, revision, place }: PodOrder, world: World): KubeObject {
  const { name, namespace } = swarm.metadata;
  const { podTemplate } = spec;
  const region = spec.regions.find((each) => each.name === place.region);
  const ports = world.portsOf(identity.name, spec.exposure.port);
  const tls = secretMount("tls", world.tlsSecret(name));
  const probe = (path: string, failureThreshold: number) => ({
    httpGet: { path, port: "metrics" },
    periodSeconds: 1,
    timeoutSeconds: 2,
    failureThreshold,
  });
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: identity.name,
      ...(namespace === undefined ? {} : { namespace }),
      labels: { ...podTemplate.labels, ...identityLabels(name, identity) },
      annotations: { ...podTemplate.annotations, [revisionAnnotation]: revision },
      finalizers: [identityFinalizer],
      ownerReferences: [controllerReference(swarm)],
    },
    spec: {
      hostname: identity.name,
      subdomain: peersService(name),
      restartPolicy: "Always",
      terminationGracePeriodSeconds: podTemplate.terminationGracePeriodSeconds,
      ...restrictedPod(spec),
      ...placement(spec, place),
      tolerations: region?.tolerations ?? [],
      containers: [
        {
          name: "validator",
          image: spec.image ?? world.image,
          imagePullPolicy: podTemplate.imagePullPolicy,
          command: ["node", "/app/validator.mjs"],
          args: ["--config", `${mountPath("config")}/config.json`],
          workingDir,
          env: [...allocation, ...tracing(spec), ...podTemplate.env],
          ports: [
            { name: "p2p", containerPort: ports.p2p },
            { name: "rpc", containerPort: ports.rpc },
            { name: "metrics", containerPort: ports.metrics },
          ],
          resources: spec.resources,
          readinessProbe: probe("/readyz", 2),
          // Catching up is no reason to die: only a process that does not answer at all is ended.
          livenessProbe: { ...probe("/healthz", 30), initialDelaySeconds: 10 },
          securityContext: restrictedContainer,
          volumeMounts: [
            { name: "data", mountPath: mountPath("data") },
            { name: "config", mountPath: mountPath("config"), readOnly: true },
            ...tls.volumeMounts,
          ],
        },
      ],
      volumes: [
        { name: "data", persistentVolumeClaim: { claimName: identity.name } },
        { name: "config", configMap: { name: identity.name } },
        ...tls.volumes,
      ],
    },
  };
}

/** The variables of the OpenTelemetry specification; none without an endpoint. */
function tracing({ monitoring: { tracing: to } }: ValidatorSwarmSpec) {
  return to.endpoint === undefined
    ? []
    : [
        { name: "OTEL_EXPORTER_OTLP_ENDPOINT", value: to.endpoint },
        { name: "OTEL_TRACES_SAMPLER_ARG", value: String(to.samplePercent / 100) },
      ];
}

/** Where it must run, and where it would best. */
function placement(spec: ValidatorSwarmSpec, place: Place): JsonRecord {
  const region = spec.regions.find((each) => each.name === place.region);
  const affinity = region?.affinity ?? {};
  const nodeAffinity = isRecord(affinity["nodeAffinity"]) ? affinity["nodeAffinity"] : {};
  const field = "preferredDuringSchedulingIgnoredDuringExecution";
  const preferred = {
    weight: 100,
    preference: { matchFields: [{ key: "metadata.name", operator: "In", values: [place.node] }] },
  };
  return {
    nodeSelector: {
      ...nodeSelectorOf(spec, place.region),
      ...(place.zone === undefined ? {} : { [spec.placement.topologyKey]: place.zone }),
    },
    affinity:
      place.node === undefined
        ? affinity
        : { ...affinity, nodeAffinity: { ...nodeAffinity, [field]: [...arrayAt(nodeAffinity, field), preferred] } },
  };
}

/** Labels of a region's nodes. */
export function nodeSelectorOf(spec: ValidatorSwarmSpec, region: string): Readonly<Record<string, string>> {
  const selector = spec.regions.find((each) => each.name === region)?.nodeSelector ?? {};
  return Object.keys(selector).length > 0 ? selector : { [regionLabel]: region };
}

/** A pod in the planner's words; undefined when its labels name no identity. `outOfService`: nodes declared so. */
export function readPod(object: StoredObject, outOfService: ReadonlySet<string>): Pod | undefined {
  const identity = identityOf(object);
  if (!identity) return undefined;
  const { metadata } = object;
  const node = textAt(object["spec"], "nodeName") || undefined;
  const ready = arrayAt(object["status"], "conditions").find((each) => textAt(each, "type") === "Ready");
  const deleting = metadata.deletionTimestamp !== undefined;
  const ended = allTerminated(object, deleting) || (node !== undefined && outOfService.has(node));
  return {
    ...identity,
    uid: metadata.uid,
    version: metadata.resourceVersion,
    revision: metadata.annotations?.[revisionAnnotation] ?? "",
    node,
    state: node === undefined ? "unscheduled" : ended ? "ended" : "running",
    ready: textAt(ready, "status") === "True",
    nodeLost: textAt(object["status"], "reason") === "NodeLost",
    deleting,
  };
}

/**
 * The kubelet has confirmed the end of every container and will start none again. The phase alone proves nothing: the
 * garbage collector of pods sets it without asking the node.
 */
function allTerminated(object: StoredObject, deleting: boolean): boolean {
  const phase = textAt(object["status"], "phase");
  const over = deleting || phase === "Failed" || phase === "Succeeded";
  const wanted = arrayAt(object["spec"], "containers").map((container) => textAt(container, "name"));
  const statuses = arrayAt(object["status"], "containerStatuses");
  const terminated = (name: string) =>
    statuses.some((status) => textAt(status, "name") === name && isRecord(status) && isTerminated(status["state"]));
  return over && wanted.length > 0 && wanted.every(terminated);
}

const isTerminated = (state: unknown) => isRecord(state) && isRecord(state["terminated"]);

/** Where a port of a pod answers, `host:port`, by the port's name; undefined while the pod has no address. */
export function portAddress(object: StoredObject, port: "rpc" | "metrics" | "clients"): string | undefined {
  const ip = textAt(object["status"], "podIP");
  const [container] = arrayAt(object["spec"], "containers");
  const found = arrayAt(container, "ports").find((each) => textAt(each, "name") === port);
  const number = isRecord(found) ? found["containerPort"] : undefined;
  if (ip === "" || typeof number !== "number") return undefined;
  return ip.includes(":") ? `[${ip}]:${number}` : `${ip}:${number}`;
}
