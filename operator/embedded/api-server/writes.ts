/**
 * What becomes of a write: the next state of one object, or a refusal. Pure but for names, uids and the time; the
 * caller stores what it gets, or does not for a dry run.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { prune } from "./admission.ts";
import { fieldsOf, isBelow, overlay, type Path, repeated, shown, strategicPatch, withoutFields } from "./fields.ts";
import { isObject, type JsonObject, mergePatch, objectAt, sameJson, stringAt, without } from "./json.ts";
import { finalizersOf, keepSystemFields, metadataCauses, sameSpec, timeText } from "./metadata.ts";
import {
  afterApply,
  afterUpdate,
  conflictCause,
  conflictsOf,
  type Owners,
  ownable,
  ownedBy,
  type Writing,
} from "./ownership.ts";
import { alreadyExists, badRequest, conflict, invalid, notFound, type Reply } from "./reply.ts";
import { aboutOf, type Resource } from "./resources.ts";
import type { Draft, Entry } from "./store.ts";

/** What is to be done, or why not. */
export type Outcome =
  | { readonly kind: "put"; readonly draft: Draft; readonly created: boolean }
  | { readonly kind: "remove"; readonly by: "write" | "deletion"; readonly draft: Draft }
  /** Nothing differs; owners may. */
  | { readonly kind: "same"; readonly entry: Entry }
  | { readonly kind: "refused"; readonly reply: Reply };

export interface Target {
  readonly resource: Resource;
  readonly namespace: string;
  /** "" when the path has none. */
  readonly name: string;
}

export interface How {
  readonly manager: string;
  /** "" for the object itself. */
  readonly subresource: string;
  /** Unknown fields are refused instead of dropped. */
  readonly strict: boolean;
  readonly nowMs: number;
}

const refused = (reply: Reply): Outcome => ({ kind: "refused", reply });
const modified = "the object has been modified; please apply your changes to the latest version and try again";

function writingOf(
  { resource }: Target,
  { manager, subresource, nowMs }: How,
  operation: Writing["operation"],
): Writing {
  return { manager, operation, subresource, apiVersion: resource.apiVersion, time: timeText(nowMs) };
}

/** Whether the body is an object of this path at all. */
function misplaced({ resource, namespace, name }: Target, body: JsonObject): Reply | undefined {
  const { apiVersion, kind } = body;
  if (
    (apiVersion !== undefined && apiVersion !== resource.apiVersion) ||
    (kind !== undefined && kind !== resource.kind.kind)
  )
    return badRequest(
      `the object provided is ${String(apiVersion)} ${String(kind)}, and the path is for ${resource.apiVersion} ${resource.kind.kind}`,
    );
  if (body["metadata"] !== undefined && !isObject(body["metadata"])) return badRequest("metadata is no object");
  const metadata = objectAt(body, "metadata");
  const [given, where] = [stringAt(metadata, "name"), stringAt(metadata, "namespace")];
  if (name !== "" && given !== "" && given !== name)
    return badRequest(`the name of the object (${given}) does not match the name on the URL (${name})`);
  if (where !== "" && where !== namespace)
    return badRequest(
      `the namespace of the object (${where}) does not match the namespace on the request (${namespace})`,
    );
  return undefined;
}

/** `uid` and `resourceVersion` in the metadata of a write are preconditions. */
export function precondition(entry: Entry, asked: JsonObject): Reply | undefined {
  const about = aboutOf(entry.resource, entry.name);
  const [uid, version] = [stringAt(asked, "uid"), stringAt(asked, "resourceVersion")];
  if (uid !== "" && uid !== entry.uid)
    return conflict(about, `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${entry.uid}`);
  if (version !== "" && version !== String(entry.version)) return conflict(about, modified);
  return undefined;
}

/** The same for a patch: it may name no other uid, as if that were a field to be set. */
function patchable(entry: Entry, asked: JsonObject): Reply | undefined {
  const uid = stringAt(asked, "uid");
  if (uid === "" || uid === entry.uid) return precondition(entry, asked);
  const message = `Invalid value: ${JSON.stringify(uid)}: field is immutable`;
  return invalid(aboutOf(entry.resource, entry.name), [
    { reason: "FieldValueInvalid", field: "metadata.uid", message },
  ]);
}

