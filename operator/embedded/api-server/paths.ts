/** What a path asks for. */
import type { Resource } from "./resources.ts";

export type PathTarget =
  | {
      readonly kind: "objects";
      readonly resource: Resource;
      /** Undefined: all namespaces, or a cluster-scoped resource. */
      readonly namespace: string | undefined;
      /** "" for the collection. */
      readonly name: string;
      /** "" for the object itself. */
      readonly subresource: string;
    }
  | { readonly kind: "namespaces"; readonly name: string }
  | { readonly kind: "other"; readonly path: string }
  | { readonly kind: "unknown" };

/** `/api/v1/…` and `/apis/GROUP/VERSION/…`; `other` is for discovery and probes. */
export function pathTarget(resources: ReadonlyMap<string, Resource>, path: string): PathTarget {
  const parts = decoded(path);
  if (!parts) return { kind: "unknown" };
  const core = parts[0] === "api";
  if (!core && parts[0] !== "apis") return { kind: "other", path };
  const [group, version, rest] = core ? ["", parts[1], parts.slice(2)] : [parts[1], parts[2], parts.slice(3)];
  if (rest.length === 0) return { kind: "other", path };
  if (group === "" && version === "v1" && rest[0] === "namespaces" && rest.length <= 2)
    return { kind: "namespaces", name: rest[1] ?? "" };
  const namespaced = rest[0] === "namespaces";
  const namespace = namespaced ? rest[1] : undefined;
  const [plural = "", name = "", ...below] = namespaced ? rest.slice(2) : rest;
  const resource = resources.get(`${group}/${version}/${plural}`);
  if (!resource || below.length > 1 || (namespaced && (namespace === "" || !resource.kind.namespaced)))
    return { kind: "unknown" };
  if (rest.includes("") || (name !== "" && !namespaced && resource.kind.namespaced)) return { kind: "unknown" };
  return { kind: "objects", resource, namespace, name, subresource: below[0] ?? "" };
}

function decoded(path: string): readonly string[] | undefined {
  const bare = path.startsWith("/") ? path.slice(1).replace(/\/$/, "") : path;
  try {
    return bare.split("/").map(decodeURIComponent);
  } catch {
    return undefined;
  }
}
