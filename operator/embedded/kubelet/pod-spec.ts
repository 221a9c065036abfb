/** What the kubelet understands of a Pod. Everything else in it is somebody else's. */
import { z } from "zod";
import { keyOf, numberAt, type ObjectKey, type StoredObject } from "../../kube/objects.ts";
import { isSafeName } from "./labels.ts";

const name = z.string().min(1).max(253);
const port = z.int().min(1).max(65_535);
const path = z.string().regex(/^\/[^\0]*$/, "must be an absolute path");
const mountPath = z
  .string()
  .max(1_024)
  .regex(/^(\/(?!\.{1,2}(\/|$))[^/\0]+)+$/, 'must be an absolute path without ".."');

const probe = z.object({
  httpGet: z.object({ path: path.default("/"), port: z.union([port, name]) }),
  initialDelaySeconds: z.int().min(0).default(0),
  periodSeconds: z.int().min(1).default(10),
  timeoutSeconds: z.int().min(1).default(1),
  failureThreshold: z.int().min(1).default(3),
  successThreshold: z.int().min(1).default(1),
});

const keyRef = z.object({ name, key: z.string().min(1), optional: z.boolean().default(false) });
const variable = z.object({
  name: z.string().regex(/^[A-Za-z_][A-Za-z0-9_.-]*$/, "must be the name of an environment variable"),
  value: z.string().default(""),
  valueFrom: z
    .object({
      fieldRef: z.object({ fieldPath: z.string() }).optional(),
      configMapKeyRef: keyRef.optional(),
      secretKeyRef: keyRef.optional(),
    })
    .optional(),
});

/** A key of a config map is one, too. */
export const fileName = z.string().regex(/^(?!\.{1,2}$)[-._a-zA-Z0-9]{1,253}$/, "must be the name of a file");

const container = z.object({
  name,
  image: z.string().max(1_024).default(""),
  args: z.array(z.string()).max(256).default([]),
  env: z.array(variable).max(256).default([]),
  ports: z
    .array(z.object({ name: name.optional(), containerPort: port }))
    .max(64)
    .default([]),
  resources: z
    .object({ limits: z.object({ memory: z.union([z.string(), z.number()]).optional() }).optional() })
    .optional(),
  volumeMounts: z
    .array(z.object({ name, mountPath, readOnly: z.boolean().default(false) }))
    .max(64)
    .default([]),
  /** Where it leaves its last words; only below a mount are they found. */
  terminationMessagePath: path.optional(),
  readinessProbe: probe.optional(),
  livenessProbe: probe.optional(),
});

const items = z.array(z.object({ key: z.string(), path: fileName })).optional();
const volume = z.object({
  name,
  persistentVolumeClaim: z.object({ claimName: name }).optional(),
  configMap: z.object({ name, items, optional: z.boolean().default(false) }).optional(),
  secret: z.object({ secretName: name, items, optional: z.boolean().default(false) }).optional(),
  emptyDir: z.object({}).optional(),
});

const schema = z.object({
  nodeName: z.string().default(""),
  nodeSelector: z.record(z.string(), z.string()).default({}),
  terminationGracePeriodSeconds: z.int().min(0).max(86_400).default(30),
  restartPolicy: z.enum(["Always", "OnFailure", "Never"]).default("Always"),
  initContainers: z.array(z.unknown()).max(0, "are not run here").default([]),
  containers: z.array(container).length(1, "must be exactly one: here a pod is a process"),
  volumes: z.array(volume).max(64).default([]),
});

export type ContainerSpec = z.infer<typeof container>;
export type ProbeSpec = z.infer<typeof probe>;
export type VolumeSpec = z.infer<typeof volume>;
type SpecFields = z.infer<typeof schema>;

export interface PodPlan extends Omit<SpecFields, "containers" | "initContainers" | "terminationGracePeriodSeconds"> {
  readonly container: ContainerSpec;
  readonly graceMs: number;
}

