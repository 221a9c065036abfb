/**
 * What an API server keeps: objects, one counter of versions, and a history that watches are served from until it is
 * compacted. Answers are what the HTTP face sends: a status code and a body.
 */
import {
  conflictsOf,
  type Fields,
  fieldsOf,
  isBelow,
  isObject,
  type Json,
  type JsonObject,
  type Owners,
  type Path,
  sameJson,
  shown,
  withField,
} from "./field-ownership.ts";

export interface ObjectPath {
  /** `group/version/plural`. */
  readonly resource: string;
  readonly namespace: string | undefined;
  readonly name: string;
}

export interface Reply {
  readonly status: number;
  readonly body: JsonObject;
}

export interface HistoryEntry {
  readonly version: number;
  readonly path: ObjectPath;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: JsonObject;
}

export interface ObjectBase {
  readonly version: () => number;
  /** Versions below cannot be watched from any more. */
  readonly oldest: () => number;
  readonly list: (resource: string, namespace: string | undefined) => readonly JsonObject[];
  readonly get: (path: ObjectPath) => Reply;
  readonly create: (path: ObjectPath, value: JsonObject, manager: string) => Reply;
  readonly replace: (path: ObjectPath, value: JsonObject, manager: string) => Reply;
  readonly merge: (path: ObjectPath, patch: JsonObject, manager: string) => Reply;
  readonly apply: (path: ObjectPath, value: JsonObject, manager: string, how: ApplyHow) => Reply;
  readonly remove: (path: ObjectPath, preconditions: JsonObject) => Reply;
  /** What the act would answer; nothing of it is kept. */
  readonly rehearse: (act: () => Reply) => Reply;
  readonly since: (version: number) => readonly HistoryEntry[];
  /** Forgets all history. */
  readonly compact: () => void;
  /** Back to the beginning, as after the restore of an old backup. */
  readonly restore: () => void;
  readonly onEntry: (listener: (entry: HistoryEntry) => void) => () => void;
}

export interface ApplyHow {
  readonly force: boolean;
  readonly status: boolean;
}

interface Entry {
  readonly path: ObjectPath;
  readonly value: JsonObject;
  readonly owners: Owners;
}

/** A `Status` body. */
export function statusReply(code: number, reason: string, message: string, details: JsonObject = {}): Reply {
  return {
    status: code,
    body: { kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message, details },
  };
}

const firstVersion = 100;

/** What a manager creates or updates is not what it applies: the server keeps them apart, and so are conflicts told. */
const updateOf = (manager: string) => `${manager}\u0000Update`;

const idOf = ({ resource, namespace = "", name }: ObjectPath) => `${resource}|${namespace}|${name}`;
const metaOf = (value: JsonObject): JsonObject => (isObject(value["metadata"]) ? value["metadata"] : {});
const specOf = ({ metadata: _, status: __, ...rest }: JsonObject): JsonObject => rest;

