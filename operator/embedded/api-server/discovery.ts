/** What clients ask before they know what there is: groups, versions, resources, health. */
import type { JsonObject } from "./json.ts";
import { openApi } from "./openapi.ts";
import { notFound, type Reply, unknownPath } from "./reply.ts";
import type { Resource } from "./resources.ts";

const ok = (body: JsonObject): Reply => ({ status: 200, body });
const verbs = ["create", "delete", "get", "list", "patch", "update", "watch"];

/** Undefined: answered with the text `ok`. */
export function discover(resources: readonly Resource[], path: string): Reply | undefined {
  const parts = path.split("/").filter((part) => part !== "");
  const groups = [...new Set(resources.map(({ kind }) => kind.group).filter((group) => group !== ""))];
  if (["/healthz", "/livez", "/readyz"].includes(path)) return undefined;
  const described = openApi(resources, path);
  if (described) return described;
  if (path === "/version") return ok({ major: "1", minor: "35", gitVersion: "v1.35.0-validator-swarm", platform: "" });
  if (path === "/api" || path === "/api/")
    return ok({ kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [] });
  if (path === "/apis" || path === "/apis/")
    return ok({ kind: "APIGroupList", apiVersion: "v1", groups: groups.map((group) => groupOf(resources, group)) });
  if (parts[0] === "apis" && parts.length === 2 && groups.includes(parts[1]!))
    return ok({ kind: "APIGroup", apiVersion: "v1", ...groupOf(resources, parts[1]!) });
  const groupVersion = parts[0] === "api" ? parts[1] : parts.slice(1).join("/");
  const found = resources.filter(({ apiVersion }) => apiVersion === groupVersion);
  const whole = parts[0] === "api" ? parts.length === 2 : parts[0] === "apis" && parts.length === 3;
  if (!whole || found.length === 0) return unknownPath();
  const listed = [
    ...(groupVersion === "v1"
      ? [
          {
            name: "namespaces",
            singularName: "namespace",
            namespaced: false,
            kind: "Namespace",
            verbs: ["get", "list"],
            shortNames: ["ns"],
          },
        ]
      : []),
    ...found.flatMap(resourcesOf),
  ];
  return ok({ kind: "APIResourceList", apiVersion: "v1", groupVersion: groupVersion ?? "", resources: listed });
}

function groupOf(resources: readonly Resource[], group: string): JsonObject {
  const versions = [...new Set(resources.filter(({ kind }) => kind.group === group).map(({ kind }) => kind.version))];
  const all = versions.map((version) => ({ groupVersion: `${group}/${version}`, version }));
  return { name: group, versions: all, preferredVersion: all[0]! };
}

function resourcesOf({ kind, singular, shortNames, categories, status, scale }: Resource): readonly JsonObject[] {
  const { plural: name, kind: type, namespaced } = kind;
  const below = (subresource: string, extra: JsonObject, allowed: readonly string[]): JsonObject => ({
    name: `${name}/${subresource}`,
    singularName: "",
    namespaced,
    kind: type,
    verbs: allowed,
    ...extra,
  });
  return [
    { name, singularName: singular, namespaced, kind: type, verbs, shortNames, categories },
    ...(status ? [below("status", {}, ["get", "patch", "update"])] : []),
    ...(scale
      ? [below("scale", { kind: "Scale", group: "autoscaling", version: "v1" }, ["get", "patch", "update"])]
      : []),
    ...(type === "Pod"
      ? [below("log", {}, ["get"]), below("eviction", { kind: "Eviction", group: "policy", version: "v1" }, ["create"])]
      : []),
  ];
}

/** The namespaces there are; they cannot be changed. */
export function namespaceReply(namespaces: readonly string[], name: string): Reply {
  const object = (each: string): JsonObject => ({
    kind: "Namespace",
    apiVersion: "v1",
    metadata: { name: each, uid: `namespace-${each}`, resourceVersion: "1", creationTimestamp: null },
    status: { phase: "Active" },
  });
  if (name === "")
    return ok({
      kind: "NamespaceList",
      apiVersion: "v1",
      metadata: { resourceVersion: "1" },
      items: namespaces.map(object),
    });
  return namespaces.includes(name) ? ok(object(name)) : noNamespace(name);
}

export const noNamespace = (name: string) => notFound({ group: "", plural: "namespaces", kind: "Namespace", name });
