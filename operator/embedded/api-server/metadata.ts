/** Metadata: what a writer may say, and what the server alone says. */
import { isObject, type Json, type JsonObject, listAt, objectAt, sameJson, stringAt } from "./json.ts";
import type { Cause } from "./reply.ts";
import type { Resource } from "./resources.ts";

const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const label = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const labelValue = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const qualifiedName =
  /^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const maxAnnotationBytes = 256 * 1_024;

const wrong = (field: string, value: Json, message: string): Cause => ({
  reason: "FieldValueInvalid",
  field,
  message: `Invalid value: ${JSON.stringify(value)}: ${message}`,
});

/** Everything wrong with an object's metadata. `old`: what is stored. */
export function metadataCauses(resource: Resource, object: JsonObject, old: JsonObject | undefined): readonly Cause[] {
  const metadata = objectAt(object, "metadata");
  const causes: Cause[] = [];
  if (!old) causes.push(...nameCauses(resource, stringAt(metadata, "name")));
  causes.push(...mapCauses("metadata.labels", metadata["labels"], true));
  causes.push(...mapCauses("metadata.annotations", metadata["annotations"], false));
  causes.push(...finalizerCauses(metadata, old ? objectAt(old, "metadata") : undefined));
  causes.push(...ownerCauses(metadata["ownerReferences"]));
  return causes;
}

function nameCauses({ names }: Resource, name: string): readonly Cause[] {
  const field = "metadata.name";
  if (name === "")
    return [{ reason: "FieldValueRequired", field, message: "Required value: name or generateName is required" }];
  if (names === "label")
    return label.test(name) && name.length <= 63
      ? []
      : [
          wrong(
            field,
            name,
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (at most 63)",
          ),
        ];
  return subdomain.test(name) && name.length <= 253
    ? []
    : [
        wrong(
          field,
          name,
          "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (at most 253)",
        ),
      ];
}

function mapCauses(field: string, map: Json | undefined, labels: boolean): readonly Cause[] {
  if (map === undefined || map === null) return [];
  if (!isObject(map)) return [wrong(field, map, "must be a map of text")];
  const causes: Cause[] = [];
  let bytes = 0;
  for (const [name, value] of Object.entries(map)) {
    if (!qualifiedName.test(name) || name.length > 317)
      causes.push(
        wrong(
          field,
          name,
          "name part must consist of alphanumeric characters, '-', '_' or '.', with an optional DNS subdomain prefix and '/'",
        ),
      );
    if (typeof value !== "string") causes.push(wrong(`${field}.${name}`, value, "must be text"));
    else if (labels && (value.length > 63 || !labelValue.test(value)))
      causes.push(
        wrong(
          field,
          value,
          "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (at most 63)",
        ),
      );
    else bytes += name.length + value.length;
  }
  if (!labels && bytes > maxAnnotationBytes)
    causes.push({
      reason: "FieldValueTooLong",
      field,
      message: `Too long: may not be more than ${maxAnnotationBytes} bytes`,
    });
  return causes;
}

function finalizerCauses(metadata: JsonObject, old: JsonObject | undefined): readonly Cause[] {
  const field = "metadata.finalizers";
  const finalizers = listAt(metadata, "finalizers");
  const causes = finalizers
    .filter((each) => typeof each !== "string" || !qualifiedName.test(each))
    .map((each) => wrong(field, each, "name part must consist of alphanumeric characters, '-', '_' or '.'"));
  if (old?.["deletionTimestamp"] === undefined) return causes;
  const added = finalizers.filter((each) => !listAt(old, "finalizers").includes(each));
  if (added.length > 0)
    causes.push({
      reason: "FieldValueForbidden",
      field,
      message: `Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map((each) => JSON.stringify(each)).join(", ")}}`,
    });
  return causes;
}

function ownerCauses(owners: Json | undefined): readonly Cause[] {
  if (owners === undefined || owners === null) return [];
  const field = "metadata.ownerReferences";
  if (!Array.isArray(owners)) return [wrong(field, owners, "must be a list")];
  const missing = owners.flatMap((owner: Json, at) =>
    ["apiVersion", "kind", "name", "uid"]
      .filter((key) => stringAt(owner, key) === "")
      .map((key): Cause => wrong(`${field}[${at}].${key}`, "", "must not be empty")),
  );
  const controllers = owners.filter((owner: Json) => isObject(owner) && owner["controller"] === true);
  return controllers.length > 1
    ? [...missing, wrong(field, `${controllers.length}`, "Only one reference can have Controller set to true")]
    : missing;
}

/** What only the server says of an object; a writer's words about it are overruled. */
export function keepSystemFields(metadata: JsonObject, old: JsonObject): JsonObject {
  const next = new Map(Object.entries(metadata));
  for (const field of [
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generateName",
  ]) {
    const value = old[field];
    if (value === undefined) next.delete(field);
    else next.set(field, value);
  }
  next.delete("managedFields");
  next.delete("selfLink");
  for (const field of ["labels", "annotations", "finalizers", "ownerReferences"])
    if (isEmpty(next.get(field))) next.delete(field);
  return Object.fromEntries(next);
}

function isEmpty(value: Json | undefined): boolean {
  if (value === undefined || value === null) return true;
  return Array.isArray(value) ? value.length === 0 : isObject(value) && Object.keys(value).length === 0;
}

/** Whether anything besides metadata and status differs: then there is another generation. */
export function sameSpec(a: JsonObject, b: JsonObject): boolean {
  const bare = ({ metadata: _, status: __, ...rest }: JsonObject) => rest;
  return sameJson(bare(a), bare(b));
}

export const finalizersOf = (object: JsonObject) => listAt(objectAt(object, "metadata"), "finalizers");

/** RFC 3339 in whole seconds, as the API has them. */
export const timeText = (milliseconds: number) => `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