export function createObjectBase(): ObjectBase {
  const objects = new Map<string, Entry>();
  const listeners = new Set<(entry: HistoryEntry) => void>();
  let history: HistoryEntry[] = [];
  let version = firstVersion;
  let oldest = version;
  let uids = 0;
  let rehearsing = false;

  function record(type: HistoryEntry["type"], path: ObjectPath, value: JsonObject, owners: Owners): JsonObject {
    // As the real server: what is not stored gets no new version.
    if (rehearsing) return value;
    version++;
    const object = { ...value, metadata: { ...metaOf(value), resourceVersion: String(version) } };
    if (type === "DELETED") objects.delete(idOf(path));
    else objects.set(idOf(path), { path, value: object, owners });
    const entry = { version, path, type, object };
    history.push(entry);
    for (const listener of listeners) listener(entry);
    return object;
  }

  function created(path: ObjectPath, value: JsonObject, manager: string): Reply {
    const { name, namespace } = path;
    const metadata = {
      ...metaOf(value),
      name,
      ...(namespace === undefined ? {} : { namespace }),
      uid: `uid-${++uids}`,
      generation: 1,
      creationTimestamp: "2030-01-01T00:00:00Z",
    };
    const owners = new Map([[manager, new Set(fieldsOf(value).keys())]]);
    return { status: 201, body: record("ADDED", path, { ...value, metadata }, owners) };
  }

  /** Stores a new state of an object, unless nothing is new; an object whose last finalizer went is gone. */
  function changed({ path, value: old }: Entry, next: JsonObject, owners: Owners): Reply {
    const metadata = metaOf(next);
    if (metadata["deletionTimestamp"] !== undefined && finalizersOf(next).length === 0)
      return { status: 200, body: record("DELETED", path, next, owners) };
    const fresh = { ...next, metadata: { ...metadata, resourceVersion: metaOf(old)["resourceVersion"] ?? null } };
    if (sameJson(old, fresh)) {
      if (!rehearsing) objects.set(idOf(path), { path, value: old, owners });
      return { status: 200, body: old };
    }
    const generation = Number(metaOf(old)["generation"]) + (sameJson(specOf(old), specOf(next)) ? 0 : 1);
    return { status: 200, body: record("MODIFIED", path, { ...next, metadata: { ...metadata, generation } }, owners) };
  }

  function refusal(path: ObjectPath, entry: Entry, metadata: JsonObject): Reply | undefined {
    for (const field of ["uid", "resourceVersion"]) {
      const asked = metadata[field];
      if (asked !== undefined && asked !== metaOf(entry.value)[field])
        return statusReply(409, "Conflict", `Precondition failed: ${field} of ${path.name} is another`);
    }
    return undefined;
  }

  const missing = ({ name }: ObjectPath) => statusReply(404, "NotFound", `"${name}" not found`);

  /** What a manager writes by other means than apply becomes its own. */
  function takeOver(owners: Owners, before: Fields, after: Fields, manager: string): Owners {
    const touched = [...after].filter(([path, value]) => !sameJson(before.get(path), value)).map(([path]) => path);
    return assign(owners, manager, [...(owners.get(manager) ?? []), ...touched], touched, after);
  }

  return {
    version: () => version,
    oldest: () => oldest,
    list: (resource, namespace) =>
      [...objects.values()]
        .filter(({ path }) => path.resource === resource && (namespace === undefined || path.namespace === namespace))
        .sort((a, b) => (idOf(a.path) < idOf(b.path) ? -1 : 1))
        .map(({ value }) => value),
    get: (path) => {
      const entry = objects.get(idOf(path));
      return entry ? { status: 200, body: entry.value } : missing(path);
    },
    create: (path, value, manager) =>
      objects.has(idOf(path))
        ? statusReply(409, "AlreadyExists", `"${path.name}" already exists`)
        : created(path, value, updateOf(manager)),

    replace(path, value, manager) {
      const entry = objects.get(idOf(path));
      if (!entry) return missing(path);
      const refused = refusal(path, entry, metaOf(value));
      if (refused) return refused;
      const next = { ...value, metadata: { ...metaOf(entry.value), ...metaOf(value) } };
      return changed(entry, next, takeOver(entry.owners, fieldsOf(entry.value), fieldsOf(next), updateOf(manager)));
    },

    merge(path, patch, manager) {
      const entry = objects.get(idOf(path));
      if (!entry) return missing(path);
      const refused = refusal(path, entry, metaOf(patch));
      if (refused) return refused;
      const next = mergePatch(entry.value, patch);
      return changed(entry, next, takeOver(entry.owners, fieldsOf(entry.value), fieldsOf(next), updateOf(manager)));
    },

    apply(path, value, manager, { force, status }) {
      const entry = objects.get(idOf(path));
      const { uid, name } = metaOf(value);
      if (name !== path.name) return statusReply(400, "BadRequest", "the name in the object is another");
      if (!entry && status) return missing(path);
      if (!entry && uid !== undefined)
        return statusReply(409, "Conflict", `uid mismatch: "${path.name}" does not exist`);
      if (!entry) return created(path, value, manager);
      const refused = refusal(path, entry, metaOf(value));
      if (refused) return refused;

      const mine = (at: Path) => isBelow(at, "status") === status;
      const wanted = new Map([...fieldsOf(value)].filter(([at]) => mine(at)));
      const current = fieldsOf(entry.value);
      const conflicts = force ? [] : conflictsOf(wanted, current, entry.owners, manager);
      if (conflicts.length > 0) {
        const causes = conflicts.map(({ path: at, manager: other }) => ({
          reason: "FieldManagerConflict",
          message: `conflict with "${other.split("\u0000")[0]}" using v1`,
          field: shown(at),
        }));
        return statusReply(409, "Conflict", `Apply failed with ${causes.length} conflicts`, { causes });
      }
      const before = [...(entry.owners.get(manager) ?? [])];
      const taken = force
        ? [...wanted].filter(([at, field]) => !sameJson(current.get(at), field)).map(([at]) => at)
        : [];
      const kept = [...wanted.keys(), ...before.filter((at) => !mine(at))];
      const owners = assign(entry.owners, manager, kept, taken, undefined);
      let next = entry.value;
      for (const [at, field] of wanted) next = withField(next, at, field);
      for (const at of before)
        if (mine(at) && !wanted.has(at) && ![...owners.values()].some((paths) => paths.has(at)))
          next = withField(next, at, undefined);
      return changed(entry, next, owners);
    },

    remove(path, preconditions) {
      const entry = objects.get(idOf(path));
      if (!entry) return missing(path);
      const refused = refusal(path, entry, preconditions);
      if (refused) return refused;
      if (finalizersOf(entry.value).length === 0)
        return { status: 200, body: record("DELETED", path, entry.value, entry.owners) };
      const metadata = { deletionTimestamp: "2030-01-01T00:00:00Z", ...metaOf(entry.value) };
      return changed(entry, { ...entry.value, metadata }, entry.owners);
    },

    rehearse(act) {
      rehearsing = true;
      try {
        return act();
      } finally {
        rehearsing = false;
      }
    },
    since: (from) => history.filter((entry) => entry.version > from),
    compact() {
      oldest = version;
      history = [];
    },
    restore() {
      objects.clear();
      history = [];
      version = firstVersion - 10;
      oldest = version;
    },
    onEntry(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** Gives a manager exactly these paths and takes the taken ones from all others; `alive` drops paths that went. */
function assign(
  owners: Owners,
  manager: string,
  paths: readonly Path[],
  taken: readonly Path[],
  alive: Fields | undefined,
): Owners {
  const next = new Map<string, ReadonlySet<Path>>();
  for (const [other, theirs] of owners)
    if (other !== manager) next.set(other, new Set([...theirs].filter((path) => !taken.includes(path))));
  next.set(manager, new Set(alive ? paths.filter((path) => alive.has(path)) : paths));
  return next;
}

function finalizersOf(value: JsonObject): readonly Json[] {
  const { finalizers } = metaOf(value);
  return Array.isArray(finalizers) ? finalizers : [];
}

/** RFC 7386. */
function mergePatch(value: JsonObject, patch: JsonObject): JsonObject {
  let next = value;
  for (const [name, field] of Object.entries(patch)) {
    const { [name]: old, ...others } = next;
    if (field === null) next = others;
    else next = { ...next, [name]: isObject(field) ? mergePatch(isObject(old) ? old : {}, field) : field };
  }
  return next;
}
