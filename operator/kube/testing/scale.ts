/** The scale subresource over `spec.replicas`, `status.replicas` and `status.selector`. */
import type { Verb } from "./faults.ts";
import { isObject, type Json, type JsonObject } from "./field-ownership.ts";
import { type ObjectBase, type ObjectPath, type Reply, statusReply } from "./object-base.ts";

/** Reads it, or sets the replicas by a merge patch or a whole Scale. */
export function scale(objects: ObjectBase, verb: Verb, path: ObjectPath, body: JsonObject, manager: string): Reply {
  if (verb === "get") return scaleOf(objects.get(path));
  if (verb !== "patch" && verb !== "update") return statusReply(405, "MethodNotAllowed", "not for a scale");
  const asked = part(body["spec"])["replicas"];
  const meta = part(body["metadata"]);
  const resourceVersion = meta["resourceVersion"];
  const patch: JsonObject = {
    ...(resourceVersion === undefined ? {} : { metadata: { resourceVersion } }),
    ...(asked === undefined ? {} : { spec: { replicas: asked } }),
  };
  // The real server keeps apart what a manager has set through a subresource.
  return scaleOf(objects.merge(path, patch, `${manager}/scale`));
}

const part = (value: Json | undefined): JsonObject => (isObject(value) ? value : {});

function scaleOf({ status, body }: Reply): Reply {
  if (status !== 200) return { status, body };
  const [spec, reported] = [part(body["spec"]), part(body["status"])];
  const { name = "", namespace = "", uid = "", resourceVersion = "" } = part(body["metadata"]);
  return {
    status,
    body: {
      apiVersion: "autoscaling/v1",
      kind: "Scale",
      metadata: { name, namespace, uid, resourceVersion },
      spec: { replicas: spec["replicas"] ?? 0 },
      status: { replicas: reported["replicas"] ?? 0, selector: reported["selector"] ?? "" },
    },
  };
}
