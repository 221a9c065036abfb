/** Objects taken apart into fields that can be owned, and put together again. */
import { isList, isObject, type Json, type JsonObject } from "./json.ts";
import { below, type Shape } from "./shapes.ts";

/** Names on the way to a field, joined by DEL: names may contain dots. Entries of lists are `[name="x"]` or `["x"]`. */
export type Path = string;
export type Fields = ReadonlyMap<Path, Json>;

const separator = "\u007f";

/** As the server names fields, e.g. `.spec.containers[name="validator"].image`. */
export const shown = (path: Path) =>
  path
    .split(separator)
    .map((part) => (part.startsWith("[") ? part : `.${part}`))
    .join("");

/** Whether a path lies at or below another. */
export const isBelow = (path: Path, other: Path) => path === other || path.startsWith(`${other}${separator}`);

/** Paths repeat from object to object: each is kept once. Forgotten now and then, so that it stays small. */
const known = new Map<string, string>();
const mostKnown = 50_000;

function once(path: string): string {
  const found = known.get(path);
  if (found !== undefined) return found;
  if (known.size >= mostKnown) known.clear();
  known.set(path, path);
  return path;
}

/** Every leaf of a value: what is neither an object nor a list with named entries, and what is empty. */
export function fieldsOf(value: JsonObject, shape: Shape | undefined): Fields {
  const found = new Map<Path, Json>();
  collect(value, shape, "", found);
  return found;
}

function collect(value: Json, shape: Shape | undefined, path: Path, found: Map<Path, Json>): void {
  const at = (part: string) => (path === "" ? part : `${path}${separator}${part}`);
  if (isObject(value) && shape?.atomic !== true) {
    const names = Object.keys(value);
    for (const name of names) collect(value[name]!, below(shape, name), at(name), found);
    if (names.length > 0) return;
  } else if (isList(value) && shape?.list !== undefined && value.length > 0) {
    for (const entry of value) {
      const name = entryName(entry, shape.list);
      if (shape.list === "set") found.set(once(at(name)), entry);
      else collect(entry, shape.items, at(name), found);
    }
    return;
  }
  if (path !== "") found.set(once(path), value);
}

/** Fields that tell entries apart and have a default. */
const keyDefaults: JsonObject = { protocol: "TCP" };

function entryName(entry: Json, list: NonNullable<Shape["list"]>): string {
  if (list === "set") return `[=${JSON.stringify(entry)}]`;
  const keys = list.map((key) => {
    const value = (isObject(entry) ? entry[key] : undefined) ?? keyDefaults[key];
    return `${key}=${JSON.stringify(value ?? null)}`;
  });
  return `[${keys.join()}]`;
}

/** The first entry that another entry of a list with named entries repeats; undefined when there is none. */
export function repeated(value: Json, shape: Shape | undefined, path = ""): Path | undefined {
  const at = (part: string) => (path === "" ? part : `${path}${separator}${part}`);
  if (isObject(value)) {
    for (const [name, field] of Object.entries(value)) {
      const found = repeated(field, below(shape, name), at(name));
      if (found !== undefined) return found;
    }
  } else if (isList(value) && shape?.list !== undefined) {
    const names = new Set<string>();
    for (const entry of value) {
      const name = entryName(entry, shape.list);
      if (names.has(name)) return at(name);
      names.add(name);
      const found = repeated(entry, shape.items, at(name));
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** Puts everything of `patch` over `value`: objects and lists with named entries are merged, in the patch's order. */
export function overlay(value: Json | undefined, patch: Json, shape: Shape | undefined): Json {
  if (isObject(patch) && isObject(value) && shape?.atomic !== true) {
    const next = new Map(Object.entries(value));
    for (const [name, field] of Object.entries(patch))
      next.set(name, overlay(next.get(name), field, below(shape, name)));
    return Object.fromEntries(next);
  }
  if (isList(patch) && isList(value) && shape?.list !== undefined) {
    const { list, items } = shape;
    const old = new Map(value.map((entry) => [entryName(entry, list), entry]));
    const given = new Map(patch.map((entry) => [entryName(entry, list), entry]));
    return merged([...old.keys()], [...given.keys()]).map((name) => {
      const entry = given.get(name);
      return entry === undefined ? old.get(name)! : overlay(old.get(name), entry, items);
    });
  }
  return patch;
}

/**
 * Names of both lists, those of the second in its order; what only the first has keeps its place among them as far as
 * it has one (`mergeListItems` of structured-merge-diff).
 */
function merged(first: readonly string[], second: readonly string[]): readonly string[] {
  const [old, given] = [new Set(first), new Set(second)];
  const shared = second.filter((name) => old.has(name));
  const out: string[] = [];
  let [taken, met] = [0, 0];
  for (const name of first) {
    if (!given.has(name)) out.push(name);
    else if (name === shared[met]) {
      const upTo = second.indexOf(name) + 1;
      out.push(...second.slice(taken, upTo));
      taken = upTo;
      met++;
    }
  }
  return [...out, ...second.slice(taken)];
}

/** A strategic merge patch without directives: as `mergePatch`, but lists with named entries are merged. */
export function strategicPatch(value: Json | undefined, patch: Json, shape: Shape | undefined): Json {
  if (isObject(patch)) {
    const next = new Map(isObject(value) ? Object.entries(value) : []);
    for (const [name, field] of Object.entries(patch)) {
      if (field === null) next.delete(name);
      else next.set(name, strategicPatch(next.get(name), field, below(shape, name)));
    }
    return Object.fromEntries(next);
  }
  if (!isList(patch) || !isList(value) || shape?.list === undefined) return patch;
  const { list, items } = shape;
  const next = new Map(value.map((entry) => [entryName(entry, list), entry]));
  for (const entry of patch) {
    const name = entryName(entry, list);
    next.set(name, strategicPatch(next.get(name), entry, items));
  }
  return [...next.values()];
}

/** A copy without these fields; objects and entries that this leaves empty go too. */
export function withoutFields(value: JsonObject, paths: ReadonlySet<Path>, shape: Shape | undefined): JsonObject {
  if (paths.size === 0) return value;
  const next = drop(value, paths, shape, "");
  return isObject(next) ? next : {};
}

/** Undefined: nothing is left. Paths are those of the value as it was: an entry keeps its name while it loses fields. */
function drop(value: Json, paths: ReadonlySet<Path>, shape: Shape | undefined, path: Path): Json | undefined {
  const at = (part: string) => (path === "" ? part : `${path}${separator}${part}`);
  if (paths.has(path)) return undefined;
  if (isObject(value) && shape?.atomic !== true) {
    const next = Object.entries(value).flatMap(([name, field]): [string, Json][] => {
      const left = drop(field, paths, below(shape, name), at(name));
      return left === undefined ? [] : [[name, left]];
    });
    return next.length === 0 && Object.keys(value).length > 0 ? undefined : Object.fromEntries(next);
  }
  const list = shape?.list;
  if (!isList(value) || list === undefined) return value;
  const next = value.flatMap((entry) => drop(entry, paths, shape?.items, at(entryName(entry, list))) ?? []);
  return next.length === 0 && value.length > 0 ? undefined : next;
}
