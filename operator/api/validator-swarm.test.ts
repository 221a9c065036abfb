import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { faultBudget, parseValidatorSwarm } from "./validator-swarm.ts";

const quickstart = readFileSync(join(import.meta.dirname, "../../manifests/quickstart.yaml"), "utf8");

/** The quickstart with one place changed (`undefined` removes it), and what is said about it. */
function problemsWith(path: string, value: unknown): readonly string[] {
  const document = parse(quickstart);
  const keys = path.split(".");
  const last = keys.pop()!;
  const holder = keys.reduce((node, key) => node[key], document);
  if (value === undefined) delete holder[last];
  else holder[last] = value;
  const result = parseValidatorSwarm(stringify(document));
  return result.kind === "ok" ? [] : result.problems.map(({ field, message }) => `${field}: ${message}`);
}

test("the quickstart's manifest is valid, and any one of its regions may be lost", () => {
  const result = parseValidatorSwarm(quickstart);
  if (result.kind !== "ok") throw new Error(JSON.stringify(result.problems));
  const { spec } = result.swarm;
  expect(spec.regions.map(({ name }) => name)).toEqual(["eu-west", "us-east", "ap-south", "eu-north"]);
  expect(Object.keys(spec.consensus.coverage.requiredRegions ?? {})).toHaveLength(4);
  expect(faultBudget(48, "Byzantine")).toEqual({ F: 15, Q: 33 });
});

describe("a mistake is named with its field and its fix", () => {
  test.each<[string, unknown, string]>([
    ["kind", "Swarm", "kind: Must be ValidatorSwarm."],
    ["apiVersion", "v1", "apiVersion: Must be validatorswarm.io/v1alpha1."],
    [
      "metadata.name",
      "Quick Start",
      ": metadata.name must be lower-case letters, digits and dashes, start with a letter, and be at most 40 characters.",
    ],
    ["spec", undefined, "spec: Missing. Add a map of fields."],
    ["spec", null, "spec: Missing. Add a map of fields."],
    ["spec.regions.0", null, "spec.regions.0: Must be a map of fields."],
  ])("%s = %j", (path, value, expected) => {
    expect(problemsWith(path, value)).toContain(expected);
  });

  test("text that is not YAML", () => {
    expect(parseValidatorSwarm("a: [1,\nb: }")).toMatchObject({
      kind: "invalid",
      problems: [
        {
          field: "",
          message: expect.stringMatching(/^The manifest is not valid YAML \(line \d+\): .+ Correct it there\.$/),
        },
      ],
    });
  });

  test("a bomb of aliases, and a document of another shape", () => {
    const bomb = `a: &a [x]\n${"bcdefghijk"
      .split("")
      .map((k, i) => `${k}: &${k} [${"*".concat("abcdefghijk"[i]!, ",").repeat(9)}]`)
      .join("\n")}`;
    expect(parseValidatorSwarm(bomb).kind).toBe("invalid");
    expect(parseValidatorSwarm("- 1\n- 2").kind).toBe("invalid");
    expect(parseValidatorSwarm("").kind).toBe("invalid");
  });
});
