import { describe, expect, test } from "vitest";
import { kinds } from "./crd/definitions.ts";
import { checkCheckpointChange, checkSwarmCheckpoint } from "./swarm-checkpoint.ts";
import { refusals, withDefaults } from "./testing/admission.ts";
import { type Edits, edited } from "./testing/invalid-specs.ts";

const schema = kinds[1]!.schema;
const daily = {
  apiVersion: "validatorswarm.io/v1alpha1",
  kind: "SwarmCheckpoint",
  metadata: { name: "daily-1" },
  spec: { swarm: "quickstart" },
};

function specOf(edits: Edits) {
  const result = checkSwarmCheckpoint(edited(daily, edits));
  if (result.kind !== "ok") throw new Error(JSON.stringify(result.problems));
  return result.checkpoint.spec;
}

test("a name of a swarm is enough", () => {
  expect(specOf({})).toEqual({ swarm: "quickstart", verifyByRestore: true, deletionPolicy: "Retain" });
});

describe("refused, by both sides with the same words", () => {
  test.each<[string, Edits, string]>([
    [
      "spec.destination",
      { "spec.destination": {} },
      "Set exactly one of pvc and s3, or remove destination to use the swarm's.",
    ],
    [
      "spec.destination.s3",
      { "spec.destination.s3": { bucket: "checkpoints", credentialsSecret: "bucket" } },
      "Where the store is, nobody can tell. Set region, or endpoint for a store other than AWS.",
    ],
    [
      "spec.swarm",
      { "spec.swarm": "Quick Start" },
      "Must be lower-case letters, digits and dashes, start with a letter, and be at most 40 characters.",
    ],
  ])("%s", (field, edits, message) => {
    const object = edited(daily, edits);
    expect(checkSwarmCheckpoint(object)).toEqual({ kind: "invalid", problems: [{ field, message }] });
    expect(refusals(schema, withDefaults(schema, object), undefined)).toEqual([{ field, message }]);
  });

  test.each<[string, Edits, boolean]>([
    ["spec.swarm", { "spec.swarm": "other" }, true],
    ["spec.height", { "spec.height": 2_000 }, true],
    ["spec.destination", { "spec.destination.pvc": { size: "1Gi" } }, true],
    ["spec.verifyByRestore", { "spec.verifyByRestore": false }, false],
    ["spec.deletionPolicy", { "spec.deletionPolicy": "Delete" }, false],
  ])("%s later: %j", (field, edits, refused) => {
    const message =
      "This cannot change: the checkpoint is of one moment and in one place. Create another SwarmCheckpoint.";
    const expected = refused ? [{ field, message }] : [];
    expect(checkCheckpointChange(specOf(edits), specOf({}))).toEqual(expected);
    expect(refusals(schema, withDefaults(schema, edited(daily, edits)), withDefaults(schema, daily))).toEqual(expected);
  });
});
