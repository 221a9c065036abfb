/** What the operator may do in a cluster: the least that its requests need, each with why. Manifests are made from it. */
import {
  configMaps,
  deployments,
  events,
  leases,
  nodes,
  persistentVolumeClaims,
  podDisruptionBudgets,
  pods,
  secrets,
  services,
  swarmCheckpoints,
  validatorSwarms,
} from "../kube/kinds.ts";
import type { Kind } from "../kube/objects.ts";

export type Verb = "get" | "list" | "watch" | "create" | "update" | "patch" | "delete";

export interface Right {
  readonly kind: Kind;
  readonly subresource?: string;
  readonly verbs: readonly Verb[];
  readonly why: string;
}

const watched = ["list", "watch"] as const;
/** Server-side apply: `patch`, and `create` besides where there is nothing yet. */
const applied = [...watched, "create", "patch"] as const;

/** Where swarms are: in the cluster, or in each namespace that is given. */
export const rights: readonly Right[] = [
  { kind: validatorSwarms, verbs: [...watched, "patch"], why: "What is asked for; its finalizer." },
  { kind: validatorSwarms, subresource: "status", verbs: ["patch"], why: "What is." },
  {
    kind: swarmCheckpoints,
    verbs: [...watched, "create", "delete"],
    why: "Checkpoints that are asked for, by people and by `spec.checkpoints`; those beyond its retention.",
  },
  { kind: swarmCheckpoints, subresource: "status", verbs: ["patch"], why: "What became of them." },
  { kind: pods, verbs: [...applied, "delete"], why: "Validators, one pod for each identity." },
  {
    kind: persistentVolumeClaims,
    verbs: [...applied, "delete"],
    why: "Their volumes; public keys are recorded on them.",
  },
  { kind: podDisruptionBudgets, verbs: [...applied, "delete"], why: "One for each identity." },
  { kind: configMaps, verbs: [...applied, "delete"], why: "Configurations, the genesis, the disruption permit." },
  { kind: services, verbs: [...applied, "delete"], why: "How members and clients find validators." },
  { kind: deployments, verbs: applied, why: "Gateways." },
  {
    kind: secrets,
    verbs: ["get", "create", "patch"],
    why: "The operator's key of a swarm and the certificate of its pods, by their names. Secrets are never listed.",
  },
  { kind: events, verbs: ["create", "patch"], why: "What it did, once and then as a series." },
];

/** No namespace holds them: an operator of some namespaces does without. */
export const clusterRights: readonly Right[] = [
  { kind: nodes, verbs: watched, why: "Which are gone, cordoned or out of service, and their zones." },
];

/** In the operator's own namespace. */
export const ownRights: readonly Right[] = [
  { kind: leases, verbs: ["get", "create", "update"], why: "Who leads." },
  { kind: secrets, verbs: ["get", "create"], why: "The key of the authority that issues certificates." },
];
