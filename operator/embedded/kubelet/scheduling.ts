/** Which node a pod goes to. Nodes here are regions of one machine: there is nothing to weigh, only to match. */
import { isRecord, type StoredObject } from "../../kube/objects.ts";
import { hasLabels } from "./labels.ts";
import type { PodPlan } from "./pod-spec.ts";

export type Scheduling =
  | { readonly kind: "node"; readonly name: string }
  /** A sentence that counts why not. */
  | { readonly kind: "unschedulable"; readonly message: string };

/** The node with the fewest pods among those that match; ties go by name. */
export function schedule(
  plan: Pick<PodPlan, "nodeSelector">,
  nodes: readonly StoredObject[],
  podsOn: (node: string) => number,
): Scheduling {
  const matching = nodes.filter(({ metadata }) => hasLabels(metadata.labels ?? {}, plan.nodeSelector));
  const open = matching.filter((node) => !isCordoned(node));
  const [best] = open
    .map(({ metadata }) => ({ name: metadata.name, pods: podsOn(metadata.name) }))
    .sort((a, b) => a.pods - b.pods || (a.name < b.name ? -1 : 1));
  if (best) return { kind: "node", name: best.name };
  const selector = Object.entries(plan.nodeSelector).map(([key, value]) => `${key}=${value}`);
  const why = [
    ...(matching.length < nodes.length
      ? [`${nodes.length - matching.length} have not the labels ${selector.join(", ")}`]
      : []),
    ...(matching.length > 0 ? [`${matching.length} are cordoned`] : []),
  ];
  return {
    kind: "unschedulable",
    message: `0/${nodes.length} nodes are available${why.length > 0 ? `: ${why.join(", ")}` : ""}.`,
  };
}

function isCordoned({ spec }: StoredObject): boolean {
  return isRecord(spec) && spec["unschedulable"] === true;
}
