/** Who owns an object: ownerReferences, by which the garbage collector cleans up and changes find their controller. */
import type { OwnerReference, StoredObject } from "./objects.ts";

/**
 * The reference that makes `owner` the controller of a dependant. The owner is not blocked from going: order of
 * deletion is the finalizer's business.
 */
export function controllerReference(owner: StoredObject): OwnerReference {
  const { apiVersion, kind, metadata } = owner;
  return { apiVersion, kind, name: metadata.name, uid: metadata.uid, controller: true, blockOwnerDeletion: false };
}