export type PodReading =
  | { readonly kind: "pod"; readonly plan: PodPlan }
  /** A sentence naming the field. */
  | { readonly kind: "invalid"; readonly message: string };

const readings = new WeakMap<StoredObject, PodReading>();

export function readPod(pod: StoredObject): PodReading {
  const known = readings.get(pod);
  if (known) return known;
  const reading = parse(pod);
  readings.set(pod, reading);
  return reading;
}

function parse(pod: StoredObject): PodReading {
  const unsafe = [pod.metadata.name, pod.metadata.namespace ?? ""].find((part) => !isSafeName(part));
  if (unsafe !== undefined) return { kind: "invalid", message: `"${unsafe}" cannot be part of a path` };
  const parsed = schema.safeParse(pod["spec"]);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return { kind: "invalid", message: `spec.${issue?.path.join(".")}: ${issue?.message}` };
  }
  const { containers, initContainers: _, terminationGracePeriodSeconds, ...rest } = parsed.data;
  const unknown = rest.volumes.find(
    ({ persistentVolumeClaim, configMap, secret, emptyDir }) =>
      [persistentVolumeClaim, configMap, secret, emptyDir].filter((kind) => kind !== undefined).length !== 1,
  );
  if (unknown)
    return {
      kind: "invalid",
      message: `spec.volumes: ${unknown.name} must be a persistentVolumeClaim, a configMap, a secret or an emptyDir`,
    };
  const paths = containers[0]!.volumeMounts.map(({ mountPath: at }) => at);
  const inner = paths.find((at) => paths.some((other) => at !== other && at.startsWith(`${other}/`)));
  if (inner !== undefined)
    return { kind: "invalid", message: `spec.containers.0.volumeMounts: ${inner} is inside another mount` };
  return {
    kind: "pod",
    plan: { ...rest, container: containers[0]!, graceMs: terminationGracePeriodSeconds * 1_000 },
  };
}

/** How long a pod that is being deleted may take, ms: what the deletion said, else what the pod says. */
export function deletionGraceMs(pod: StoredObject, plan: PodPlan): number {
  const seconds = numberAt(pod.metadata, "deletionGracePeriodSeconds");
  return seconds === undefined ? plan.graceMs : Math.max(0, seconds) * 1_000;
}

/** Objects a pod is made from, by kind. */
export interface References {
  readonly claims: readonly ObjectKey[];
  readonly configMaps: readonly ObjectKey[];
  readonly secrets: readonly ObjectKey[];
}

const none: References = { claims: [], configMaps: [], secrets: [] };

export function referencesOf(pod: StoredObject): References {
  const reading = readPod(pod);
  if (reading.kind === "invalid") return none;
  const { volumes, container: main } = reading.plan;
  const { namespace } = pod.metadata;
  const key = (object: string) =>
    keyOf({ metadata: { name: object, ...(namespace === undefined ? {} : { namespace }) } });
  return {
    claims: volumes.flatMap(({ persistentVolumeClaim: claim }) => (claim ? [key(claim.claimName)] : [])),
    configMaps: [
      ...volumes.flatMap(({ configMap }) => (configMap ? [key(configMap.name)] : [])),
      ...main.env.flatMap(({ valueFrom }) => (valueFrom?.configMapKeyRef ? [key(valueFrom.configMapKeyRef.name)] : [])),
    ],
    secrets: [
      ...volumes.flatMap(({ secret }) => (secret ? [key(secret.secretName)] : [])),
      ...main.env.flatMap(({ valueFrom }) => (valueFrom?.secretKeyRef ? [key(valueFrom.secretKeyRef.name)] : [])),
    ],
  };
}

/** A port of a container by its name or number; undefined when it has none of that name. */
export function portOf({ ports }: ContainerSpec, which: string | number): number | undefined {
  return typeof which === "number" ? which : ports.find((one) => one.name === which)?.containerPort;
}
