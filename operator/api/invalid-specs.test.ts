/** Both sides of every rule: what is said offline, and what the CEL in the CRD says. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { kinds } from "./crd/definitions.ts";
import { refusals, withDefaults } from "./testing/admission.ts";
import { edited, type InvalidSpec, invalidSpecs } from "./testing/invalid-specs.ts";
import { checkChange, checkValidatorSwarm, type ValidatorSwarmSpec } from "./validator-swarm.ts";

const quickstart: unknown = parse(readFileSync(join(import.meta.dirname, "../../manifests/quickstart.yaml"), "utf8"));
const schema = kinds[0]!.schema;
const admitted = (object: unknown, old?: unknown) =>
  refusals(schema, withDefaults(schema, object), old === undefined ? undefined : withDefaults(schema, old));

function specOf(object: unknown): ValidatorSwarmSpec {
  const result = checkValidatorSwarm(object);
  if (result.kind !== "ok") throw new Error(JSON.stringify(result.problems));
  return result.swarm.spec;
}

function offline({ set, before }: InvalidSpec) {
  const object = edited(quickstart, set);
  if (before !== undefined) return checkChange(specOf(object), specOf(edited(quickstart, before)));
  const result = checkValidatorSwarm(object);
  return result.kind === "ok" ? [] : result.problems;
}

describe("each of the invalid specs gets one sentence of its own", () => {
  test.each(invalidSpecs.map((each) => [each.name, each] as const))("%s", (_, each) => {
    expect(offline(each)).toEqual([{ field: each.field, message: each.message }]);
  });

  test("there are enough of them, and their names differ", () => {
    expect(invalidSpecs.length).toBeGreaterThanOrEqual(40);
    expect(new Set(invalidSpecs.map(({ name }) => name)).size).toBe(invalidSpecs.length);
    expect(new Set(invalidSpecs.map(({ message }) => message)).size).toBeGreaterThanOrEqual(40);
  });
});

describe("the CEL of the CRD says the same", () => {
  const byRule = invalidSpecs.filter(({ layer, server }) => layer === "schema" && server === undefined);
  test.each(byRule.map((each) => [each.name, each] as const))("%s", (_, { set, before, field, message }) => {
    const old = before === undefined ? undefined : edited(quickstart, before);
    expect(admitted(edited(quickstart, set), old)).toEqual([{ field, message }]);
  });

  test.each(invalidSpecs.filter(({ layer }) => layer === "planner").map((each) => [each.name, each] as const))(
    "%s is admitted",
    (_, { set }) => {
      expect(admitted(edited(quickstart, set))).toEqual([]);
    },
  );

  test("the quickstart is admitted, again and unchanged", () => {
    expect(admitted(quickstart, quickstart)).toEqual([]);
  });

  test("defaults of the CRD are those of the types", () => {
    expect(withDefaults(schema, quickstart)).toEqual({
      ...(quickstart as Record<string, unknown>),
      spec: specOf(quickstart),
    });
  });

  test("every rule is broken by one of them", () => {
    const spec = schema.properties?.["spec"];
    const messages = [...(schema["x-kubernetes-validations"] ?? []), ...(spec?.["x-kubernetes-validations"] ?? [])];
    const withoutCase = messages.filter(({ rule }) => !byRule.some((each) => breaks(rule, each)));
    expect(withoutCase.map(({ message }) => message)).toEqual([]);
  });

  function breaks(rule: string, { set, before }: InvalidSpec): boolean {
    const spec = schema.properties?.["spec"] ?? {};
    const only = ({ "x-kubernetes-validations": rules = [], ...rest }: typeof schema) => ({
      ...rest,
      "x-kubernetes-validations": rules.filter((each) => each.rule === rule),
    });
    const alone = { ...only(schema), properties: { spec: { ...only(spec), properties: {} } } };
    const object = withDefaults(schema, edited(quickstart, set));
    const old = before === undefined ? undefined : withDefaults(schema, edited(quickstart, before));
    return refusals(alone, object, old).length > 0;
  }
});