/** Unknown fields refused or dropped. */
function known({ resource }: Target, object: JsonObject, { strict }: How): AdmittedObject {
  if (!resource.schema) return { kind: "admitted", object };
  const { object: pruned, unknown } = prune(resource.schema, object);
  if (unknown.length === 0 || !strict) return { kind: "admitted", object: pruned };
  const { kind, version } = resource.kind;
  const list = unknown.map((field) => `unknown field "${field}"`).join(", ");
  return {
    kind: "refused",
    reply: badRequest(`${kind} in version "${version}" cannot be handled as a ${kind}: strict decoding error: ${list}`),
  };
}

export function create(
  target: Target,
  body: JsonObject,
  how: How,
  existing: (name: string) => Entry | undefined,
): Outcome {
  return creation(target, body, how, existing, "Update");
}

function creation(
  target: Target,
  body: JsonObject,
  how: How,
  existing: (name: string) => Entry | undefined,
  operation: Writing["operation"],
): Outcome {
  const { resource, namespace } = target;
  const wrong = misplaced(target, body);
  if (wrong) return refused(wrong);
  const given = objectAt(body, "metadata");
  const prefix = stringAt(given, "generateName");
  const name =
    target.name || stringAt(given, "name") || (prefix === "" ? "" : `${prefix}${randomBytes(3).toString("hex")}`);
  const about = aboutOf(resource, name);
  if (existing(name)) return refused(alreadyExists(about));
  if (stringAt(given, "resourceVersion") !== "")
    return refused(badRequest("resourceVersion should not be set on objects to be created"));

  const metadata = keepSystemFields(given, {
    name,
    ...(namespace === "" ? {} : { namespace }),
    ...(prefix === "" ? {} : { generateName: prefix }),
    uid: randomUUID(),
    ...(resource.generation ? { generation: 1 } : {}),
    creationTimestamp: timeText(how.nowMs),
  });
  const { status: _, ...bare } = body;
  const kept = resource.status && !resource.statusAtCreation ? bare : body;
  const first = resource.initialStatus ? { ...kept, status: resource.initialStatus } : kept;
  const object = known(target, { ...first, apiVersion: resource.apiVersion, kind: resource.kind.kind, metadata }, how);
  if (object.kind === "refused") return object;
  const admitted = admit(resource, name, object.object, undefined);
  if (admitted.kind === "refused") return admitted;
  // Defaults, and what the server says, belong to nobody.
  const paths = [...fieldsOf(kept, resource.shape).keys()].filter(ownable);
  const owners = afterApply([], writingOf(target, how, operation), paths, new Set());
  return { kind: "put", created: true, draft: { resource, namespace, name, object: admitted.object, owners } };
}

type AdmittedObject =
  | { readonly kind: "admitted"; readonly object: JsonObject }
  | (Outcome & { readonly kind: "refused" });

function admit(resource: Resource, name: string, object: JsonObject, old: JsonObject | undefined): AdmittedObject {
  const twice = repeated(object, resource.shape);
  const causes = [
    ...metadataCauses(resource, object, old),
    ...(twice === undefined
      ? []
      : [{ reason: "FieldValueDuplicate", field: shown(twice).slice(1), message: "Duplicate value" }]),
  ];
  const admitted = resource.admission(object, old);
  if (admitted.kind === "invalid") causes.push(...admitted.causes);
  if (causes.length > 0) return { kind: "refused", reply: invalid(aboutOf(resource, name), causes) };
  return { kind: "admitted", object: admitted.kind === "ok" ? admitted.object : object };
}

/** A whole new state. */
export function replace(target: Target, entry: Entry | undefined, body: JsonObject, how: How): Outcome {
  const { resource, name } = target;
  const wrong = misplaced(target, body);
  if (wrong) return refused(wrong);
  if (!entry) return refused(notFound(aboutOf(resource, name)));
  const metadata = objectAt(body, "metadata");
  if (resource.versionedUpdates && stringAt(metadata, "resourceVersion") === "")
    return refused(
      invalid(aboutOf(resource, name), [
        {
          reason: "FieldValueInvalid",
          field: "metadata.resourceVersion",
          message: "Invalid value: 0: must be specified for an update",
        },
      ]),
    );
  const outdated = precondition(entry, metadata);
  return outdated ? refused(outdated) : update(target, entry, body, how);
}

export type PatchKind = "merge" | "strategic";

