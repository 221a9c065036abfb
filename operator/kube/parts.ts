/** The objects of one collection by what they are a part of. */
import type { ObjectKey, StoredObject } from "./objects.ts";
import type { Change } from "./store.ts";
import type { WatchedKind } from "./watched.ts";

export interface Parts {
  /** Every change of the collection, in order. */
  readonly note: (change: Change) => void;
  /** In the order in which they became parts. */
  readonly of: (whole: ObjectKey) => readonly StoredObject[];
}

export function createParts({ part = () => undefined }: Pick<WatchedKind, "part">): Parts {
  const byWhole = new Map<ObjectKey, Map<ObjectKey, StoredObject>>();
  /** Where each object is kept: what a deletion says of its last state may be newer than what was known of it. */
  const wholes = new Map<ObjectKey, ObjectKey>();

  function leave(key: ObjectKey): void {
    const whole = wholes.get(key);
    if (whole === undefined) return;
    wholes.delete(key);
    const parts = byWhole.get(whole);
    parts?.delete(key);
    if (parts?.size === 0) byWhole.delete(whole);
  }

  return {
    note({ kind, key, object }) {
      const whole = kind === "deleted" ? undefined : part(object);
      if (wholes.get(key) !== whole) leave(key);
      if (whole === undefined) return;
      wholes.set(key, whole);
      const parts = byWhole.get(whole) ?? new Map<ObjectKey, StoredObject>();
      byWhole.set(whole, parts.set(key, object));
    },
    of: (whole) => [...(byWhole.get(whole)?.values() ?? [])],
  };
}
