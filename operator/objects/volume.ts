/** The volume of an identity: its keys are created inside and their public halves recorded on it. */
import type { ValidatorSwarmSpec } from "../api/validator-swarm.ts";
import type { KubeObject, StoredObject } from "../kube/objects.ts";
import { textAt } from "../kube/objects.ts";
import type { IdentityLabels, PublicKeys, Volume } from "../plan/snapshot.ts";
import { identityLabels, identityOf, keyAnnotations } from "./names.ts";

/**
 * The claim as it is created. It has no owner: a swarm's end must not take its volumes along, the planner deletes them
 * one by one where the spec says so.
 */
export function volumeObject(
  swarm: StoredObject,
  { storage }: ValidatorSwarmSpec,
  identity: IdentityLabels,
): KubeObject {
  const { name, namespace } = swarm.metadata;
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: {
      name: identity.name,
      ...(namespace === undefined ? {} : { namespace }),
      labels: identityLabels(name, identity),
    },
    spec: {
      accessModes: ["ReadWriteOncePod"],
      resources: { requests: { storage: storage.size } },
      ...(storage.storageClassName === undefined ? {} : { storageClassName: storage.storageClassName }),
    },
  };
}

/** The annotations that record an identity's public keys. */
export const keyRecord = (keys: PublicKeys): Readonly<Record<string, string>> => ({
  [keyAnnotations.blsKey]: keys.blsKey,
  [keyAnnotations.peerKey]: keys.peerKey,
  [keyAnnotations.proofOfPossession]: keys.proofOfPossession,
});

/** A claim in the planner's words; undefined when its labels name no identity. */
export function readVolume(object: StoredObject): Volume | undefined {
  const identity = identityOf(object);
  if (!identity) return undefined;
  const { metadata } = object;
  return {
    ...identity,
    uid: metadata.uid,
    keys: recordedKeys(metadata.annotations ?? {}),
    state: textAt(object["status"], "phase") === "Lost" ? "lost" : "present",
    // The claim does not say which nodes can mount it: the scheduler knows, and keeps its pod there.
    node: undefined,
    deleting: metadata.deletionTimestamp !== undefined,
  };
}

/** All three or none: half a record is no record. */
function recordedKeys(annotations: Readonly<Record<string, string>>): PublicKeys | undefined {
  const read = (name: string, bytes: number) => {
    const text = annotations[name] ?? "";
    return text.length === 2 * bytes && /^[0-9a-f]+$/.test(text) ? text : undefined;
  };
  const blsKey = read(keyAnnotations.blsKey, 48);
  const peerKey = read(keyAnnotations.peerKey, 32);
  const proofOfPossession = read(keyAnnotations.proofOfPossession, 96);
  return blsKey && peerKey && proofOfPossession ? { blsKey, peerKey, proofOfPossession } : undefined;
}
