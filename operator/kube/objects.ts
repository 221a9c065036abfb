/** Objects of a Kubernetes API as this folder sees them: metadata it understands, all else opaque. */

export type JsonRecord = Readonly<Record<string, unknown>>;

/** A resource type, e.g. `{ group: "coordination.k8s.io", version: "v1", plural: "leases", kind: "Lease", namespaced: true }`. */
export interface Kind {
  /** "" for the core group. */
  readonly group: string;
  readonly version: string;
  /** As in the path. */
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

export interface ObjectMeta {
  readonly name: string;
  /** Undefined for cluster-scoped objects. */
  readonly namespace?: string;
  readonly uid?: string;
  /** Opaque: compared for equality only, but see `isOlder` in list-watch. */
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  /** Set while finalizers keep a deleted object alive. */
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly OwnerReference[];
}

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  /** spec, status, data, …: the caller's schema reads them. */
  readonly [field: string]: unknown;
}

/** An object that a server stored. */
export interface StoredObject extends KubeObject {
  readonly metadata: ObjectMeta & { readonly uid: string; readonly resourceVersion: string };
}

/** `namespace/name`, or `name` for cluster-scoped objects: the key of stores and queues. */
export type ObjectKey = string;

export function keyOf({ metadata }: { readonly metadata: Pick<ObjectMeta, "name" | "namespace"> }): ObjectKey {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
}

export function apiVersionOf({ group, version }: Kind): string {
  return group === "" ? version : `${group}/${version}`;
}

/** What is reached below an object's own path. */
export type Subresource = "status" | "scale" | "log";

/** Path of a collection; of one object when named; of its subresource when that is named too. */
export function pathOf(kind: Kind, namespace?: string, name?: string, subresource?: Subresource): string {
  const parts = [
    kind.group === "" ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`,
    ...(namespace === undefined ? [] : ["namespaces", encodeURIComponent(namespace)]),
    kind.plural,
    ...(name === undefined ? [] : [encodeURIComponent(name)]),
    ...(subresource === undefined ? [] : [subresource]),
  ];
  return parts.join("/");
}

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The string at a field, or "". */
export function textAt(value: unknown, field: string): string {
  const text = isRecord(value) ? value[field] : undefined;
  return typeof text === "string" ? text : "";
}

/** The number at a field, or undefined. */
export function numberAt(value: unknown, field: string): number | undefined {
  const number = isRecord(value) ? value[field] : undefined;
  return typeof number === "number" ? number : undefined;
}

/** The array at a field, or none. */
export function arrayAt(value: unknown, field: string): readonly unknown[] {
  const array = isRecord(value) ? value[field] : undefined;
  return Array.isArray(array) ? array : [];
}

/**
 * A stored object from a server's JSON, or undefined when it lacks a name, uid or resourceVersion. Items of lists
 * carry no type of their own: it comes from the kind. `managedFields` are dropped: nothing reads them, and they are
 * often half of an object.
 */
export function readObject(kind: Kind, value: unknown): StoredObject | undefined {
  if (!isRecord(value) || !isRecord(value["metadata"])) return undefined;
  const { managedFields: _, ...metadata } = value["metadata"];
  if (!isStoredMeta(metadata)) return undefined;
  return { ...value, apiVersion: apiVersionOf(kind), kind: kind.kind, metadata };
}

function isStoredMeta(metadata: JsonRecord): metadata is JsonRecord & StoredObject["metadata"] {
  const filled = (field: string) => textAt(metadata, field) !== "";
  const optional = (field: string, type: string) => metadata[field] === undefined || typeof metadata[field] === type;
  const texts = (field: string) => arrayAt(metadata, field).every((entry) => typeof entry === "string");
  const records = (field: string) => arrayAt(metadata, field).every(isRecord);
  const map = (field: string) =>
    metadata[field] === undefined ||
    (isRecord(metadata[field]) && Object.values(metadata[field]).every((entry) => typeof entry === "string"));
  return (
    ["name", "uid", "resourceVersion"].every(filled) &&
    ["namespace", "deletionTimestamp", "creationTimestamp"].every((field) => optional(field, "string")) &&
    optional("generation", "number") &&
    ["labels", "annotations"].every(map) &&
    texts("finalizers") &&
    records("ownerReferences")
  );
}
