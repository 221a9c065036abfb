/**
 * From a zod schema to the structural OpenAPI v3 schema of a CRD. What an API server does not know is left out: an
 * unknown field is pruned or refused by it anyway, and a shape that a CEL rule checks with a sentence needs no pattern.
 */
import { z } from "zod";

/** One validation of a CRD. */
export interface Validation {
  readonly rule: string;
  readonly message: string;
  readonly messageExpression?: string;
  readonly reason?: "FieldValueInvalid" | "FieldValueForbidden";
  /** From the node it is on, such as `.replicas`. */
  readonly fieldPath?: string;
}

/** A node of a structural schema. */
export interface Structural {
  readonly description?: string;
  readonly type?: "object" | "array" | "string" | "integer" | "number" | "boolean";
  readonly format?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly properties?: Readonly<Record<string, Structural>>;
  readonly required?: readonly string[];
  readonly items?: Structural;
  readonly additionalProperties?: Structural;
  readonly anyOf?: readonly Structural[];
  readonly "x-kubernetes-list-type"?: string;
  readonly "x-kubernetes-list-map-keys"?: readonly string[];
  readonly "x-kubernetes-preserve-unknown-fields"?: true;
  readonly "x-kubernetes-int-or-string"?: true;
  readonly "x-kubernetes-validations"?: readonly Validation[];
}

/** What zod makes of a schema: the same, with what CRDs do not have. */
interface JsonSchema extends Omit<Structural, "additionalProperties" | "properties" | "items"> {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly additionalProperties?: JsonSchema | false;
}

/** The structural schema of what a user may write. */
export function structural(schema: z.ZodType): Structural {
  return convert(z.toJSONSchema(schema, { io: "input", target: "openapi-3.0" }) as JsonSchema);
}

function convert(node: JsonSchema): Structural {
  const { description } = node;
  const validations = node["x-kubernetes-validations"];
  const head = { ...(description === undefined ? {} : { description }) };
  if (node["x-kubernetes-preserve-unknown-fields"])
    return { ...head, type: "object", "x-kubernetes-preserve-unknown-fields": true };
  if (node["x-kubernetes-int-or-string"])
    return {
      ...head,
      "x-kubernetes-int-or-string": true,
      anyOf: [{ type: "integer" }, { type: "string" }],
      ...(validations === undefined ? {} : { "x-kubernetes-validations": validations }),
    };
  const listType = node["x-kubernetes-list-type"] ?? (node.type === "array" ? "atomic" : undefined);
  const patternIsElsewhere = validations !== undefined || node.format !== undefined;
  const all: Structural = {
    ...head,
    ...pick(node, ["type", "format", "default", "enum"]),
    ...(node.type === "integer" ? { format: integerFormat(node.maximum) } : {}),
    ...(patternIsElsewhere ? {} : pick(node, ["pattern"])),
    ...pick(node, ["minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "maxProperties"]),
    ...(node.required === undefined || node.required.length === 0 ? {} : { required: node.required }),
    ...(node.properties === undefined ? {} : { properties: mapValues(node.properties, convert) }),
    ...(node.items === undefined ? {} : { items: convert(node.items) }),
    ...(node.additionalProperties ? { additionalProperties: convert(node.additionalProperties) } : {}),
    ...(listType === undefined ? {} : { "x-kubernetes-list-type": listType }),
    ...pick(node, ["x-kubernetes-list-map-keys", "x-kubernetes-validations"]),
  };
  return all;
}

const integerFormat = (maximum: number | undefined) =>
  maximum !== undefined && maximum <= 2_147_483_647 ? "int32" : "int64";

function pick<Key extends keyof Structural & keyof JsonSchema>(node: JsonSchema, keys: readonly Key[]): Structural {
  return Object.fromEntries(keys.flatMap((key) => (node[key] === undefined ? [] : [[key, node[key]]])));
}

const mapValues = <From, To>(from: Readonly<Record<string, From>>, to: (value: From) => To): Record<string, To> =>
  Object.fromEntries(Object.entries(from).map(([key, value]) => [key, to(value)]));
