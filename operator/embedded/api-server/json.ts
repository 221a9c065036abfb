/** JSON values as the API server stores them: never changed in place, so that they can be given out without copies. */

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [field: string]: Json;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

/** The object at a field, or an empty one. */
export function objectAt(value: Json | undefined, field: string): JsonObject {
  const found = isObject(value) ? value[field] : undefined;
  return isObject(found) ? found : {};
}

/** The text at a field, or "". */
export function stringAt(value: Json | undefined, field: string): string {
  const found = isObject(value) ? value[field] : undefined;
  return typeof found === "string" ? found : "";
}

/** The list at a field, or an empty one. */
export function listAt(value: Json | undefined, field: string): readonly Json[] {
  const found = isObject(value) ? value[field] : undefined;
  return isList(found) ? found : [];
}

/** Equal, whatever the order of fields. */
export function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (isList(a)) return isList(b) && a.length === b.length && a.every((entry, at) => sameJson(entry, b[at]));
  if (!isObject(a) || !isObject(b)) return false;
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && sameJson(a[name], b[name]))
  );
}

/** A copy without one field. */
export function without(value: JsonObject, field: string): JsonObject {
  if (!Object.hasOwn(value, field)) return value;
  const { [field]: _, ...rest } = value;
  return rest;
}

/** RFC 7386: objects are merged, null removes, everything else replaces. */
export function mergePatch(value: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const next = new Map<string, Json>(isObject(value) ? Object.entries(value) : []);
  for (const [name, field] of Object.entries(patch)) {
    if (field === null) next.delete(name);
    else next.set(name, mergePatch(next.get(name), field));
  }
  // `fromEntries` defines fields: `__proto__` is one like any other.
  return Object.fromEntries(next);
}

/** Whether lists and objects lie deeper in one another than `most`. Without recursion, for anything may be asked. */
export function isDeeper(value: Json, most: number): boolean {
  let level: readonly Json[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > most) return true;
    level = level.flatMap((each) => (isList(each) ? each : isObject(each) ? Object.values(each) : []));
  }
  return false;
}

/** A JSON value of its own: what JSON has no words for is left out, nothing is shared. Undefined when there is none. */
export function toJson(value: unknown): Json | undefined {
  const text = JSON.stringify(value) as string | undefined;
  return text === undefined ? undefined : parseJson(text);
}

/** Undefined when it is no JSON. */
export function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
