/** Where a controller looks: the whole cluster, or some namespaces (which then is all it needs rights in). */
import type { Kind } from "./objects.ts";

export type Scope =
  | { readonly kind: "cluster" }
  | { readonly kind: "namespaces"; readonly namespaces: readonly string[] };

/**
 * From a comma-separated list as in an environment variable: empty means the cluster. Duplicates are dropped; names
 * are checked (RFC 1123 label), because they become parts of paths.
 */
export function parseScope(text: string): Scope | { readonly kind: "invalid"; readonly message: string } {
  const namespaces = [...new Set(text.split(",").map((name) => name.trim()))].filter((name) => name !== "");
  const wrong = namespaces.find((name) => !/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name));
  if (wrong !== undefined)
    return {
      kind: "invalid",
      message: `"${wrong.slice(0, 80)}" is no namespace: use lower-case letters, digits and "-"`,
    };
  return namespaces.length === 0 ? { kind: "cluster" } : { kind: "namespaces", namespaces };
}

/**
 * The collections to list and watch for a kind: one over the cluster (`undefined`), or one in each namespace.
 * Cluster-scoped kinds have no other collection than the cluster's.
 */
export function collectionsOf(kind: Kind, scope: Scope): readonly (string | undefined)[] {
  return scope.kind === "cluster" || !kind.namespaced ? [undefined] : scope.namespaces;
}
