import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { classifyChange, parameterClasses, rowOf } from "./changes.ts";
import { kinds } from "./crd/definitions.ts";
import { fieldsOf } from "./crd/reference.ts";
import { changeRules } from "./rules/swarm-rules.ts";
import { member } from "./testing/invalid-shapes.ts";
import { type Edits, edited } from "./testing/invalid-specs.ts";
import { checkValidatorSwarm, type ValidatorSwarmSpec } from "./validator-swarm.ts";

const quickstart: unknown = parse(readFileSync(join(import.meta.dirname, "../../manifests/quickstart.yaml"), "utf8"));
const spec = kinds[0]!.schema.properties!["spec"]!;
const fields = fieldsOf(spec);

function specWith(edits: Edits): ValidatorSwarmSpec {
  const result = checkValidatorSwarm(edited(quickstart, { "spec.placement.surviveRegionLoss": false, ...edits }));
  if (result.kind !== "ok") throw new Error(JSON.stringify(result.problems));
  return result.swarm.spec;
}
const changed = (edits: Edits, before: Edits = {}) =>
  classifyChange(specWith(before), specWith(edits)).map((change) => `${change.field}: ${change.class}`);

describe("the table", () => {
  test("has a class for every field", () => {
    const leaves = fields.filter(
      ({ path }) => !fields.some((other) => other.path.startsWith(`${path}.`) || other.path.startsWith(`${path}[].`)),
    );
    expect(leaves.length).toBeGreaterThan(100);
    expect(leaves.filter(({ path }) => rowOf(path) === undefined).map(({ path }) => path)).toEqual([]);
  });

  test("names only fields that exist, each once", () => {
    const paths = fields.map(({ path }) => path);
    expect(parameterClasses.filter(({ field }) => !paths.includes(field))).toEqual([]);
    expect(new Set(parameterClasses.map(({ field }) => field)).size).toBe(parameterClasses.length);
  });

  test("calls immutable exactly what admission refuses to change", () => {
    const refused = changeRules.filter(({ sentence }) => sentence.startsWith("This cannot change"));
    expect(parameterClasses.filter((row) => row.class === "immutable").map(({ field }) => field)).toEqual(
      expect.arrayContaining(refused.map(({ field }) => field)),
    );
    expect(parameterClasses.filter((row) => row.class === "immutable")).toHaveLength(refused.length);
  });
});

describe("a change", () => {
  test("of nothing is none", () => {
    expect(changed({})).toEqual([]);
  });

  test("names each field once, in the table's order", () => {
    expect(
      changed({
        "spec.paused": true,
        "spec.image": "validator:2",
        "spec.replicas": 8,
        "spec.regions.0.weight": 24,
        "spec.consensus.maxBlockBatches": 8,
        "spec.consensus.minTimeout": 200,
      }),
    ).toEqual([
      "image: rolling",
      "replicas: chain-governed",
      "regions[].weight: chain-governed",
      "consensus.minTimeout: rolling",
      "consensus.maxBlockBatches: chain-governed",
      "paused: live",
    ]);
  });

  test("that adds or removes a member or an optional group is one of its fields", () => {
    const members = { "spec.members": [member], "spec.exposure.type": "LoadBalancer" };
    expect(changed(members)).toEqual(["members[].id: chain-governed", "exposure.type: live"]);
    const canary = { "spec.canary": { seats: 1 } };
    expect(changed(canary)).toEqual([
      "canary.seats: rolling",
      "canary.overrides: rolling",
      "canary.durationSeconds: live",
      "canary.analysis: live",
      "canary.description: live",
    ]);
    expect(changed({}, canary)).toEqual(changed(canary));
    expect(changed({ "spec.consensus.coverage.requiredRegions": undefined })).toEqual([
      "consensus.coverage.requiredRegions: chain-governed",
    ]);
  });

  test("of a seat's keys stays on the chain, of its address does not", () => {
    const with_ = (other: object) => ({
      "spec.members": [{ ...member, ...other }],
      "spec.exposure.type": "LoadBalancer",
    });
    expect(changed(with_({ blsKey: "d4".repeat(48) }), with_({}))).toEqual(["members[].blsKey: chain-governed"]);
    expect(changed(with_({ addresses: ["/dns4/other.example.org/tcp/7100"] }), with_({}))).toEqual([
      "members[].addresses: rolling",
    ]);
  });
});
