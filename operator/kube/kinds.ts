/** Every resource type the operator touches: its rights in a cluster are these and no others. */
import type { Kind } from "./objects.ts";

const core = (plural: string, kind: string): Kind => ({ group: "", version: "v1", plural, kind, namespaced: true });
const swarm = (plural: string, kind: string): Kind => ({
  group: "validatorswarm.io",
  version: "v1alpha1",
  plural,
  kind,
  namespaced: true,
});

export const pods = core("pods", "Pod");
export const persistentVolumeClaims = core("persistentvolumeclaims", "PersistentVolumeClaim");
export const services = core("services", "Service");
export const configMaps = core("configmaps", "ConfigMap");
export const secrets = core("secrets", "Secret");
export const nodes: Kind = { ...core("nodes", "Node"), namespaced: false };
export const podDisruptionBudgets: Kind = {
  group: "policy",
  version: "v1",
  plural: "poddisruptionbudgets",
  kind: "PodDisruptionBudget",
  namespaced: true,
};
export const deployments: Kind = {
  group: "apps",
  version: "v1",
  plural: "deployments",
  kind: "Deployment",
  namespaced: true,
};
export const leases: Kind = {
  group: "coordination.k8s.io",
  version: "v1",
  plural: "leases",
  kind: "Lease",
  namespaced: true,
};
export const events: Kind = {
  group: "events.k8s.io",
  version: "v1",
  plural: "events",
  kind: "Event",
  namespaced: true,
};
export const validatorSwarms = swarm("validatorswarms", "ValidatorSwarm");
export const swarmCheckpoints = swarm("swarmcheckpoints", "SwarmCheckpoint");
