/** Volumes grow with `spec.storage.size`; they never shrink, and how they grow is their StorageClass's affair. */
import { compareQuantities } from "../api/rules/quantities.ts";
import type { Writer } from "../kube/apply.ts";
import { persistentVolumeClaims } from "../kube/kinds.ts";
import { isRecord, keyOf, type ObjectKey, type StoredObject, textAt } from "../kube/objects.ts";
import { keyRecord, readVolume } from "../objects/volume.ts";
import type { Kept } from "./gateways.ts";
import type { OwnWrites } from "./own-writes.ts";

export interface VolumesContext {
  /** The swarm's claims. */
  readonly claims: readonly StoredObject[];
  /** `spec.storage.size`. */
  readonly size: string;
  /** The swarm's. */
  readonly key: ObjectKey;
  readonly writer: Writer;
  readonly writes: OwnWrites;
}

export async function growVolumes({ claims, size, key, writer, writes }: VolumesContext): Promise<Kept> {
  let refused: Kept = { kind: "kept" };
  for (const claim of claims) {
    const keys = readVolume(claim)?.keys;
    // Before its keys are recorded nothing is changed on it: the record is applied as a whole.
    if (!keys || claim.metadata.deletionTimestamp !== undefined || !isSmaller(claim, size)) continue;
    const { apiVersion, kind, metadata } = claim;
    const { name, namespace, uid } = metadata;
    const object = {
      apiVersion,
      kind,
      metadata: { name, ...(namespace === undefined ? {} : { namespace }), uid, annotations: keyRecord(keys) },
      spec: { resources: { requests: { storage: size } } },
    };
    // The size it was created with is a field of the creation's.
    const result = await writer.apply(persistentVolumeClaims, object, { force: true });
    if (result.kind === "unavailable") return { kind: "failed", retryAfterMs: result.retryAfterMs };
    if (result.kind === "applied" || result.kind === "unchanged")
      writes.wrote(key, persistentVolumeClaims, result.object);
    else refused = { kind: "refused", message: `${keyOf(claim)} does not grow to ${size}: ${result.message}` };
  }
  return refused;
}

/** Of two quantities that are none, none is smaller. */
function isSmaller({ spec }: StoredObject, size: string): boolean {
  const resources = isRecord(spec) ? spec["resources"] : undefined;
  const requests = isRecord(resources) ? resources["requests"] : undefined;
  return compareQuantities(textAt(requests, "storage") || size, size) < 0;
}
