/** Who owns an object: ownerReferences, by which the garbage collector cleans up and changes find their controller. */
import { keyOf, type ObjectKey, type OwnerReference, type StoredObject } from "./objects.ts";

/**
 * The reference that makes `owner` the controller of a dependant. The owner is not blocked from going: order of
 * deletion is the finalizer's business.
 */
export function controllerReference(owner: StoredObject): OwnerReference {
  const { apiVersion, kind, metadata } = owner;
  return { apiVersion, kind, name: metadata.name, uid: metadata.uid, controller: true, blockOwnerDeletion: false };
}

/**
 * Whether the garbage collector would honour the reference: an owner in another namespace counts as absent, and its
 * dependants are deleted at once.
 */
export function mayOwn(owner: StoredObject, dependantNamespace: string | undefined): boolean {
  return owner.metadata.namespace === undefined || owner.metadata.namespace === dependantNamespace;
}

/** The reference to the one controller, or undefined. */
export function controllerOf({ metadata }: StoredObject): OwnerReference | undefined {
  return metadata.ownerReferences?.find((reference) => reference.controller === true);
}

/** Whether exactly this object controls the other; a namesake that came later does not. */
export function controls(owner: StoredObject, object: StoredObject): boolean {
  return controllerOf(object)?.uid === owner.metadata.uid;
}

/** The key of an object's controller, if that is of the kind and API group given. */
export function controllerKey(
  object: StoredObject,
  controller: { readonly kind: string; readonly group: string; readonly namespaced: boolean },
): ObjectKey | undefined {
  const reference = controllerOf(object);
  if (!reference || reference.kind !== controller.kind) return undefined;
  // Versions of a group are views of the same objects.
  const group = reference.apiVersion.includes("/") ? reference.apiVersion.split("/")[0] : "";
  if (group !== controller.group) return undefined;
  const { namespace } = object.metadata;
  return keyOf({ metadata: { name: reference.name, ...(controller.namespaced && namespace ? { namespace } : {}) } });
}
