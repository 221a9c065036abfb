/** Server-side apply: who owns which field, and who is in the way. */
import { type Fields, type Path, shown } from "./fields.ts";
import { type Json, type JsonObject, sameJson } from "./json.ts";

/** One entry of an object's managed fields. The same name has several when it writes in several ways. */
export interface Owner {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  /** "" for the object itself. */
  readonly subresource: string;
  readonly apiVersion: string;
  /** Of its last change, RFC 3339. */
  readonly time: string;
  readonly paths: ReadonlySet<Path>;
}

export type Owners = readonly Owner[];

/** Who writes, and how. */
export type Writing = Omit<Owner, "paths">;

const never = new Set([
  "apiVersion",
  "kind",
  ...[
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "generateName",
    "selfLink",
  ].map((name) => `metadata\u007f${name}`),
]);

/** Whether a field is one that managers own: identity and what the server counts are not. */
export const ownable = (path: Path) => !never.has(path);

const isSame = (owner: Writing, other: Writing) =>
  owner.manager === other.manager && owner.operation === other.operation && owner.subresource === other.subresource;

export function ownedBy(owners: Owners, writing: Writing): ReadonlySet<Path> {
  return owners.find((owner) => isSame(owner, writing))?.paths ?? new Set();
}

export interface OwnershipConflict {
  readonly path: Path;
  readonly owner: Owner;
}

/** Fields of others that an apply would change. */
export function conflictsOf(wanted: Fields, current: Fields, owners: Owners, writing: Writing): OwnershipConflict[] {
  const found: OwnershipConflict[] = [];
  for (const [path, value] of wanted) {
    if (sameJson(current.get(path), value)) continue;
    for (const owner of owners) if (!isSame(owner, writing) && owner.paths.has(path)) found.push({ path, owner });
  }
  return found;
}

/** As the server says it; the operator reads the manager's name back from it. */
export function conflictCause({ path, owner }: OwnershipConflict): JsonObject {
  const { manager, operation, subresource, apiVersion } = owner;
  const through = subresource === "" ? "" : ` with subresource ${JSON.stringify(subresource)}`;
  const how = operation === "Update" ? ` using ${apiVersion}` : "";
  return {
    reason: "FieldManagerConflict",
    message: `conflict with ${JSON.stringify(manager)}${through}${how}`,
    field: shown(path),
  };
}

/** Owners after an apply: the writer has exactly `wanted`, and alone what it `took`. */
export function afterApply(owners: Owners, writing: Writing, wanted: Iterable<Path>, took: ReadonlySet<Path>): Owners {
  const paths = new Set(wanted);
  const before = owners.find((owner) => isSame(owner, writing));
  const unchanged = before !== undefined && sameSet(before.paths, paths);
  const others = owners
    .filter((owner) => !isSame(owner, writing))
    .map((owner) => without(owner, (path) => took.has(path)));
  const mine = unchanged ? before : { ...writing, paths };
  return [...others, mine].filter(({ paths: left }) => left.size > 0);
}

/** Owners after any other write: what it changed is the writer's alone, and what is gone is nobody's. */
export function afterUpdate(owners: Owners, writing: Writing, before: Fields, after: Fields): Owners {
  const touched = new Set<Path>();
  for (const [path, value] of after) if (ownable(path) && !sameJson(before.get(path), value)) touched.add(path);
  let gone = false;
  for (const path of before.keys())
    if (!after.has(path)) {
      gone = true;
      break;
    }
  if (touched.size === 0 && !gone) return owners;
  const mine = owners.find((owner) => isSame(owner, writing));
  const others = owners
    .filter((owner) => owner !== mine)
    .map((owner) => without(owner, (path) => touched.has(path) || !after.has(path)));
  const kept = [...(mine?.paths ?? [])].filter((path) => after.has(path));
  const paths = new Set([...kept, ...touched]);
  const own = mine !== undefined && touched.size === 0 ? { ...mine, paths } : { ...writing, paths };
  return [...others, own].filter(({ paths: left }) => left.size > 0);
}

function without(owner: Owner, drops: (path: Path) => boolean): Owner {
  const paths = new Set([...owner.paths].filter((path) => !drops(path)));
  return paths.size === owner.paths.size ? owner : { ...owner, paths };
}

function sameSet(a: ReadonlySet<Path>, b: ReadonlySet<Path>): boolean {
  return a.size === b.size && [...a].every((path) => b.has(path));
}

/** For the journal. */
export function ownersToJson(owners: Owners): Json {
  return owners.map(({ paths, ...owner }) => ({ ...owner, paths: [...paths] }));
}

/** What `ownersToJson` made. */
export function ownersFromJson(value: Json | undefined): Owners {
  const entries = (value ?? []) as readonly (Writing & { readonly paths: readonly Path[] })[];
  return entries.map(({ paths, ...owner }) => ({ ...owner, paths: new Set(paths) }));
}
