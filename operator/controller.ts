/** The operator over any API server: what it watches, whose business each object is, and one visit per swarm. */

import {
  configMaps,
  deployments,
  nodes,
  persistentVolumeClaims,
  podDisruptionBudgets,
  pods,
  services,
  swarmCheckpoints,
  validatorSwarms,
} from "./kube/kinds.ts";
import { keyOf, type ObjectKey, type StoredObject, textAt } from "./kube/objects.ts";
import { type Controller, type ControllerOptions, runController } from "./kube/runtime.ts";
import type { WatchedKind } from "./kube/watched.ts";
import { managedSelector, operatorName, swarmOf } from "./objects/names.ts";
import { createReconcile, type ReconcileOptions } from "./reconcile.ts";

export interface OperatorOptions
  extends Omit<ReconcileOptions, "seesNodes">,
    Omit<ControllerOptions, "kinds" | "reconcile" | "name" | "clock"> {}

/** Starts at once. Nodes are watched only by an operator of the whole cluster: no namespace holds them. */
export function startOperator(options: OperatorOptions): Controller {
  const seesNodes = options.scope.kind === "cluster";
  const swarms = new Set<string>();
  const part = (object: StoredObject): ObjectKey | undefined => {
    const swarm = swarmOf(object);
    const { namespace } = object.metadata;
    return swarm === undefined || namespace === undefined ? swarm : `${namespace}/${swarm}`;
  };
  const own = (object: StoredObject) => [part(object) ?? []].flat();
  const checkpointOf = ({ metadata: { namespace }, spec }: StoredObject): ObjectKey | undefined =>
    namespace === undefined ? textAt(spec, "swarm") : `${namespace}/${textAt(spec, "swarm")}`;
  const ownCheckpoint = (object: StoredObject) => [checkpointOf(object) ?? []].flat();
  const managed = [pods, persistentVolumeClaims, services, configMaps, podDisruptionBudgets, deployments].map(
    (kind): WatchedKind => ({ kind, labelSelector: managedSelector, keys: own, part }),
  );
  const kinds: WatchedKind[] = [
    {
      kind: validatorSwarms,
      keys: (object) => {
        const key = keyOf(object);
        swarms.add(key);
        return [key];
      },
    },
    ...managed,
    { kind: swarmCheckpoints, keys: ownCheckpoint, part: checkpointOf },
    // Whose pods a node may run is not written on it.
    ...(seesNodes ? [{ kind: nodes, keys: () => [...swarms] }] : []),
  ];
  return runController({
    ...options,
    name: operatorName,
    kinds,
    reconcile: createReconcile({ ...options, seesNodes }),
  });
}
