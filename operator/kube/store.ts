/** What is known of one collection: objects by key, and the changes that lead from one state to the next. */
import { keyOf, type ObjectKey, type StoredObject } from "./objects.ts";

/** `updated` keeps the uid: an object that was replaced under its name is `deleted`, then `added`. */
export type Change =
  | { readonly kind: "added"; readonly key: ObjectKey; readonly object: StoredObject }
  | {
      readonly kind: "updated";
      readonly key: ObjectKey;
      readonly object: StoredObject;
      readonly previous: StoredObject;
    }
  /** `object`: its last known state. */
  | { readonly kind: "deleted"; readonly key: ObjectKey; readonly object: StoredObject };

/** Read side of a store. The objects are shared: treat them as immutable. */
export interface Store {
  readonly get: (key: ObjectKey) => StoredObject | undefined;
  readonly list: () => readonly StoredObject[];
  readonly size: () => number;
}

export interface MutableStore extends Store {
  /** Makes the store equal to a list. */
  readonly replace: (objects: readonly StoredObject[]) => readonly Change[];
  /** The object exists in this state. */
  readonly put: (object: StoredObject) => readonly Change[];
  /** The object does not exist any more. */
  readonly remove: (object: StoredObject) => readonly Change[];
}

export function createStore(): MutableStore {
  const objects = new Map<ObjectKey, StoredObject>();

  function put(object: StoredObject): readonly Change[] {
    const key = keyOf(object);
    const changes = difference(key, objects.get(key), object);
    // Without a change the object that was handed out before stays: equal states are one object.
    if (changes.length > 0) objects.set(key, object);
    return changes;
  }

  return {
    get: (key) => objects.get(key),
    list: () => [...objects.values()],
    size: () => objects.size,
    put,
    remove(object) {
      const key = keyOf(object);
      const previous = objects.get(key);
      if (!previous) return [];
      objects.delete(key);
      return [{ kind: "deleted", key, object: { ...previous, ...object } }];
    },
    replace(list) {
      const next = new Map(list.map((object) => [keyOf(object), object]));
      const changes = [...objects]
        .filter(([key]) => !next.has(key))
        .map(([key, object]): Change => ({ kind: "deleted", key, object }));
      for (const key of [...objects.keys()]) if (!next.has(key)) objects.delete(key);
      for (const object of next.values()) changes.push(...put(object));
      return changes;
    },
  };
}

/** No change when the resourceVersion is the same: servers repeat events. */
function difference(key: ObjectKey, previous: StoredObject | undefined, object: StoredObject): readonly Change[] {
  if (!previous) return [{ kind: "added", key, object }];
  if (previous.metadata.uid !== object.metadata.uid)
    return [
      { kind: "deleted", key, object: previous },
      { kind: "added", key, object },
    ];
  if (previous.metadata.resourceVersion === object.metadata.resourceVersion) return [];
  return [{ kind: "updated", key, object, previous }];
}
