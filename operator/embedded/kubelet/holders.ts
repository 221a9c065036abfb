/** Which pod has a volume. One at a time: two processes on one volume could sign with one key. */
import type { ObjectKey } from "../../kube/objects.ts";

export interface Holders {
  /** Takes all of them for a pod, or none and says which one another pod has. */
  readonly take: (uid: string, claims: readonly ObjectKey[]) => ObjectKey | undefined;
  /** Lets go of everything the pod has; calls `onFree` for each. */
  readonly release: (uid: string) => void;
  readonly holder: (claim: ObjectKey) => string | undefined;
}

export function createHolders(onFree: (claim: ObjectKey) => void): Holders {
  const holders = new Map<ObjectKey, string>();
  return {
    take(uid, claims) {
      const taken = claims.find((claim) => (holders.get(claim) ?? uid) !== uid);
      if (taken === undefined) for (const claim of claims) holders.set(claim, uid);
      return taken;
    },
    release(uid) {
      const free = [...holders].filter(([, holder]) => holder === uid).map(([claim]) => claim);
      for (const claim of free) holders.delete(claim);
      for (const claim of free) onFree(claim);
    },
    holder: (claim) => holders.get(claim),
  };
}
