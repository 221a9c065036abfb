/**
 * OpenAPI v3, as far as kubectl asks: whether a write may be validated by the server (`kubectl apply` refuses to go on
 * when it cannot tell), and the fields of our own kinds (`kubectl explain`).
 */
import { kinds } from "../../api/crd/definitions.ts";
import { type JsonObject, toJson } from "./json.ts";
import { type Reply, unknownPath } from "./reply.ts";
import type { Resource } from "./resources.ts";

const root = "/openapi/v3";
const ok = (body: JsonObject): Reply => ({ status: 200, body });
const pathOf = (apiVersion: string) => (apiVersion.includes("/") ? `apis/${apiVersion}` : `api/${apiVersion}`);

/** Undefined: the path is none of these. */
export function openApi(resources: readonly Resource[], path: string): Reply | undefined {
  if (path !== root && !path.startsWith(`${root}/`)) return undefined;
  const versions = [...new Set(resources.map(({ apiVersion }) => apiVersion))];
  if (path === root)
    return ok({
      paths: Object.fromEntries(
        versions.map((version) => [pathOf(version), { serverRelativeURL: `${root}/${pathOf(version)}` }]),
      ),
    });
  const version = versions.find((each) => path === `${root}/${pathOf(each)}`);
  return version === undefined ? unknownPath() : ok(document(resources.filter((each) => each.apiVersion === version)));
}

function document(resources: readonly Resource[]): JsonObject {
  return {
    openapi: "3.0.0",
    info: { title: "Validator Swarm", version: "v1alpha1" },
    paths: Object.fromEntries(resources.map((resource) => [collectionOf(resource), operations(resource)])),
    components: { schemas: Object.fromEntries(resources.map((resource) => [nameOf(resource), schemaOf(resource)])) },
  };
}

const nameOf = ({ apiVersion, kind }: Resource) => `${apiVersion.replaceAll("/", ".")}.${kind.kind}`;
const typeOf = ({ kind }: Resource): JsonObject => ({ group: kind.group, version: kind.version, kind: kind.kind });

function collectionOf({ apiVersion, kind }: Resource): string {
  const namespace = kind.namespaced ? "namespaces/{namespace}/" : "";
  return `/${pathOf(apiVersion)}/${namespace}${kind.plural}/{name}`;
}

function operations(resource: Resource): JsonObject {
  const query = (name: string, type: string): JsonObject => ({
    name,
    in: "query",
    schema: { type, uniqueItems: true },
  });
  const reference = { $ref: `#/components/schemas/${nameOf(resource)}` };
  return {
    patch: {
      parameters: [
        query("dryRun", "string"),
        query("fieldManager", "string"),
        query("fieldValidation", "string"),
        query("force", "boolean"),
      ],
      responses: { "200": { description: "OK", content: { "application/json": { schema: reference } } } },
      "x-kubernetes-action": "patch",
      "x-kubernetes-group-version-kind": typeOf(resource),
    },
  };
}

function schemaOf(resource: Resource): JsonObject {
  const own = kinds.find(({ kind }) => kind === resource.kind.kind);
  const text = { type: "string" };
  const schema = own ? toJson({ ...own.schema, description: own.description }) : undefined;
  const known = typeof schema === "object" && schema !== null && !Array.isArray(schema) ? (schema as JsonObject) : {};
  const { properties = {}, ...rest } = known;
  return {
    type: "object",
    ...rest,
    properties: { apiVersion: text, kind: text, metadata: { type: "object" }, ...(properties as JsonObject) },
    "x-kubernetes-group-version-kind": [typeOf(resource)],
  };
}
