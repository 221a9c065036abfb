/**
 * What an API server does with the rules of a CRD, as far as a CEL evaluator without one can: fills in defaults and
 * evaluates every rule at its place. Types and bounds it leaves to the API server.
 */
import { Environment } from "@marcbachmann/cel-js";
import type { Structural, Validation } from "../crd/structural.ts";
import type { Problem } from "../problems.ts";
import { compareQuantities, millionths } from "../rules/quantities.ts";

/** A `quantity` of the Kubernetes library. */
class Quantity {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

const environment = new Environment({ unlistedVariablesAreDyn: true, homogeneousAggregateLiterals: false })
  .registerType("Quantity", { fields: {}, ctor: Quantity })
  .registerFunction("list.sum(): int", (list: bigint[]) => list.reduce((sum, each) => sum + each, 0n))
  .registerFunction("list.min(): int", (list: bigint[]) => BigInt(Math.min(...list.map(Number))))
  .registerFunction("string.format(list): string", (text: string, list: unknown[]) => {
    const values = [...list];
    return text.replaceAll(/%[ds]/g, () => formatted(values.shift()));
  })
  .registerFunction("isQuantity(string): bool", (text: string) => millionths(text) !== undefined)
  .registerFunction("quantity(string): Quantity", (text: string) => {
    if (millionths(text) === undefined) throw new Error(`${text} is no quantity`);
    return new Quantity(text);
  })
  .registerFunction("Quantity.compareTo(Quantity): int", (a: Quantity, b: Quantity) =>
    BigInt(compareQuantities(a.text, b.text)),
  );

/** As `format` of the Kubernetes library writes a value. */
function formatted(value: unknown): string {
  return Array.isArray(value) ? `[${value.map((each) => JSON.stringify(each)).join(", ")}]` : String(value);
}

const parsed = new Map<string, ReturnType<Environment["parse"]>>();
function evaluate(expression: string, variables: Readonly<Record<string, unknown>>): unknown {
  const known = parsed.get(expression) ?? environment.parse(expression);
  parsed.set(expression, known);
  return known(variables);
}

/** A copy with every default of the schema filled in, from the outside inwards. */
export function withDefaults(schema: Structural, value: unknown): unknown {
  if (schema.items && Array.isArray(value)) return value.map((each) => withDefaults(schema.items ?? {}, each));
  if (!isObject(value)) return value;
  const filled: Record<string, unknown> = { ...value };
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const present = filled[name] ?? structuredClone(property.default);
    if (present !== undefined) filled[name] = withDefaults(property, present);
  }
  return filled;
}

/** Every rule that the object breaks; with `old`, those over two versions too. Both have their defaults. */
export function refusals(schema: Structural, value: unknown, old: unknown, path = ""): readonly Problem[] {
  const { "x-kubernetes-validations": validations = [] } = schema;
  if (validations.length === 0) return inside(schema, value, old, path);
  const one = { self: celValue(value) };
  const two = old === undefined ? undefined : { self: unordered(schema, value), oldSelf: unordered(schema, old) };
  const own = validations.flatMap((each) => {
    const variables = /\boldSelf\b/.test(each.rule) ? two : one;
    return variables ? refusal(each, variables, path) : [];
  });
  return [...own, ...inside(schema, value, old, path)];
}

/** As CEL compares it: lists of the types set and map are equal in any order. */
function unordered(schema: Structural, value: unknown): unknown {
  if (Array.isArray(value)) {
    const entries = value.map((each) => unordered(schema.items ?? {}, each));
    return schema["x-kubernetes-list-type"] === "atomic"
      ? entries
      : entries.sort((a, b) => (text(a) < text(b) ? -1 : 1));
  }
  if (!isObject(value)) return celValue(value);
  const fields = Object.entries(value).filter(([, each]) => each !== undefined);
  return Object.fromEntries(fields.map(([name, each]) => [name, unordered(schema.properties?.[name] ?? {}, each)]));
}
const text = (value: unknown) =>
  JSON.stringify(value, (_, each: unknown) => (typeof each === "bigint" ? String(each) : each));

function inside(schema: Structural, value: unknown, old: unknown, path: string): readonly Problem[] {
  const under = (name: string | number) => (path === "" ? `${name}` : `${path}.${name}`);
  if (Array.isArray(value))
    return value.flatMap((each, i) => (schema.items ? refusals(schema.items, each, undefined, under(i)) : []));
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([name, each]) => {
    const property = each === undefined ? undefined : (schema.properties?.[name] ?? schema.additionalProperties);
    return property ? refusals(property, each, isObject(old) ? old[name] : undefined, under(name)) : [];
  });
}

function refusal(
  validation: Validation,
  variables: Readonly<Record<string, unknown>>,
  path: string,
): readonly Problem[] {
  const { rule, message, messageExpression, fieldPath = "" } = validation;
  if (evaluate(rule, variables) === true) return [];
  const said = messageExpression === undefined ? message : evaluate(messageExpression, variables);
  return [{ field: `${path}${fieldPath}`.replace(/^\./, ""), message: String(said) }];
}

/** Whole numbers are `int`, as the API server has them. */
function celValue(value: unknown): unknown {
  if (typeof value === "number") return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(celValue);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== undefined)
      .map(([name, each]) => [name, celValue(each)]),
  );
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
