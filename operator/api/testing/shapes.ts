/** What an API server checks before any rule: types, bounds, required and unknown fields, lists without doubles. */
import type { Structural } from "../crd/structural.ts";

/** Places where a value, with its defaults filled in, is not as the schema has it. */
export function misshapen(schema: Structural, value: unknown, path: string): readonly string[] {
  return fits(schema, value) ? inside(schema, value, path) : [path];
}

function fits(schema: Structural, value: unknown): boolean {
  if (schema["x-kubernetes-int-or-string"]) return typeof value === "string" || Number.isInteger(value);
  if (schema.enum && !schema.enum.includes(value)) return false;
  switch (schema.type) {
    case "string":
      return typeof value === "string" && fitsText(schema, value);
    case "integer":
      return (
        typeof value === "number" &&
        Number.isInteger(value) &&
        value >= (schema.minimum ?? -Infinity) &&
        value <= (schema.maximum ?? Infinity)
      );
    case "boolean":
      return typeof value === "boolean";
    case "array":
      return Array.isArray(value) && fitsList(schema, value);
    case "object":
      return isObject(value) && Object.keys(value).length <= (schema.maxProperties ?? Infinity);
    default:
      throw new Error(`no check of ${schema.type}`);
  }
}

function fitsText({ minLength = 0, maxLength = Infinity, pattern, format }: Structural, text: string): boolean {
  const { length } = [...text];
  if (length < minLength || length > maxLength) return false;
  if (pattern !== undefined && !new RegExp(pattern).test(text)) return false;
  return format !== "date-time" || /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text);
}

function fitsList(schema: Structural, list: readonly unknown[]): boolean {
  if (list.length < (schema.minItems ?? 0) || list.length > (schema.maxItems ?? Infinity)) return false;
  const keys = schema["x-kubernetes-list-map-keys"];
  const nameOf = (each: unknown) => JSON.stringify(keys && isObject(each) ? keys.map((key) => each[key]) : each);
  return schema["x-kubernetes-list-type"] === "atomic" || new Set(list.map(nameOf)).size === list.length;
}

function inside(schema: Structural, value: unknown, path: string): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((each, i) => misshapen(schema.items ?? {}, each, `${path}.${i}`));
  if (!isObject(value) || schema["x-kubernetes-preserve-unknown-fields"]) return [];
  const missing = (schema.required ?? []).filter((name) => value[name] === undefined).map((name) => `${path}.${name}`);
  const present = Object.entries(value).flatMap(([name, each]) => {
    if (each === undefined) return [];
    const property = schema.properties?.[name] ?? schema.additionalProperties;
    return property ? misshapen(property, each, `${path}.${name}`) : [`${path}.${name}`];
  });
  return [...missing, ...present];
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
