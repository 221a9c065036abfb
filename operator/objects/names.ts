/** What the objects of a swarm are called and labelled: the way back from an object to its swarm, seat and generation. */
import type { JsonRecord, StoredObject } from "../kube/objects.ts";
import type { IdentityLabels } from "../plan/snapshot.ts";

/** Field manager, reporting controller and `managed-by` label. */
export const operatorName = "validatorswarm.io-operator";

const own = (name: string) => `validatorswarm.io/${name}`;

/** Keeps a pod's object until its end was confirmed. */
export const identityFinalizer = own("identity");
/** Keeps the swarm's object until its pods have ended. */
export const swarmFinalizer = own("swarm");

export const seatLabel = own("seat");
export const generationLabel = own("generation");
/** On pods: `Desired.podRevision` of the spec they were made from. */
export const revisionAnnotation = own("revision");
/** On a swarm: identities that are to be replaced by new ones, separated by commas. Those it has no more mean nothing. */
export const replaceAnnotation = own("replace");

/** On a swarm: a person's word about a rollout, `promote`, `pause`, `resume` or `rollback`, and the revision it is about. */
export const rolloutAnnotation = own("rollout");

export const replacedOf = ({ metadata }: StoredObject): readonly string[] =>
  (metadata.annotations?.[replaceAnnotation] ?? "").split(",").flatMap((identity) => identity.trim() || []);

/** On pods: uid of the SwarmCheckpoint that they work on. */
export const checkpointLabel = own("checkpoint");
/** On pods: `true` when they give a restored state to validators. */
export const restoreLabel = own("restore");
/** On SwarmCheckpoints: made from the swarm's `checkpoints`. */
export const scheduledLabel = own("scheduled");
/** On volumes: the public keys created inside, lower-case hexadecimal. */
export const keyAnnotations = {
  blsKey: own("bls-key"),
  peerKey: own("peer-key"),
  proofOfPossession: own("proof-of-possession"),
} as const;

const instanceLabel = "app.kubernetes.io/instance";
const managedByLabel = "app.kubernetes.io/managed-by";

/** Selects everything that any swarm of this operator is made of. */
export const managedSelector = `${managedByLabel}=${operatorName}`;

export type Component = "validator" | "gateway" | "checkpoint";

/** Labels of every object of a swarm. */
export const swarmLabels = (swarm: string, component: Component): Readonly<Record<string, string>> => ({
  "app.kubernetes.io/name": "validator-swarm",
  [instanceLabel]: swarm,
  [managedByLabel]: operatorName,
  "app.kubernetes.io/component": component,
});

/** Labels of an identity's objects. */
export const identityLabels = (
  swarm: string,
  { seat, generation }: Pick<IdentityLabels, "seat" | "generation">,
): Readonly<Record<string, string>> => ({
  ...swarmLabels(swarm, "validator"),
  [seatLabel]: seat,
  [generationLabel]: String(generation),
});

/** Selects the pod of one identity. */
export const identitySelector = (
  swarm: string,
  { seat, generation }: Pick<IdentityLabels, "seat" | "generation">,
): JsonRecord => ({
  matchLabels: { [instanceLabel]: swarm, [seatLabel]: seat, [generationLabel]: String(generation) },
});

/** Name of the swarm that an object belongs to, from its label; undefined: to none of ours. */
export function swarmOf({ metadata }: StoredObject): string | undefined {
  const { labels } = metadata;
  return labels?.[managedByLabel] === operatorName ? labels[instanceLabel] : undefined;
}

/** Which identity an object is of; undefined when its labels do not say. */
export function identityOf({ metadata }: StoredObject): IdentityLabels | undefined {
  const seat = metadata.labels?.[seatLabel];
  const generation = Number(metadata.labels?.[generationLabel]);
  if (seat === undefined || seat === "" || !Number.isSafeInteger(generation) || generation < 1) return undefined;
  return { name: metadata.name, seat, generation };
}

export const genesisName = (swarm: string) => `${swarm}-genesis`;
export const permitName = (swarm: string) => `${swarm}-permit`;
export const gatewayName = (swarm: string) => `${swarm}-gateway`;
export const peersService = (swarm: string) => `${swarm}-peers`;
/** Secret with the operator's ed25519 seed, `key`: hexadecimal. */
export const operatorKeySecret = (swarm: string) => `${swarm}-governance`;
/** Secret with the certificate of a swarm's validators and gateways: `ca.crt`, `tls.crt`, `tls.key`. */
export const tlsSecret = (swarm: string) => `${swarm}-tls`;
/** Subject of the operator's certificate, RFC 4514: validators take a genesis and governance from nobody else. */
export const operatorSubject = "CN=validator-swarm-operator";
/** Volume that checkpoints are written to. */
export const checkpointVolume = (swarm: string) => `${swarm}-checkpoints`;
/** Secret with the certificate that reads checkpoints, as `tlsSecret`. */
export const checkpointTlsSecret = (swarm: string) => `${swarm}-checkpoint-tls`;
/** Subject of that certificate: the swarm's validators give checkpoints to it and to the operator. */
export const checkpointSubject = (swarm: string, namespace: string) => `CN=${swarm}-checkpoint,O=${namespace}`;
/** Secret with the ed25519 seeds that gateways sign with, `<BIC>.hex` each. */
export const institutionKeys = (swarm: string) => `${swarm}-institutions`;
