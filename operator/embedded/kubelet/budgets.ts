/** PodDisruptionBudgets: how many pods of a selection may go by somebody's choice, and whether one may. Pure. */
import { isRecord, type JsonRecord, numberAt, type StoredObject, textAt } from "../../kube/objects.ts";
import { selects } from "./labels.ts";
import { isOver, isReady } from "./pod-status.ts";

/** The `status` of a budget, given all pods of its namespace. */
export function budgetStatus(budget: StoredObject, pods: readonly StoredObject[]): JsonRecord {
  const spec = isRecord(budget["spec"]) ? budget["spec"] : {};
  const chosen = pods.filter((pod) => selects(spec["selector"], pod.metadata.labels ?? {}) && !isOver(pod["status"]));
  const healthy = chosen.filter((pod) => pod.metadata.deletionTimestamp === undefined && isReady(pod["status"])).length;
  const expected = chosen.length;
  const desired =
    spec["maxUnavailable"] === undefined
      ? amount(spec["minAvailable"], expected)
      : Math.max(0, expected - amount(spec["maxUnavailable"], expected));
  const allowed = Math.max(0, healthy - desired);
  return {
    observedGeneration: numberAt(budget.metadata, "generation") ?? 0,
    expectedPods: expected,
    currentHealthy: healthy,
    desiredHealthy: desired,
    disruptionsAllowed: expected === 0 ? 0 : allowed,
    conditions: [
      {
        type: "DisruptionAllowed",
        status: expected > 0 && allowed > 0 ? "True" : "False",
        reason: expected > 0 && allowed > 0 ? "SufficientPods" : "InsufficientPods",
        message: `${healthy} of ${expected} pods are healthy, ${desired} must be`,
      },
    ],
  };
}

/** A number, or a percentage of the expected pods, rounded up. Anything else is everything: the careful reading. */
function amount(value: unknown, expected: number): number {
  if (typeof value === "number") return value;
  const percent = /^(\d{1,3})%$/.exec(typeof value === "string" ? value : "")?.[1];
  return percent === undefined ? expected : Math.ceil((Number(percent) * expected) / 100);
}

export type EvictionVerdict =
  /** With the budget that pays for it, if there is one. */
  | { readonly kind: "allowed"; readonly budget: StoredObject | undefined }
  /** A sentence; the caller may ask again later. */
  | { readonly kind: "refused"; readonly message: string }
  /** More than one budget selects the pod: as in Kubernetes, nobody can say which one pays. */
  | { readonly kind: "ambiguous"; readonly message: string };

/**
 * Whether the pod may be evicted now, told from its budgets as they stand with these pods: not from what their
 * statuses said a moment ago. A pod that does not serve, or has ended, costs nothing.
 */
export function mayEvict(
  pod: StoredObject,
  budgets: readonly StoredObject[],
  pods: readonly StoredObject[],
): EvictionVerdict {
  const mine = budgets.filter(
    (budget) =>
      budget.metadata.namespace === pod.metadata.namespace &&
      selects(isRecord(budget["spec"]) ? budget["spec"]["selector"] : undefined, pod.metadata.labels ?? {}),
  );
  const [budget, ...others] = mine;
  if (!budget || isOver(pod["status"]) || textAt(pod["status"], "phase") === "Pending")
    return { kind: "allowed", budget: undefined };
  if (others.length > 0)
    return {
      kind: "ambiguous",
      message: `This pod has more than one PodDisruptionBudget: ${mine.map(({ metadata }) => metadata.name).join(", ")}.`,
    };
  const status = budgetStatus(
    budget,
    pods.filter(({ metadata }) => metadata.namespace === pod.metadata.namespace),
  );
  const healthy = numberAt(status, "currentHealthy") ?? 0;
  const desired = numberAt(status, "desiredHealthy") ?? 0;
  if (!isReady(pod["status"]) && healthy >= desired) return { kind: "allowed", budget };
  return (numberAt(status, "disruptionsAllowed") ?? 0) > 0
    ? { kind: "allowed", budget }
    : {
        kind: "refused",
        message: `Cannot evict pod as it would violate the pod's disruption budget. The disruption budget ${budget.metadata.name} needs ${desired} healthy pods and has ${healthy} currently`,
      };
}