export function patch(target: Target, entry: Entry | undefined, body: JsonObject, kind: PatchKind, how: How): Outcome {
  const { resource, name } = target;
  if (!entry) return refused(notFound(aboutOf(resource, name)));
  const wrong = misplaced(target, body) ?? patchable(entry, objectAt(body, "metadata"));
  if (wrong) return refused(wrong);
  const next = kind === "merge" ? mergePatch(entry.object, body) : strategicPatch(entry.object, body, resource.shape);
  return isObject(next) ? update(target, entry, next, how) : refused(badRequest("the patch leaves no object"));
}

/** A new state by other means than apply. */
function update(target: Target, entry: Entry, next: JsonObject, how: How): Outcome {
  const given = known(target, next, how);
  if (given.kind === "refused") return given;
  const object = confined(entry, given.object, how);
  return changed(entry, object, (stored) =>
    afterUpdate(
      entry.owners,
      writingOf(target, how, "Update"),
      fieldsOf(entry.object, target.resource.shape),
      fieldsOf(stored, target.resource.shape),
    ),
  );
}

/** What the path does not reach stays as it was: the status, or everything else. */
function confined({ resource, object: old }: Entry, next: JsonObject, { subresource }: How): JsonObject {
  if (subresource === "status") {
    const { status } = next;
    return status === undefined ? without(old, "status") : { ...old, status };
  }
  if (!resource.status) return next;
  const { status } = old;
  return status === undefined ? without(next, "status") : { ...next, status };
}

/** Server-side apply. */
export function apply(
  target: Target,
  entry: Entry | undefined,
  body: JsonObject,
  how: How & { readonly force: boolean },
): Outcome {
  const { resource, name } = target;
  const { shape } = resource;
  const about = aboutOf(resource, name);
  const metadata = objectAt(body, "metadata");
  if (body["apiVersion"] === undefined || body["kind"] === undefined)
    return refused(badRequest("apiVersion and kind must be set in an applied object"));
  const wrong = misplaced(target, body);
  if (wrong) return refused(wrong);
  if (metadata["managedFields"] !== undefined && metadata["managedFields"] !== null)
    return refused(badRequest("metadata.managedFields must be nil"));
  const twice = repeated(body, shape);
  if (twice !== undefined)
    return refused(
      invalid(about, [{ reason: "FieldValueDuplicate", field: shown(twice).slice(1), message: "Duplicate value" }]),
    );
  if (!entry) {
    const uid = stringAt(metadata, "uid");
    if (how.subresource !== "") return refused(notFound(about));
    if (uid !== "")
      return refused(
        conflict(about, `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`),
      );
    if (stringAt(metadata, "resourceVersion") !== "") return refused(conflict(about, modified));
    return creation(target, body, how, () => undefined, "Apply");
  }
  const outdated = patchable(entry, metadata);
  if (outdated) return refused(outdated);

  const checked = known(target, body, how);
  if (checked.kind === "refused") return checked;
  const given = checked.object;
  const reaches = (path: Path) =>
    ownable(path) && (!resource.status || isBelow(path, "status") === (how.subresource === "status"));
  const wanted = new Map([...fieldsOf(given, shape)].filter(([path]) => reaches(path)));
  const current = fieldsOf(entry.object, shape);
  const writing = writingOf(target, how, "Apply");
  const conflicts = how.force ? [] : conflictsOf(wanted, current, entry.owners, writing);
  if (conflicts.length > 0) {
    const causes = conflicts.map(conflictCause);
    const plural = causes.length === 1 ? "conflict" : "conflicts";
    const texts = causes.map((cause) => `${stringAt(cause, "message")}: ${stringAt(cause, "field")}`);
    const reply = conflict(about, `Apply failed with ${causes.length} ${plural}: ${texts.join("; ")}`, causes);
    return refused(reply);
  }
  const took = new Set(
    how.force ? [...wanted].filter(([path, value]) => !sameJson(current.get(path), value)).map(([path]) => path) : [],
  );
  const before = ownedBy(entry.owners, writing);
  const owners = afterApply(entry.owners, writing, wanted.keys(), took);

  const dropped = [...before].filter((path) => !wanted.has(path) && !owners.some(({ paths }) => paths.has(path)));
  const next = withoutFields(entry.object, new Set(dropped), shape);
  const merged = overlay(next, confinedApply(given, how, resource), shape);
  return changed(entry, isObject(merged) ? merged : next, () =>
    sameOwners(owners, entry.owners) ? entry.owners : owners,
  );
}

/** The part of an applied object that its path reaches. */
function confinedApply(given: JsonObject, { subresource }: How, resource: Resource): JsonObject {
  if (subresource === "status") return given["status"] === undefined ? {} : { status: given["status"] };
  return resource.status ? without(given, "status") : given;
}

