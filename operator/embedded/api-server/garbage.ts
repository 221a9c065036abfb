/**
 * The garbage collector: what has no owner any more is deleted, in the background; and what a deletion asked for first
 * (`Foreground`, `Orphan`) is done before its finalizer goes.
 */
import { isObject, type JsonObject, listAt, objectAt, stringAt } from "./json.ts";
import { finalizersOf } from "./metadata.ts";
import type { Entry, Store } from "./store.ts";
import { collectorFinalizers } from "./writes.ts";

export interface CollectorActs {
  readonly remove: (entry: Entry) => void;
  /** A merge patch by the collector. */
  readonly patch: (entry: Entry, patch: JsonObject) => void;
}

export interface Collector {
  /** Resolves when nothing is left to look at. */
  readonly idle: () => Promise<void>;
  readonly close: () => void;
}

/** Looks at everything once, and then at what changes touch. */
export function createCollector(store: Store, all: Iterable<Entry>, acts: CollectorActs): Collector {
  const dependants = new Map<string, Set<string>>();
  let queue = new Set<string>();
  let timer: NodeJS.Immediate | undefined;
  let closed = false;
  /** Something is left to look at, of what was found while looking too. */
  let busy = false;
  let idle = Promise.withResolvers<void>();
  idle.resolve();

  const ownersOf = (object: JsonObject) => listAt(objectAt(object, "metadata"), "ownerReferences").filter(isObject);

  function link({ uid, object }: Entry, previous: Entry | undefined): void {
    for (const owner of previous ? ownersOf(previous.object) : []) {
      const set = dependants.get(stringAt(owner, "uid"));
      set?.delete(uid);
      if (set?.size === 0) dependants.delete(stringAt(owner, "uid"));
    }
    for (const owner of ownersOf(object)) {
      const set = dependants.get(stringAt(owner, "uid")) ?? new Set();
      dependants.set(stringAt(owner, "uid"), set.add(uid));
    }
  }

  function look(uid: string): void {
    if (closed) return;
    queue.add(uid);
    if (!busy) idle = Promise.withResolvers();
    busy = true;
    timer ??= setImmediate(work);
  }

  function work(): void {
    timer = undefined;
    const uids = queue;
    queue = new Set();
    for (const uid of uids) {
      const entry = store.withUid(uid);
      if (entry) examine(entry);
    }
    if (queue.size > 0) return;
    busy = false;
    idle.resolve();
  }

  function examine(entry: Entry): void {
    const { uid, object } = entry;
    const leaving = objectAt(object, "metadata")["deletionTimestamp"] !== undefined;
    const finalizers = finalizersOf(object);
    const mine = [...(dependants.get(uid) ?? [])].flatMap((each) => store.withUid(each) ?? []);
    if (leaving && finalizers.includes(collectorFinalizers.Orphan)) {
      for (const each of mine) dropOwners(each, (owner) => stringAt(owner, "uid") === uid);
      return dropFinalizer(entry, collectorFinalizers.Orphan);
    }
    if (leaving && finalizers.includes(collectorFinalizers.Foreground)) {
      for (const each of mine) if (!isLeaving(each)) acts.remove(each);
      const blocking = mine.filter(
        (each) =>
          store.withUid(each.uid) !== undefined &&
          ownersOf(each.object).some((owner) => stringAt(owner, "uid") === uid && owner["blockOwnerDeletion"] === true),
      );
      if (blocking.length === 0) dropFinalizer(entry, collectorFinalizers.Foreground);
      return;
    }
    const owners = ownersOf(object);
    if (owners.length === 0 || leaving) return;
    const gone = owners.filter((owner) => !store.withUid(stringAt(owner, "uid")));
    if (gone.length === owners.length) acts.remove(entry);
    else if (gone.length > 0) dropOwners(entry, (owner) => gone.includes(owner));
  }

  function dropOwners(entry: Entry, drops: (owner: JsonObject) => boolean): void {
    const left = ownersOf(entry.object).filter((owner) => !drops(owner));
    acts.patch(entry, { metadata: { ownerReferences: left.length === 0 ? null : left } });
  }

  function dropFinalizer(entry: Entry, finalizer: string): void {
    const left = finalizersOf(entry.object).filter((each) => each !== finalizer);
    acts.patch(entry, { metadata: { finalizers: left.length === 0 ? null : left } });
  }

  for (const entry of all) {
    link(entry, undefined);
    look(entry.uid);
  }
  const stop = store.onChange(({ type, entry, previous }) => {
    if (type === "DELETED") {
      link({ ...entry, object: {} }, previous);
      for (const uid of dependants.get(entry.uid) ?? []) look(uid);
      // Owners that wait for this one to go.
      for (const owner of ownersOf(entry.object)) look(stringAt(owner, "uid"));
      return;
    }
    link(entry, previous);
    if (ownersOf(entry.object).length > 0 || isLeaving(entry)) look(entry.uid);
  });

  return {
    idle: () => idle.promise,
    close() {
      closed = true;
      stop();
      if (timer) clearImmediate(timer);
      idle.resolve();
    },
  };
}

function isLeaving({ object }: Entry): boolean {
  return objectAt(object, "metadata")["deletionTimestamp"] !== undefined;
}
