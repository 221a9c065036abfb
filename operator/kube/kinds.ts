/** The resource types that the operator and its tools read and write. */
import type { Kind } from "./objects.ts";

const core = (plural: string, kind: string, namespaced = true): Kind => ({
  group: "",
  version: "v1",
  plural,
  kind,
  namespaced,
});
const swarm = (plural: string, kind: string): Kind => ({
  group: "validatorswarm.io",
  version: "v1alpha1",
  plural,
  kind,
  namespaced: true,
});

export const pods: Kind = core("pods", "Pod");
export const configMaps: Kind = core("configmaps", "ConfigMap");
export const validatorSwarms: Kind = swarm("validatorswarms", "ValidatorSwarm");
export const swarmCheckpoints: Kind = swarm("swarmcheckpoints", "SwarmCheckpoint");
