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
  expect(faultBudget(4, "Byzantine")).toEqual({ F: 1, Q: 3 });
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
    ["spec.replicas", undefined, "spec.replicas: Missing. Add a number."],
    ["spec.replicas", "four", "spec.replicas: Must be a number."],
    [
      "spec.replicas",
      3,
      "spec.replicas: 3 seats cannot fill 4 regions. Set replicas to at least 4, or remove regions.",
    ],
    ["spec.replicas", 5, "spec.regions: Weight 1 cannot be split among the 2 seats of eu-west. Set it to at least 2."],
    ["spec.faultModel", "Paxos", "spec.faultModel: Must be Byzantine or Crash."],
    ["spec.colour", "blue", "spec.colour: Unknown field. Remove it or correct its spelling."],
    ["spec.regions.1.name", "eu-west", 'spec.regions: "eu-west" is listed twice. Remove one of the two.'],
    [
      "spec.regions.0.weight",
      3,
      "spec.placement.surviveRegionLoss: eu-west holds 3, more than F = 1: losing it would stop the swarm. Use at least 4 regions of equal weight, lower its weight, or set surviveRegionLoss to false.",
    ],
    ["spec.consensus.timeoutPolicy", "never", "spec.consensus.timeoutPolicy: Must be ema or jacobson or learned."],
    ["spec.consensus.checkpointInterval", 1, "spec.consensus.checkpointInterval: Too small: at least 2."],
    [
      "spec.consensus.coverage.requiredRegions.moon",
      1,
      'spec.consensus.coverage.requiredRegions: No region is named moon. Use one of ["eu-west", "us-east", "ap-south", "eu-north"].',
    ],
    [
      "spec.consensus.coverage.requiredRegions.eu-west",
      2,
      "spec.consensus.coverage.requiredRegions: eu-west holds 1, less than the 2 asked for. Lower it.",
    ],
    [
      "spec.genesis.institutions.0.bic",
      "BANK",
      "spec.genesis.institutions.0.bic: Must be a BIC of 11 characters, such as QSWADEFFXXX.",
    ],
    [
      "spec.genesis.accounts.0.institution",
      "NOSUDEFFXXX",
      "spec.genesis.accounts.0.institution: No institution has the BIC NOSUDEFFXXX. Add it under spec.genesis.institutions, or correct it.",
    ],
    [
      "spec.genesis.accounts.1.currency",
      "EUR",
      'spec.genesis.accounts: "QSWADEFFXXX EUR" is listed twice. Remove one of the two.',
    ],
    ["spec.genesis.accounts.0.balance", 1.5, "spec.genesis.accounts.0.balance: Must be text."],
    [
      "spec.genesis.accounts.0.balance",
      "1.23456",
      'spec.genesis.accounts.0.balance: Must be a quoted amount in the currency\'s major unit, such as "25000000.00".',
    ],
    [
      "spec.genesis.governance.threshold",
      2,
      "spec.genesis.governance.threshold: 2 signatures of 0 keys can never be had. Lower it or add keys.",
    ],
    ["spec.gateway.port", 80, "spec.gateway.port: Too small: at least 1024."],
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
