/**
 * What the API server keeps: objects in their newest version, one counter of versions, and the last changes, from which
 * watches and pages of lists are served. A change is published once it is durable; nothing is answered before that.
 */

import { type Durable, type Journal, openJournal } from "./journal.ts";
import { isObject, type JsonObject, objectAt, parseJson, stringAt } from "./json.ts";
import { type Owners, ownersFromJson, ownersToJson } from "./ownership.ts";
import type { Resource } from "./resources.ts";

export interface Entry {
  readonly resource: Resource;
  /** "" for cluster-scoped objects. */
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly version: number;
  readonly object: JsonObject;
  readonly owners: Owners;
  /** Of its JSON. */
  readonly bytes: number;
}

export interface Change {
  readonly version: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly entry: Entry;
  readonly previous: Entry | undefined;
  /** The object's JSON. */
  readonly text: string;
}

/** A state to be stored: without a resourceVersion of its own. */
export interface Draft {
  readonly resource: Resource;
  readonly namespace: string;
  readonly name: string;
  readonly object: JsonObject;
  readonly owners: Owners;
}

export interface Store {
  /** Newest version, published or not. */
  readonly version: () => number;
  /** Newest version that watches may see. */
  readonly published: () => number;
  /** Changes after this version are still known. */
  readonly oldest: () => number;
  readonly get: (resource: Resource, namespace: string, name: string) => Entry | undefined;
  readonly withUid: (uid: string) => Entry | undefined;
  /** In the order of namespace and name. Undefined: all namespaces. */
  readonly list: (resource: Resource, namespace: string | undefined) => readonly Entry[];
  /** The same as it was at a version; undefined when that is not known any more. */
  readonly listAt: (resource: Resource, namespace: string | undefined, version: number) => readonly Entry[] | undefined;
  /** The change that made a version, which must be known and published. */
  readonly change: (version: number) => Change;
  readonly put: (draft: Draft) => Entry;
  /** The object as it was last, with the version of its deletion. */
  readonly remove: (draft: Draft) => Entry;
  /** Resolves when everything done so far is durable; undefined: it is. */
  readonly settled: () => Promise<Durable> | undefined;
  /** Why nothing can be stored any more. */
  readonly failure: () => string | undefined;
  readonly stats: () => { readonly objects: number; readonly bytes: number; readonly historyBytes: number };
  /** Called after each publication. */
  readonly onPublished: (listener: () => void) => () => void;
  /** Called for each change at once. */
  readonly onChange: (listener: (change: Change) => void) => () => void;
  /** Forgets the changes so far. */
  readonly compact: () => void;
  readonly close: () => Promise<void>;
}

export interface StoreOptions {
  /** Absent: in memory alone. */
  readonly directory: string | undefined;
  readonly resources: readonly Resource[];
  readonly historyChanges: number;
  readonly historyBytes: number;
  readonly compactBytes: number | undefined;
  readonly onFailure: (message: string) => void;
}

export type OpenedStore =
  | { readonly kind: "open"; readonly store: Store; readonly tornBytes: number }
  | { readonly kind: "failed"; readonly message: string };

/** Changes that become durable together. */
interface Batch {
  readonly done: Promise<Durable>;
  version: number;
}

interface Collection {
  readonly entries: Map<string, Entry>;
  sorted: readonly Entry[] | undefined;
}

const format = 1;
const keyOf = (namespace: string, name: string) => `${namespace}/${name}`;
const order = (a: Entry, b: Entry) => {
  const [left, right] = [keyOf(a.namespace, a.name), keyOf(b.namespace, b.name)];
  return left < right ? -1 : left > right ? 1 : 0;
};

/** Lists begin with a version that is not 0, which means any. */
const firstVersion = 1;

