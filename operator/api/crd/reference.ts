/** The reference pages: every field of a kind with its type, default, bounds and meaning. */
import { classOf } from "../changes.ts";
import type { Structural, Validation } from "./structural.ts";

interface Field {
  readonly path: string;
  readonly schema: Structural;
  readonly required: boolean;
}

/** Every field under a node, in the order of the schema; `[]` stands for an entry of a list, `<name>` for one of a map. */
export function fieldsOf(node: Structural, prefix = ""): readonly Field[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, schema]) => {
    const path = prefix === "" ? name : `${prefix}.${name}`;
    return [{ path, schema, required: node.required?.includes(name) === true }, ...inside(schema, path)];
  });
}

function inside(schema: Structural, path: string): readonly Field[] {
  if (schema.items) return schema.items.properties ? fieldsOf(schema.items, `${path}[]`) : [];
  return fieldsOf(schema, path);
}

/** One row: name, type, default, meaning. */
function row({ path, schema, required }: Field, changes: boolean): string {
  const cells = [`\`${path}\``, typeOf(schema), fallback(schema, required), schema.description ?? ""];
  return `| ${[...cells, ...(changes ? [classOf(path)] : [])].map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

function fallback(schema: Structural, required: boolean): string {
  if (required) return "required";
  if (schema.default === undefined) return "";
  return schema.type === "object" ? "" : `\`${JSON.stringify(schema.default)}\``;
}

function typeOf(schema: Structural): string {
  if (schema["x-kubernetes-int-or-string"]) return "quantity";
  if (schema["x-kubernetes-preserve-unknown-fields"]) return "object";
  if (schema.enum) return schema.enum.map((word) => `\`${word}\``).join(", ");
  switch (schema.type) {
    case "integer":
    case "number":
      return schema.maximum === undefined || schema.maximum === Number.MAX_SAFE_INTEGER
        ? `integer ≥ ${schema.minimum ?? 0}`
        : `integer ${schema.minimum ?? 0} … ${schema.maximum}`;
    case "string":
      return schema.format === "date-time" ? "time" : `text ≤ ${schema.maxLength}`;
    case "array": {
      const { minItems = 0, maxItems } = schema;
      const size = minItems > 0 ? `${minItems} … ${maxItems}` : `≤ ${maxItems}`;
      const keys = schema["x-kubernetes-list-map-keys"];
      return `list ${size} of ${schema.items?.properties ? "object" : "text"}${keys ? `, one per ${keys.join(" and ")}` : ""}`;
    }
    case "object":
      return schema.additionalProperties
        ? `map ≤ ${schema.maxProperties} of ${schema.additionalProperties.type === "integer" ? "integer" : "text"}`
        : "object";
    default:
      return schema.type ?? "";
  }
}

/** What is refused with which words: rules with numbers in their sentence show the plain one. */
function refusals(validations: readonly Validation[]): readonly string[] {
  return validations.map(
    ({ fieldPath = "", message, reason }) =>
      `| \`${fieldPath.slice(1) || "the object"}\` | ${reason === "FieldValueForbidden" ? "a change" : "any version"} | ${message} |`,
  );
}

/** The page of one kind. */
export function referencePage(
  kind: {
    readonly kind: string;
    readonly description: string;
    readonly schema: Structural;
    readonly shortName: string;
  },
  introduction: string,
): string {
  const { spec, status } = kind.schema.properties ?? {};
  if (spec === undefined || status === undefined) throw new Error(`${kind.kind} has no spec or no status`);
  const changes = kind.kind === "ValidatorSwarm";
  const validations = [
    ...(kind.schema["x-kubernetes-validations"] ?? []),
    ...(spec["x-kubernetes-validations"] ?? []).map((each) => ({ ...each, fieldPath: `.spec${each.fieldPath ?? ""}` })),
  ];
  return `<!-- Made by \`npm run generate\` from operator/api/. -->
# ${kind.kind}

\`validatorswarm.io/v1alpha1\`, short name \`${kind.shortName}\`. ${kind.description} ${introduction}

A field without a default may be left out unless it is required. A quantity is text such as \`500m\` or \`4Gi\`.

## spec

| field | type | default | meaning |${changes ? " change |" : ""}
|---|---|---|---|${changes ? "---|" : ""}
${fieldsOf(spec)
  .map((field) => row(field, changes))
  .join("\n")}

## What is refused at admission

Beyond types and bounds; offline the same rules say the same sentences, with the numbers where there are any.

| field | in | sentence |
|---|---|---|
${refusals(validations).join("\n")}

## status

| field | type | meaning |
|---|---|---|
${fieldsOf(status)
  .map(({ path, schema }) => `| \`${path}\` | ${typeOf(schema)} | ${schema.description ?? ""} |`.replaceAll("\n", " "))
  .join("\n")}
`;
}
