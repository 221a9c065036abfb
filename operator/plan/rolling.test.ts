/** Every field that the parameter table calls rolling is part of the revision of pods. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parameterClasses } from "../api/changes.ts";
import { edited } from "../api/testing/invalid-specs.ts";
import { parseValidatorSwarm, type ValidatorSwarmSpec } from "../api/validator-swarm.ts";
import { desiredOf } from "./api.ts";

const parsed = parseValidatorSwarm(readFileSync(join(import.meta.dirname, "../../manifests/quickstart.yaml"), "utf8"));
if (parsed.kind !== "ok") throw new Error(JSON.stringify(parsed.problems));
const { spec } = parsed.swarm;

const inEveryPod = parameterClasses.filter(
  (row) => row.class === "rolling" && !row.field.includes("[]") && !row.field.startsWith("canary."),
);
test.each(inEveryPod.map(({ field }) => field))("%s: another value is another revision", (field) => {
  const now = edited(spec, { [field]: [{ name: "another value" }] }) as ValidatorSwarmSpec;
  const revision = (of: ValidatorSwarmSpec) => desiredOf("quickstart", of).podRevision;
  expect(revision(now)).not.toBe(revision(spec));
});
