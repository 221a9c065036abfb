/**
 * Admission of the swarm's own kinds: unknown fields are pruned, defaults filled in, and the rules that are CEL in the
 * CRDs evaluated, those over the old version too. A real API server decides the same from the CRDs.
 */
import type { z } from "zod";
import type { Structural } from "../../api/crd/structural.ts";
import { explain, type Problem } from "../../api/problems.ts";
import { checkpointChangeRules, checkpointRules } from "../../api/rules/checkpoint-rules.ts";
import { broken, brokenByChange, type ChangeRule, type Rule } from "../../api/rules/rule.ts";
import { changeRules, objectRules, specRules } from "../../api/rules/swarm-rules.ts";
import { spec as swarmSpec } from "../../api/spec/spec.ts";
import { status as swarmStatus } from "../../api/status.ts";
import { checkpointSpec, checkpointStatus } from "../../api/swarm-checkpoint.ts";
import { isList, isObject, type Json, type JsonObject, objectAt, sameJson, stringAt, toJson } from "./json.ts";
import type { Cause } from "./reply.ts";

export type Admitted =
  | { readonly kind: "ok"; readonly object: JsonObject }
  | { readonly kind: "invalid"; readonly causes: readonly Cause[] };

/** Pure. `old`: what is stored; undefined at creation. */
export type Admission = (object: JsonObject, old: JsonObject | undefined) => Admitted;

interface Rules<Spec> {
  readonly spec: z.ZodType<Spec>;
  readonly status: z.ZodType;
  readonly object: readonly Rule<{ readonly metadata: { readonly name: string }; readonly spec: Spec }>[];
  readonly specRules: readonly Rule<Spec>[];
  readonly changes: readonly ChangeRule<Spec>[];
}

export const admitSwarm: Admission = admission({
  spec: swarmSpec,
  status: swarmStatus,
  object: objectRules,
  specRules,
  changes: changeRules,
});

export const admitCheckpoint: Admission = admission({
  spec: checkpointSpec,
  status: checkpointStatus,
  object: [],
  specRules: checkpointRules,
  changes: checkpointChangeRules,
});

function admission<Spec>(rules: Rules<Spec>): Admission {
  return (object, old) => {
    const status = checked(rules.status, object["status"], "status");
    // What was admitted once stays admitted: a rule that came later does not stop a status from being written.
    if (old && sameJson(old["spec"], object["spec"])) return result(object, status.problems, { status: status.value });

    const parsed = rules.spec.safeParse(object["spec"], { reportInput: true });
    if (!parsed.success) {
      const problems = parsed.error.issues.flatMap(explain).map((problem) => under("spec", problem));
      return result(object, [...problems, ...status.problems], {});
    }
    const spec = parsed.data;
    const named = { metadata: { name: stringAt(objectAt(object, "metadata"), "name") }, spec };
    const before = old ? rules.spec.safeParse(old["spec"]) : undefined;
    const wrong = [...broken(rules.object, named, ""), ...broken(rules.specRules, spec, "spec"), ...status.problems];
    const forbidden = before?.success ? brokenByChange(rules.changes, spec, before.data, "spec") : [];
    return result(object, wrong, { spec: toJson(spec), status: status.value }, forbidden);
  };
}

function checked(schema: z.ZodType, value: Json | undefined, root: string) {
  if (value === undefined) return { value, problems: [] };
  const parsed = schema.safeParse(value, { reportInput: true });
  if (parsed.success) return { value: toJson(parsed.data), problems: [] };
  return { value, problems: parsed.error.issues.flatMap(explain).map((problem) => under(root, problem)) };
}

const under = (root: string, { field, message }: Problem): Problem => ({
  field: field === "" ? root : `${root}.${field}`,
  message,
});

function result(
  object: JsonObject,
  problems: readonly Problem[],
  fields: Readonly<Record<string, Json | undefined>>,
  forbidden: readonly Problem[] = [],
): Admitted {
  const causes: readonly Cause[] = [
    ...problems.map((problem) => causeOf(object, problem)),
    ...forbidden.map(({ field, message }) => ({
      reason: "FieldValueForbidden",
      field: serverPath(field),
      message: `Forbidden: ${message}`,
    })),
  ];
  if (causes.length > 0) return { kind: "invalid", causes };
  const given = Object.entries(fields).filter((each): each is [string, Json] => each[1] !== undefined);
  return { kind: "ok", object: given.length === 0 ? object : { ...object, ...Object.fromEntries(given) } };
}

function causeOf(object: JsonObject, { field, message }: Problem): Cause {
  const value = valueAt(object, field);
  if (value === undefined)
    return { reason: "FieldValueRequired", field: serverPath(field), message: `Required value: ${message}` };
  const text = isObject(value) ? '"object"' : isList(value) ? '"array"' : JSON.stringify(value).slice(0, 200);
  return { reason: "FieldValueInvalid", field: serverPath(field), message: `Invalid value: ${text}: ${message}` };
}

/** `spec.regions.0.name` as `spec.regions[0].name`. */
const serverPath = (field: string) => field.replace(/\.(\d+)(?=\.|$)/g, "[$1]");

function valueAt(object: JsonObject, field: string): Json | undefined {
  let value: Json | undefined = object;
  for (const part of field === "" ? [] : field.split(".")) {
    if (isObject(value)) value = Object.hasOwn(value, part) ? value[part] : undefined;
    else if (isList(value)) value = value[Number(part)];
    else return undefined;
  }
  return value;
}

export interface Pruned {
  readonly object: JsonObject;
  /** Fields that the schema does not have, as `spec.regions[0].nane`. */
  readonly unknown: readonly string[];
}

/** What the schema has no field for is left out, but for the metadata. */
export function prune(schema: Structural, object: JsonObject): Pruned {
  const unknown: string[] = [];
  const always = new Set(["apiVersion", "kind", "metadata"]);
  const kept = Object.entries(object).flatMap(([name, value]): [string, Json][] => {
    if (always.has(name)) return [[name, value]];
    const property = propertyOf(schema, name);
    if (property) return [[name, pruned(property, value, name, unknown)]];
    unknown.push(name);
    return [];
  });
  return { object: unknown.length === 0 ? object : Object.fromEntries(kept), unknown };
}

function pruned(schema: Structural, value: Json, path: string, unknown: string[]): Json {
  if (schema["x-kubernetes-preserve-unknown-fields"]) return value;
  if (isList(value)) {
    const { items } = schema;
    return items ? value.map((entry, at) => pruned(items, entry, `${path}[${at}]`, unknown)) : value;
  }
  if (!isObject(value) || schema.type !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, field]): [string, Json][] => {
      const property = propertyOf(schema, name);
      if (property) return [[name, pruned(property, field, `${path}.${name}`, unknown)]];
      unknown.push(`${path}.${name}`);
      return [];
    }),
  );
}

function propertyOf({ properties, additionalProperties }: Structural, name: string): Structural | undefined {
  return properties && Object.hasOwn(properties, name) ? properties[name] : additionalProperties;
}
