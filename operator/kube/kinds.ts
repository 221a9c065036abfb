/** The resource types that the operator, its tools and its worlds read and write. */
import type { Kind } from "./objects.ts";

const core = (plural: string, kind: string, namespaced = true): Kind => ({
  group: "",
  version: "v1",
  plural,
  kind,
  namespaced,
});
const grouped = (group: string, version: string, plural: string, kind: string): Kind => ({
  group,
  version,
  plural,
  kind,
  namespaced: true,
});

export const pods: Kind = core("pods", "Pod");
export const persistentVolumeClaims: Kind = core("persistentvolumeclaims", "PersistentVolumeClaim");
export const services: Kind = core("services", "Service");
export const configMaps: Kind = core("configmaps", "ConfigMap");
export const secrets: Kind = core("secrets", "Secret");
export const nodes: Kind = core("nodes", "Node", false);
export const podDisruptionBudgets: Kind = grouped("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget");
export const deployments: Kind = grouped("apps", "v1", "deployments", "Deployment");
export const leases: Kind = grouped("coordination.k8s.io", "v1", "leases", "Lease");
export const events: Kind = grouped("events.k8s.io", "v1", "events", "Event");
export const validatorSwarms: Kind = grouped("validatorswarm.io", "v1alpha1", "validatorswarms", "ValidatorSwarm");
export const swarmCheckpoints: Kind = grouped("validatorswarm.io", "v1alpha1", "swarmcheckpoints", "SwarmCheckpoint");