function sameOwners(a: Owners, b: Owners): boolean {
  return a.length === b.length && a.every((owner) => b.includes(owner));
}

/** Decides between a change, no change, and the end of an object whose last finalizer went. */
function changed(entry: Entry, next: JsonObject, ownersOf: (stored: JsonObject) => Owners): Outcome {
  const { resource, namespace, name, object: old } = entry;
  const metadata = keepSystemFields(objectAt(next, "metadata"), objectAt(old, "metadata"));
  const admitted = admit(
    resource,
    name,
    { ...next, apiVersion: resource.apiVersion, kind: resource.kind.kind, metadata },
    old,
  );
  if (admitted.kind === "refused") return admitted;
  let { object } = admitted;
  const owners = ownersOf(object);
  const draft = (): Draft => ({ resource, namespace, name, object, owners });
  if (isOver(object)) return { kind: "remove", by: "write", draft: draft() };
  if (sameJson(object, old))
    return owners === entry.owners ? { kind: "same", entry } : { kind: "put", created: false, draft: draft() };
  if (resource.generation && !sameSpec(object, old)) {
    const generation = Number(objectAt(old, "metadata")["generation"] ?? 0) + 1;
    object = { ...object, metadata: { ...objectAt(object, "metadata"), generation } };
  }
  return { kind: "put", created: false, draft: draft() };
}

/** Deleted, and nobody holds it any more: neither a finalizer nor the kubelet's grace. */
function isOver(object: JsonObject): boolean {
  const metadata = objectAt(object, "metadata");
  if (metadata["deletionTimestamp"] === undefined || finalizersOf(object).length > 0) return false;
  return Number(metadata["deletionGracePeriodSeconds"] ?? 0) === 0;
}

export interface RemoveHow {
  readonly preconditions: JsonObject;
  readonly propagation: "Background" | "Foreground" | "Orphan";
  /** Seconds; undefined: as the object says. */
  readonly grace: number | undefined;
  readonly nowMs: number;
}

/** Finalizers by which the garbage collector is told what to do first. */
export const collectorFinalizers = { Foreground: "foregroundDeletion", Orphan: "orphan" } as const;

export function remove(target: Target, entry: Entry | undefined, how: RemoveHow): Outcome {
  const { resource, namespace, name } = target;
  if (!entry) return refused(notFound(aboutOf(resource, name)));
  const outdated = precondition(entry, how.preconditions);
  if (outdated) return refused(outdated);
  const { object: old, owners } = entry;
  const metadata = objectAt(old, "metadata");
  const collector = how.propagation === "Background" ? [] : [collectorFinalizers[how.propagation]];
  const finalizers = [...new Set([...finalizersOf(old), ...collector])];
  const leaving = metadata["deletionTimestamp"] !== undefined;
  const grace = graceOf(resource, old, how.grace);
  const before = Number(metadata["deletionGracePeriodSeconds"] ?? grace);
  // Grace already running only ever gets shorter.
  const left = leaving ? Math.min(before, grace) : grace;
  if (left === 0 && finalizers.length === 0)
    return { kind: "remove", by: "deletion", draft: { resource, namespace, name, object: old, owners } };
  if (leaving && left === before && finalizers.length === finalizersOf(old).length) return { kind: "same", entry };
  const generation = metadata["generation"];
  const next = {
    ...metadata,
    ...(finalizers.length === 0 ? {} : { finalizers }),
    deletionTimestamp: leaving && left === before ? metadata["deletionTimestamp"]! : timeText(how.nowMs + left * 1_000),
    deletionGracePeriodSeconds: left,
    ...(typeof generation === "number" && !leaving ? { generation: generation + 1 } : {}),
  };
  return {
    kind: "put",
    created: false,
    draft: { resource, namespace, name, object: { ...old, metadata: next }, owners },
  };
}

/** Only pods that have a node and have not ended wait for somebody. Seconds. */
function graceOf({ graceful }: Resource, object: JsonObject, asked: number | undefined): number {
  if (!graceful) return 0;
  const spec = objectAt(object, "spec");
  const phase = stringAt(objectAt(object, "status"), "phase");
  if (stringAt(spec, "nodeName") === "" || phase === "Succeeded" || phase === "Failed") return 0;
  const own = spec["terminationGracePeriodSeconds"];
  return Math.max(0, asked ?? (typeof own === "number" ? own : 30));
}
