/**
 * What this operator wrote and its stores have not shown yet. A plan made from older stores would do things twice: a
 * visit waits until every write of the visits before is seen.
 */
import { type Kind, keyOf, type ObjectKey, type StoredObject } from "../kube/objects.ts";
import type { Objects } from "../kube/watched.ts";

interface Write {
  readonly kind: Kind;
  readonly key: ObjectKey;
  readonly uid: string;
  /** Version of the state that was written; undefined: the object was deleted, or is on its way out. */
  readonly version: string | undefined;
}

export interface OwnWrites {
  readonly wrote: (swarm: ObjectKey, kind: Kind, object: StoredObject) => void;
  readonly removed: (swarm: ObjectKey, kind: Kind, object: StoredObject) => void;
  /** Whether the stores are as new as everything written for the swarm. */
  readonly areSeen: (swarm: ObjectKey, objects: Objects) => boolean;
  readonly forget: (swarm: ObjectKey) => void;
}

export function createOwnWrites(): OwnWrites {
  const bySwarm = new Map<ObjectKey, Map<string, Write>>();
  const put = (swarm: ObjectKey, write: Write) => {
    const writes = bySwarm.get(swarm) ?? new Map<string, Write>();
    bySwarm.set(swarm, writes.set(`${write.kind.plural} ${write.key}`, write));
  };
  return {
    wrote: (swarm, kind, object) => {
      const { uid, resourceVersion } = object.metadata;
      put(swarm, { kind, key: keyOf(object), uid, version: resourceVersion });
    },
    removed: (swarm, kind, object) =>
      put(swarm, { kind, key: keyOf(object), uid: object.metadata.uid, version: undefined }),
    areSeen(swarm, objects) {
      const writes = bySwarm.get(swarm);
      if (!writes) return true;
      for (const [id, write] of writes) if (isSeen(write, objects)) writes.delete(id);
      if (writes.size === 0) bySwarm.delete(swarm);
      return writes.size === 0;
    },
    forget: (swarm) => void bySwarm.delete(swarm),
  };
}

function isSeen({ kind, key, uid, version }: Write, objects: Objects): boolean {
  const found = objects.get(kind, key);
  if (version === undefined)
    return !found || found.metadata.uid !== uid || found.metadata.deletionTimestamp !== undefined;
  // The object may be gone again by now: what counts is how far the collection was read.
  return found?.metadata.resourceVersion === version || objects.hasReached(kind, key, version);
}
