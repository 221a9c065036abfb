/**
 * Server-side apply in small: who owns which field. Lists are owned as a whole; a real server knows more about some
 * lists, which no test against this one relies on.
 */

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [field: string]: Json;
}

/** The names on the way to a field, joined by NUL: names may contain dots. */
export type Path = string;
export type Fields = ReadonlyMap<Path, Json>;
/** Paths by manager. */
export type Owners = ReadonlyMap<string, ReadonlySet<Path>>;

const separator = "\u0000";
const notOwned = new Set([
  "apiVersion",
  "kind",
  ...["name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp"].map(
    (name) => `metadata${separator}${name}`,
  ),
]);

/** As the server names fields, e.g. `.spec.replicas`. */
export const shown = (path: Path) => `.${path.split(separator).join(".")}`;

/** Whether a path lies at or below a top-level field. */
export const isBelow = (path: Path, field: string) => path === field || path.startsWith(`${field}${separator}`);

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Every leaf of an object that can be owned. */
export function fieldsOf(value: JsonObject, parents: readonly string[] = []): Fields {
  const found = new Map<Path, Json>();
  for (const [name, field] of Object.entries(value)) {
    const path = [...parents, name];
    if (isObject(field) && Object.keys(field).length > 0) {
      for (const [below, leaf] of fieldsOf(field, path)) found.set(below, leaf);
    } else if (!notOwned.has(path.join(separator))) found.set(path.join(separator), field);
  }
  return found;
}

export const sameJson = (a: Json | undefined, b: Json | undefined) => canonical(a) === canonical(b);

function canonical(value: Json | undefined): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (!isObject(value)) return JSON.stringify(value) ?? "";
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`).join()}}`;
}

/** A copy with one field set or, undefined, removed; objects left empty by a removal go too. */
export function withField(value: JsonObject, path: Path, field: Json | undefined): JsonObject {
  const at = path.indexOf(separator);
  const name = at < 0 ? path : path.slice(0, at);
  const { [name]: old, ...others } = value;
  if (at < 0) return field === undefined ? others : { ...value, [name]: field };
  const inner = withField(isObject(old) ? old : {}, path.slice(at + 1), field);
  return field === undefined && Object.keys(inner).length === 0 ? others : { ...value, [name]: inner };
}

export interface OwnershipConflict {
  readonly path: Path;
  readonly manager: string;
}

/** Fields of others that an apply would change. */
export function conflictsOf(wanted: Fields, current: Fields, owners: Owners, manager: string): OwnershipConflict[] {
  const found: OwnershipConflict[] = [];
  for (const [path, value] of wanted) {
    if (sameJson(current.get(path), value)) continue;
    for (const [other, paths] of owners) if (other !== manager && paths.has(path)) found.push({ path, manager: other });
  }
  return found;
}
