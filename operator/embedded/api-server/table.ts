/** Lists as the tables that kubectl prints. */
import { isList, isObject, type Json, type JsonObject, objectAt, stringAt } from "./json.ts";
import type { Resource } from "./resources.ts";
import type { Column } from "./served.ts";

/** Whether the client would rather have a table. */
export const wantsTable = (accept: string) => /(^|,)\s*application\/json;[^,]*as=Table/.test(accept);

const nameColumn = { name: "Name", type: "string", format: "name", description: "Name.", priority: 0 };
const ageColumn: Column = {
  name: "Age",
  type: "date",
  jsonPath: ".metadata.creationTimestamp",
  description: "Since when it exists.",
};

export function tableOf(
  { columns }: Resource,
  objects: readonly JsonObject[],
  listMeta: JsonObject,
  include: string,
  nowMs: number,
): JsonObject {
  const shown = columns.length > 0 ? columns : [ageColumn];
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata: listMeta,
    columnDefinitions: [
      nameColumn,
      ...shown.map(({ name, type, description, priority = 0 }) => ({
        name,
        // Ages come as text: only the server knows its time.
        type: type === "date" ? "string" : type,
        format: "",
        description,
        priority,
      })),
    ],
    rows: objects.map((object) => ({
      cells: [
        stringAt(objectAt(object, "metadata"), "name"),
        ...shown.map(({ jsonPath, type }) => cellOf(valueAt(object, jsonPath), type, nowMs)),
      ],
      object: include === "Object" ? object : partial(object),
    })),
  };
}

function partial(object: JsonObject): JsonObject {
  return { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: objectAt(object, "metadata") };
}

function cellOf(value: Json | undefined, type: string, nowMs: number): Json {
  if (value === undefined || value === null) return type === "integer" ? null : "";
  if (type === "date") return age(nowMs - Date.parse(String(value)));
  if (type === "integer") return typeof value === "number" ? value : null;
  return typeof value === "object" ? JSON.stringify(value) : value;
}

/** As kubectl writes durations, roughly. */
function age(milliseconds: number): string {
  if (Number.isNaN(milliseconds)) return "<invalid>";
  const seconds = Math.max(0, Math.floor(milliseconds / 1_000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** Of the JSON paths that our columns use: `.a.b` and `.conditions[?(@.type=="Ready")].status`. */
function valueAt(object: JsonObject, path: string): Json | undefined {
  let value: Json | undefined = object;
  for (const [, name, field, wanted] of path.matchAll(/\.(\w+)(?:\[\?\(@\.(\w+)=="([^"]*)"\)\])?/g)) {
    value = isObject(value) && Object.hasOwn(value, name!) ? value[name!] : undefined;
    if (field !== undefined)
      value = isList(value) ? value.find((entry) => isObject(entry) && entry[field] === wanted) : undefined;
  }
  return value;
}
