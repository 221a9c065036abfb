/** Admission of the kinds of Kubernetes itself: only what the operator could get wrong, in the server's words. */
import { isObject, type Json, type JsonObject, listAt, objectAt, sameJson, stringAt, without } from "./json.ts";
import type { Cause } from "./reply.ts";

/** `object`: what is stored instead, when it differs. */
export type BuiltInAdmission = (
  object: JsonObject,
  old: JsonObject | undefined,
) => { readonly object?: JsonObject; readonly causes: readonly Cause[] };

export const nothingMore: BuiltInAdmission = () => ({ causes: [] });

const forbidden = (field: string, why: string): Cause => ({
  reason: "FieldValueForbidden",
  field,
  message: `Forbidden: ${why}`,
});
const required = (field: string): Cause => ({ reason: "FieldValueRequired", field, message: "Required value" });

/** ConfigMaps and Secrets: `immutable`, values of text, and a secret's `stringData`. */
export const admitConfig: BuiltInAdmission = (given, old) => {
  const object = given["kind"] === "Secret" ? encoded(given) : given;
  const causes: Cause[] = [];
  for (const [key, value] of Object.entries(objectAt(object, "data")))
    if (typeof value !== "string")
      causes.push({
        reason: "FieldValueTypeInvalid",
        field: `data[${key}]`,
        message: `Invalid value: ${JSON.stringify(value)}: must be text`,
      });
  if (old?.["immutable"] === true) {
    if (object["immutable"] !== true) causes.push(forbidden("immutable", "field is immutable when `immutable` is set"));
    for (const field of ["data", "binaryData"])
      if (!sameJson(object[field], old[field]))
        causes.push(forbidden(field, "field is immutable when `immutable` is set"));
  }
  if (object["kind"] === "Secret" && old && stringAt(old, "type") !== stringAt(object, "type"))
    causes.push({
      reason: "FieldValueInvalid",
      field: "type",
      message: `Invalid value: ${JSON.stringify(stringAt(object, "type"))}: field is immutable`,
    });
  return { object, causes };
};

function encoded(secret: JsonObject): JsonObject {
  const type = stringAt(secret, "type") || "Opaque";
  const plain = secret["stringData"];
  const typed = { ...secret, type };
  if (!isObject(plain)) return typed;
  const data = Object.fromEntries(
    Object.entries(plain).map(([key, value]) => [key, Buffer.from(String(value)).toString("base64")]),
  );
  return { ...without(typed, "stringData"), data: { ...objectAt(secret, "data"), ...data } };
}

/** Pods: containers with names and images; once created, only images, tolerations and the node may change. */
export const admitPod: BuiltInAdmission = (object, old) => {
  const spec = objectAt(object, "spec");
  const containers = listAt(spec, "containers");
  const causes: Cause[] = containers.length === 0 ? [required("spec.containers")] : [];
  for (const [at, container] of containers.entries())
    for (const field of ["name", "image"])
      if (stringAt(container, field) === "") causes.push(required(`spec.containers[${at}].${field}`));
  if (old && !sameJson(fixed(spec), fixed(objectAt(old, "spec"))))
    causes.push(
      forbidden(
        "spec",
        "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
      ),
    );
  const node = old ? stringAt(objectAt(old, "spec"), "nodeName") : "";
  if (node !== "" && stringAt(spec, "nodeName") !== node)
    causes.push(forbidden("spec.nodeName", "a pod stays on its node"));
  return { causes };
};

function fixed(spec: JsonObject): JsonObject {
  const { nodeName: _, tolerations: __, activeDeadlineSeconds: ___, ...rest } = spec;
  const bare = (field: string): Json =>
    listAt(spec, field).map((each) => (isObject(each) ? without(each, "image") : each));
  return { ...rest, containers: bare("containers"), initContainers: bare("initContainers") };
}
