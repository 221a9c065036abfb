/** Services: members find each other by the headless one, gateways and tools reach any ready validator by the other. */

import type { ValidatorSwarmSpec } from "../api/validator-swarm.ts";
import type { KubeObject, StoredObject } from "../kube/objects.ts";
import { controllerReference } from "../kube/owner.ts";
import { swarmLabels } from "./names.ts";

export function serviceObject(
  swarm: StoredObject,
  { exposure }: ValidatorSwarmSpec,
  service: string,
  role: "peers" | "clients",
): KubeObject {
  const { name, namespace } = swarm.metadata;
  const port = (port: "p2p" | "rpc" | "metrics", number: number) => ({ name: port, port: number, targetPort: port });
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name: service,
      ...(namespace === undefined ? {} : { namespace }),
      labels: swarmLabels(name, "validator"),
      ownerReferences: [controllerReference(swarm)],
    },
    spec: {
      selector: swarmLabels(name, "validator"),
      // Members look for each other before they are ready, and cannot become ready without.
      ...(role === "peers" ? { clusterIP: "None", publishNotReadyAddresses: true } : {}),
      ports:
        role === "peers" ? [port("p2p", exposure.port), port("rpc", 7101)] : [port("rpc", 7101), port("metrics", 7102)],
    },
  };
}