export async function openStore(options: StoreOptions): Promise<OpenedStore> {
  const { directory, resources, historyChanges, historyBytes, compactBytes, onFailure } = options;
  const known = new Map(resources.map((resource) => [resource.id, resource]));
  const collections = new Map<Resource, Collection>(
    resources.map((resource) => [resource, { entries: new Map(), sorted: undefined }]),
  );
  const byUid = new Map<string, Entry>();
  const publishing = new Set<() => void>();
  const changing = new Set<(change: Change) => void>();
  let history: Change[] = [];
  let version = firstVersion;
  let published = firstVersion;
  let oldest = firstVersion;
  let bytes = 0;
  let heldBytes = 0;
  let batch: Batch | undefined;
  let failure: string | undefined;

  const collectionOf = (resource: Resource) => collections.get(resource)!;

  function keep(entry: Entry): void {
    const collection = collectionOf(entry.resource);
    const key = keyOf(entry.namespace, entry.name);
    const before = collection.entries.get(key);
    bytes += entry.bytes - (before?.bytes ?? 0);
    if (before) byUid.delete(before.uid);
    collection.entries.set(key, entry);
    byUid.set(entry.uid, entry);
    collection.sorted = undefined;
  }

  function forget(entry: Entry): void {
    const collection = collectionOf(entry.resource);
    const key = keyOf(entry.namespace, entry.name);
    const before = collection.entries.get(key);
    if (!before) return;
    bytes -= before.bytes;
    collection.entries.delete(key);
    byUid.delete(before.uid);
    collection.sorted = undefined;
  }

  function* snapshot(): Iterable<string> {
    // Entries never change: the lists are taken at once and written in peace.
    const all = [...collections.values()].map(({ entries }) => [...entries.values()]);
    const at = version;
    yield JSON.stringify({ format, version: at });
    for (const entries of all) for (const entry of entries) yield recordOf(entry, JSON.stringify(entry.object), true);
  }

  /** A sentence when the record cannot be used. */
  function replay(text: string): string | undefined {
    const record = parseJson(text);
    if (!isObject(record)) return "a record that is no object";
    if ("format" in record) {
      if (record["format"] !== format) return `format ${String(record["format"])} is none that this release reads`;
      version = Number(record["version"]);
      return undefined;
    }
    const resource = known.get(stringAt(record, "r"));
    if (!resource) return `objects of ${stringAt(record, "r")} are none that this release knows`;
    const [namespace, name] = [stringAt(record, "ns"), stringAt(record, "n")];
    const object = objectAt(record, "o");
    const before = collectionOf(resource).entries.get(keyOf(namespace, name));
    const owners = "w" in record ? ownersFromJson(record["w"]) : (before?.owners ?? []);
    const uid = stringAt(objectAt(object, "metadata"), "uid");
    const itsVersion = Number(record["v"]);
    const entry = { resource, namespace, name, uid, object, owners, version: itsVersion, bytes: text.length };
    if (record["d"] === true) forget(entry);
    else keep(entry);
    version = Math.max(version, itsVersion);
    return undefined;
  }

  const opened =
    directory === undefined
      ? undefined
      : await openJournal({
          directory,
          onRecord: replay,
          snapshot,
          onFailure: (message) => {
            failure = message;
            onFailure(message);
          },
          ...(compactBytes === undefined ? {} : { compactBytes }),
        });
  if (opened?.kind === "failed") return opened;
  const journal: Journal = opened?.journal ?? inMemory();
  published = version;
  oldest = version;

  function record(type: Change["type"], draft: Draft): Entry {
    const before = collectionOf(draft.resource).entries.get(keyOf(draft.namespace, draft.name));
    version++;
    const metadata = { ...objectAt(draft.object, "metadata"), resourceVersion: String(version) };
    const object = { ...draft.object, metadata };
    const text = JSON.stringify(object);
    const entry: Entry = { ...draft, object, version, uid: stringAt(metadata, "uid"), bytes: text.length };
    if (type === "DELETED") forget(entry);
    else keep(entry);
    const change: Change = { version, type, entry, previous: before, text };
    history.push(change);
    heldBytes += change.text.length;
    const done = journal.append(recordOf(entry, text, entry.owners !== before?.owners, type === "DELETED"));
    if (batch?.done === done) batch.version = version;
    else {
      const begun = { done, version };
      batch = begun;
      void done.then((durable) => settle(begun, durable));
    }
    for (const listener of changing) listener(change);
    return entry;
  }

  function settle(settled: Batch, durable: Durable): void {
    if (batch === settled) batch = undefined;
    if (durable.kind === "failed") {
      failure ??= durable.message;
      return;
    }
    published = settled.version;
    // Shifting a long list for each change would be slow: an eighth more is kept at times.
    if (history.length > historyChanges * 1.125 || heldBytes > historyBytes * 1.125) trim();
    for (const listener of publishing) listener();
  }

  /** Only what was published is forgotten. */
  function trim(): void {
    let drop = 0;
    while (
      history.length > drop &&
      history[drop]!.version <= published &&
      (history.length - drop > historyChanges || heldBytes > historyBytes)
    ) {
      heldBytes -= history[drop]!.text.length;
      oldest = history[drop]!.version;
      drop++;
    }
    history = history.slice(drop);
  }

  function list(resource: Resource, namespace: string | undefined): readonly Entry[] {
    const collection = collectionOf(resource);
    collection.sorted ??= [...collection.entries.values()].sort(order);
    return inNamespace(collection.sorted, namespace);
  }

  const store: Store = {
    version: () => version,
    published: () => published,
    oldest: () => oldest,
    get: (resource, namespace, name) => collectionOf(resource).entries.get(keyOf(namespace, name)),
    withUid: (uid) => byUid.get(uid),
    list,
    listAt(resource, namespace, at) {
      if (at < oldest || at > version) return undefined;
      if (at === version) return list(resource, namespace);
      // Backwards from now: the first version seen of each object is the one from before its last change.
      const then = new Map(collectionOf(resource).entries);
      for (let back = history.length - 1; back >= 0 && history[back]!.version > at; back--) {
        const { entry, previous } = history[back]!;
        if (entry.resource !== resource) continue;
        if (previous) then.set(keyOf(entry.namespace, entry.name), previous);
        else then.delete(keyOf(entry.namespace, entry.name));
      }
      return inNamespace([...then.values()].sort(order), namespace);
    },
    change: (at) => history[at - oldest - 1]!,
    put: (draft) =>
      record(
        collectionOf(draft.resource).entries.has(keyOf(draft.namespace, draft.name)) ? "MODIFIED" : "ADDED",
        draft,
      ),
    remove: (draft) => record("DELETED", draft),
    settled: () => batch?.done,
    failure: () => failure,
    stats: () => ({ objects: byUid.size, bytes, historyBytes: heldBytes }),
    onPublished(listener) {
      publishing.add(listener);
      return () => void publishing.delete(listener);
    },
    onChange(listener) {
      changing.add(listener);
      return () => void changing.delete(listener);
    },
    compact() {
      const kept = history.findIndex((change) => change.version > published);
      history = kept < 0 ? [] : history.slice(kept);
      heldBytes = history.reduce((sum, change) => sum + change.text.length, 0);
      oldest = published;
      for (const listener of publishing) listener();
    },
    close: () => journal.close(),
  };
  return { kind: "open", store, tornBytes: opened?.tornBytes ?? 0 };
}

function inNamespace(entries: readonly Entry[], namespace: string | undefined): readonly Entry[] {
  return namespace === undefined ? entries : entries.filter((entry) => entry.namespace === namespace);
}

/** One line. Owners are left out when they are those of the record before. */
function recordOf({ resource, namespace, name, version, owners }: Entry, object: string, all: boolean, gone = false) {
  const head = `{"v":${version},"r":"${resource.id}","ns":${JSON.stringify(namespace)},"n":${JSON.stringify(name)}`;
  // Of what is gone nothing is read any more.
  if (gone) return `${head},"d":true}`;
  return `${head}${all ? `,"w":${JSON.stringify(ownersToJson(owners))}` : ""},"o":${object}}`;
}

/**
 * What is done in one turn is published together, and in a later turn, as on a disk: who works without a pause would
 * otherwise keep every timer of the process waiting, its own lease's too.
 */
function inMemory(): Journal {
  let batch: Promise<Durable> | undefined;
  return {
    append() {
      batch ??= new Promise((resolve) => {
        setImmediate(() => {
          batch = undefined;
          resolve({ kind: "durable" });
        });
      });
      return batch;
    },
    close: () => Promise.resolve(),
  };
}
