/** The PodDisruptionBudget of an identity: closed it keeps its pod from eviction, open it lets one through. */

import { type KubeObject, numberAt, type StoredObject } from "../kube/objects.ts";
import { controllerReference } from "../kube/owner.ts";
import type { Budget, IdentityLabels } from "../plan/snapshot.ts";
import { identityLabels, identitySelector } from "./names.ts";

export function budgetObject(
  swarm: StoredObject,
  identity: IdentityLabels,
  how: { readonly open: boolean; readonly version?: string },
): KubeObject {
  const { name, namespace } = swarm.metadata;
  return {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: {
      name: identity.name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(how.version === undefined ? {} : { resourceVersion: how.version }),
      labels: identityLabels(name, identity),
      ownerReferences: [controllerReference(swarm)],
    },
    spec: { minAvailable: how.open ? 0 : 1, selector: identitySelector(name, identity) },
  };
}

export function readBudget(object: StoredObject): Budget {
  const { name, resourceVersion } = object.metadata;
  return { name, version: resourceVersion, open: numberAt(object["spec"], "minAvailable") === 0 };
}
