/** Evictions: deletions that ask the pod's disruption budget first. One after another, so that each sees the last. */
import { pods as podKind } from "../../kube/kinds.ts";
import type { StoredObject } from "../../kube/objects.ts";
import { mayEvict } from "./budgets.ts";
import type { Writes } from "./writes.ts";

export type EvictionResult =
  | { readonly kind: "evicted" }
  /** The budget forbids it now: HTTP 429. */
  | { readonly kind: "refused"; readonly message: string }
  /** Several budgets: HTTP 500. */
  | { readonly kind: "ambiguous"; readonly message: string }
  | { readonly kind: "gone" }
  | { readonly kind: "unavailable"; readonly message: string };

export interface EvictionsOptions {
  readonly pods: (namespace: string) => readonly StoredObject[];
  readonly budgets: (namespace: string) => readonly StoredObject[];
  readonly writes: Writes;
}

export type Evict = (namespace: string, name: string, gracePeriodSeconds?: number) => Promise<EvictionResult>;

export function createEvictions({ pods, budgets, writes }: EvictionsOptions): Evict {
  /** Evicted, and still as if they served in what we know. By uid. */
  const leaving = new Set<string>();
  let turn: Promise<unknown> = Promise.resolve();

  async function evict(namespace: string, name: string, gracePeriodSeconds?: number): Promise<EvictionResult> {
    const known = pods(namespace);
    for (const uid of leaving)
      if (!known.some(({ metadata }) => metadata.uid === uid && metadata.deletionTimestamp === undefined))
        leaving.delete(uid);
    const seen = known.map((pod) => (leaving.has(pod.metadata.uid) ? asLeaving(pod) : pod));
    const pod = seen.find(({ metadata }) => metadata.name === name);
    if (!pod) return { kind: "gone" };
    // It leaves already: whoever began that was asked.
    if (pod.metadata.deletionTimestamp !== undefined) return { kind: "evicted" };
    const verdict = mayEvict(pod, budgets(namespace), seen);
    if (verdict.kind !== "allowed") return verdict;
    const removed = await writes.remove(podKind, pod, gracePeriodSeconds);
    if (removed.kind === "unavailable" || removed.kind === "refused")
      return { kind: "unavailable", message: removed.message };
    leaving.add(pod.metadata.uid);
    return { kind: "evicted" };
  }

  return (namespace, name, gracePeriodSeconds) => {
    const next = turn.then(() => evict(namespace, name, gracePeriodSeconds));
    turn = next.catch(() => {});
    return next;
  };
}

function asLeaving(pod: StoredObject): StoredObject {
  return { ...pod, metadata: { ...pod.metadata, deletionTimestamp: "1970-01-01T00:00:00Z" } };
}
