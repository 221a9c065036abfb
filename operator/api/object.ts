/** What objects of both kinds share. */
import { z } from "zod";

/** The API's group and version. */
export const apiVersion = "validatorswarm.io/v1alpha1";

/** An object's metadata. What the API server adds is let through, so that what it gave can be applied again. */
export const metadata = z.strictObject({
  name: z.string().max(253),
  namespace: z.string().max(63).optional(),
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
  uid: z.string().optional(),
  resourceVersion: z.string().optional(),
  generation: z.int().optional(),
  creationTimestamp: z.string().optional(),
  deletionTimestamp: z.string().optional(),
  deletionGracePeriodSeconds: z.int().optional(),
  finalizers: z.array(z.string()).optional(),
  ownerReferences: z.array(z.unknown()).optional(),
  managedFields: z.array(z.unknown()).optional(),
  selfLink: z.string().optional(),
  generateName: z.string().optional(),
});

/** Deepest place where a field of ours can be null, levels. */
const maxDepth = 16;

/** What an API server makes of fields that are null: they are absent. */
export function withoutNulls(value: unknown, depth = maxDepth): unknown {
  if (typeof value !== "object" || value === null || depth === 0) return value;
  if (Array.isArray(value)) return value.map((each) => withoutNulls(each, depth - 1));
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== null)
      .map(([name, each]) => [name, withoutNulls(each, depth - 1)]),
  );
}
