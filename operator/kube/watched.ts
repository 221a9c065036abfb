/** All collections a controller watches: one list/watch for each kind and namespace, read as one. */
import type { ApiClient } from "./api-client.ts";
import type { Clock } from "./clock.ts";
import { type ListWatch, type ListWatchTuning, type Observation, startListWatch } from "./list-watch.ts";
import type { Kind, ObjectKey, StoredObject } from "./objects.ts";
import { createParts } from "./parts.ts";
import { collectionsOf, type Scope } from "./scope.ts";
import type { Change } from "./store.ts";

/** A kind to watch, and whose business a change of one of its objects is. */
export interface WatchedKind {
  readonly kind: Kind;
  readonly labelSelector?: string;
  /** Keys to work on after a change: the object's own, its controller's, … */
  readonly keys: (object: StoredObject) => readonly ObjectKey[];
  /** The one key whose object it is a part of, told by the object alone: `Objects.partsOf` finds it by that. */
  readonly part?: (object: StoredObject) => ObjectKey | undefined;
}

/** Objects by kind, over all collections of the scope. */
export interface Objects {
  readonly get: (kind: Kind, key: ObjectKey) => StoredObject | undefined;
  readonly list: (kind: Kind) => readonly StoredObject[];
  /** Those whose `part` is the key, without a look at the others; none of a kind that has no `part`. */
  readonly partsOf: (kind: Kind, key: ObjectKey) => readonly StoredObject[];
  /** Whether what is shown of the key's collection is of this resourceVersion or later. */
  readonly hasReached: (kind: Kind, key: ObjectKey, version: string) => boolean;
}

export interface Watched {
  readonly objects: Objects;
  /** Lists everything anew; afterwards nothing in the stores is older than the call. */
  readonly refresh: () => Promise<"synced" | "stopped">;
  readonly synced: Promise<"synced" | "stopped">;
  /** Whether every store was filled once. */
  readonly isSynced: () => boolean;
  /** Keys of everything in the stores. */
  readonly keys: () => ReadonlySet<ObjectKey>;
  readonly done: Promise<void>;
}

export interface WatchedOptions {
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly random: () => number;
  readonly scope: Scope;
  readonly kinds: readonly WatchedKind[];
  readonly signal: AbortSignal;
  readonly onKey: (key: ObjectKey) => void;
  readonly onObservation: (kind: Kind, observation: Observation) => void;
  readonly tuning?: Partial<ListWatchTuning>;
}

export function startWatched(options: WatchedOptions): Watched {
  const { api, clock, random, scope, kinds, signal, onKey, onObservation, tuning } = options;
  const watches = kinds.flatMap((watched) =>
    collectionsOf(watched.kind, scope).map((namespace) => {
      const parts = createParts(watched);
      const listWatch = startListWatch({
        api,
        clock,
        random,
        signal,
        selection: {
          kind: watched.kind,
          namespace,
          ...(watched.labelSelector === undefined ? {} : { labelSelector: watched.labelSelector }),
        },
        onChange: (change) => {
          parts.note(change);
          for (const key of keysOf(watched, change)) onKey(key);
        },
        onObservation: (observation) => onObservation(watched.kind, observation),
        ...(tuning ? { tuning } : {}),
      });
      return { watched, namespace, parts, listWatch };
    }),
  );
  const of = (kind: Kind) =>
    watches.filter(({ watched }) => watched.kind.plural === kind.plural && watched.kind.group === kind.group);
  const all = async (each: (listWatch: ListWatch) => Promise<"synced" | "stopped">) => {
    const ends = await Promise.all(watches.map(({ listWatch }) => each(listWatch)));
    return ends.includes("stopped") ? "stopped" : "synced";
  };
  let synced = false;
  const first = all((listWatch) => listWatch.synced).then((end) => {
    synced = end === "synced";
    return end;
  });

  return {
    objects: {
      get: (kind, key) => {
        for (const { listWatch } of of(kind)) {
          const found = listWatch.store.get(key);
          if (found) return found;
        }
        return undefined;
      },
      list: (kind) => of(kind).flatMap(({ listWatch }) => listWatch.store.list()),
      partsOf: (kind, key) => of(kind).flatMap(({ parts }) => parts.of(key)),
      hasReached: (kind, key, version) =>
        of(kind)
          .filter(({ namespace }) => namespace === undefined || key.startsWith(`${namespace}/`))
          .every(({ listWatch }) => listWatch.hasReached(version)),
    },
    refresh: () => all((listWatch) => listWatch.refresh()),
    synced: first,
    isSynced: () => synced,
    keys: () => new Set(watches.flatMap(({ watched, listWatch }) => listWatch.store.list().flatMap(watched.keys))),
    done: Promise.all(watches.map(({ listWatch }) => listWatch.done)).then(() => {}),
  };
}

/** An update may move an object from one controller to another: both have to look. */
function keysOf(watched: WatchedKind, change: Change): ReadonlySet<ObjectKey> {
  const before = change.kind === "updated" ? watched.keys(change.previous) : [];
  return new Set([...before, ...watched.keys(change.object)]);
}
