/** Nodes, as the planner sees them. */
import type { ValidatorSwarmSpec } from "../api/validator-swarm.ts";
import { arrayAt, isRecord, type StoredObject, textAt } from "../kube/objects.ts";
import type { Node } from "../plan/snapshot.ts";
import { nodeSelectorOf } from "./pod.ts";

/** Set by an administrator who knows that the machine is off: its pods have ended (KEP-2268). */
const outOfServiceTaint = "node.kubernetes.io/out-of-service";

export function readNode(object: StoredObject, spec: ValidatorSwarmSpec): Node {
  const { name, labels = {} } = object.metadata;
  const ready = arrayAt(object["status"], "conditions").find((each) => textAt(each, "type") === "Ready");
  const reachable = textAt(ready, "status") === "True";
  const since = Date.parse(textAt(ready, "lastTransitionTime"));
  const region = spec.regions.find((each) =>
    Object.entries(nodeSelectorOf(spec, each.name)).every(([label, value]) => labels[label] === value),
  );
  const own = object["spec"];
  return {
    name,
    region: region?.name,
    zone: labels[spec.placement.topologyKey] ?? name,
    reachable,
    unreachableSince: reachable || Number.isNaN(since) ? undefined : since,
    cordoned: isRecord(own) && own["unschedulable"] === true,
  };
}

export function isOutOfService(object: StoredObject): boolean {
  return arrayAt(object["spec"], "taints").some((taint) => textAt(taint, "key") === outOfServiceTaint);
}
