/** The scale subresource, `autoscaling/v1`: replicas asked for and seen, and the selector of their pods. */
import { isObject, type Json, type JsonObject, objectAt, stringAt } from "./json.ts";
import { invalid, type Reply } from "./reply.ts";
import { aboutOf } from "./resources.ts";
import type { Entry } from "./store.ts";

export function scaleOf({ object, resource }: Entry): JsonObject {
  const [spec, status] = [objectAt(object, "spec"), objectAt(object, "status")];
  const {
    name = "",
    namespace = "",
    uid = "",
    resourceVersion = "",
    creationTimestamp = null,
  } = objectAt(object, "metadata");
  // Deployments keep their selector in the spec; swarms report theirs as text.
  const selector =
    resource.kind.kind === "Deployment" ? textOf(objectAt(spec, "selector")) : stringAt(status, "selector");
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: spec["replicas"] ?? 0 },
    status: { replicas: status["replicas"] ?? 0, ...(selector === "" ? {} : { selector }) },
  };
}

function textOf(selector: JsonObject): string {
  return Object.entries(objectAt(selector, "matchLabels"))
    .map(([name, value]) => `${name}=${String(value)}`)
    .join();
}

export type ScalePatch =
  | { readonly kind: "patch"; readonly patch: JsonObject }
  | { readonly kind: "refused"; readonly reply: Reply };

/** The merge patch of the object that a Scale stands for, or why it is none. */
export function patchOf(entry: Entry, scale: Json): ScalePatch {
  const about = aboutOf(entry.resource, entry.name);
  const replicas = objectAt(scale, "spec")["replicas"] ?? 0;
  if (typeof replicas !== "number" || !Number.isInteger(replicas) || replicas < 0)
    return {
      kind: "refused",
      reply: invalid(about, [
        {
          reason: "FieldValueInvalid",
          field: "spec.replicas",
          message: `Invalid value: ${JSON.stringify(replicas)}: should be a non-negative integer`,
        },
      ]),
    };
  const metadata = objectAt(scale, "metadata");
  const asked = Object.fromEntries(
    ["uid", "resourceVersion"].flatMap((field) =>
      isObject(metadata) && metadata[field] !== undefined ? [[field, metadata[field]]] : [],
    ),
  );
  return { kind: "patch", patch: { metadata: asked, spec: { replicas } } };
}
