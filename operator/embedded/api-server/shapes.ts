/** What is known of a kind's lists and maps: how they are merged, and who can own what of them. */
import type { Structural } from "../../api/crd/structural.ts";

export interface Shape {
  /** Of a list: entries are told apart by themselves, or by these fields. Absent: the list is one value. */
  readonly list?: "set" | readonly string[];
  /** Of an object: it is one value. */
  readonly atomic?: true;
  readonly fields?: Readonly<Record<string, Shape>>;
  /** Of a list's entries. */
  readonly items?: Shape;
  /** Of the values of a map whose keys are free. */
  readonly values?: Shape;
}

const named = (...keys: readonly string[]): Shape => ({ list: keys });
const atomic: Shape = { atomic: true };

/** Shared by all kinds. */
export const metadataShape: Shape = { fields: { finalizers: { list: "set" }, ownerReferences: named("uid") } };

const container: Shape = {
  fields: {
    ports: named("containerPort", "protocol"),
    env: named("name"),
    volumeMounts: named("mountPath"),
    volumeDevices: named("devicePath"),
  },
};
const containers: Shape = { list: ["name"], items: container };

const podSpec: Shape = {
  fields: {
    containers,
    initContainers: containers,
    volumes: named("name"),
    imagePullSecrets: named("name"),
    hostAliases: named("ip"),
    topologySpreadConstraints: named("topologyKey", "whenUnsatisfiable"),
    nodeSelector: atomic,
  },
};
const status: Shape = { fields: { conditions: named("type") } };

/** By kind; the rest have no lists but their metadata's. */
export const builtInShapes: Readonly<Record<string, Shape>> = {
  Pod: { fields: { spec: podSpec, status } },
  Deployment: {
    fields: { spec: { fields: { selector: atomic, template: { fields: { spec: podSpec } } } }, status },
  },
  Service: { fields: { spec: { fields: { ports: named("port", "protocol"), selector: atomic } }, status } },
  PersistentVolumeClaim: { fields: { spec: { fields: { selector: atomic } }, status } },
  PodDisruptionBudget: { fields: { spec: { fields: { selector: atomic } }, status } },
  Node: { fields: { status: { fields: { conditions: named("type"), addresses: named("type") } } } },
};

/** The shape that a CRD's schema says. */
export function shapeOf(schema: Structural): Shape {
  const keys = schema["x-kubernetes-list-map-keys"];
  const type = schema["x-kubernetes-list-type"];
  return {
    ...(type === "set" ? { list: "set" } : {}),
    ...(type === "map" && keys ? { list: keys } : {}),
    ...(schema.items ? { items: shapeOf(schema.items) } : {}),
    ...(schema.additionalProperties ? { values: shapeOf(schema.additionalProperties) } : {}),
    ...(schema.properties
      ? {
          fields: Object.fromEntries(Object.entries(schema.properties).map(([name, each]) => [name, shapeOf(each)])),
        }
      : {}),
  };
}

/** The shape of an object's field. */
export function below(shape: Shape | undefined, field: string): Shape | undefined {
  const fields = shape?.fields;
  return fields && Object.hasOwn(fields, field) ? fields[field] : shape?.values;
}
