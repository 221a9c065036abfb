/** Which spec a pod of a revision is made from, and which trial is another trial. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { edited } from "../api/testing/invalid-specs.ts";
import { parseValidatorSwarm, type ValidatorSwarmSpec } from "../api/validator-swarm.ts";
import { canaryOf, revisionOf, specOfRevision } from "./revision.ts";

const text = readFileSync(join(import.meta.dirname, "../../manifests/quickstart.yaml"), "utf8");
const trial =
  "  canary: { seats: 1, durationSeconds: 60, overrides: { image: bundle-2, timeoutPolicy: learned, minTimeout: 50 } }\n";
const parsed = parseValidatorSwarm(text.replace("spec:\n", `spec:\n${trial}`));
if (parsed.kind !== "ok") throw new Error(JSON.stringify(parsed.problems));
const { spec } = parsed.swarm;
const canary = canaryOf(spec);
if (!canary) throw new Error("it has a canary");
const changed = (change: Readonly<Record<string, unknown>>) => edited(spec, change) as ValidatorSwarmSpec;

describe("a pod is made from", () => {
  test("the spec with overrides, closer logs and traces, while they are tried", () => {
    const { image, consensus, monitoring } = specOfRevision(spec, canary.revision);
    expect([image, consensus.timeoutPolicy, consensus.minTimeout]).toEqual(["bundle-2", "learned", 50]);
    expect([monitoring.logLevel, monitoring.tracing.samplePercent]).toEqual(["debug", 100]);
  });

  test("the overrides alone once they are promoted", () => {
    const { image, consensus, monitoring } = specOfRevision(spec, canary.promotedRevision);
    expect([image, consensus.timeoutPolicy, consensus.minTimeout]).toEqual(["bundle-2", "learned", 50]);
    expect(monitoring).toEqual(spec.monitoring);
  });

  test("the spec as it stands otherwise, also for a revision that nobody knows", () => {
    expect(specOfRevision(spec, revisionOf(spec))).toBe(spec);
    expect(specOfRevision(spec, "of another time")).toBe(spec);
  });
});

test("what was promoted is the revision of a spec that says so", () => {
  const written = changed({ image: "bundle-2", "consensus.timeoutPolicy": "learned", "consensus.minTimeout": 50 });
  expect(revisionOf(written)).toBe(canary.promotedRevision);
  expect(canaryOf(written)?.promotedRevision).toBe(canary.promotedRevision);
});

test("three revisions, and a look at one pod tells which", () => {
  expect(new Set([revisionOf(spec), canary.revision, canary.promotedRevision]).size).toBe(3);
});

describe("another trial", () => {
  test.each<[string, Readonly<Record<string, unknown>>]>([
    ["other overrides", { "canary.overrides.minTimeout": 60 }],
    ["other seats", { "canary.seats": 2 }],
    ["another revision under it", { resources: { requests: { cpu: "2" }, limits: {} } }],
  ])("%s", (_, change) => {
    expect(canaryOf(changed(change))?.trial).not.toBe(canary.trial);
  });

  test.each<[string, Readonly<Record<string, unknown>>]>([
    ["another description", { "canary.description": "Words." }],
    ["more seats elsewhere", { replicas: 7 }],
    ["a pause", { paused: true }],
  ])("not %s", (_, change) => {
    expect(canaryOf(changed(change))).toEqual(canary);
  });

  test.each<[string, Readonly<Record<string, unknown>>]>([
    ["another duration", { "canary.durationSeconds": 61 }],
    ["another analysis", { "canary.analysis": [{ metric: "ExecutionLag", maxIncreasePercent: 10, minSamples: 300 }] }],
  ])("but other terms: %s", (_, change) => {
    const { trial, terms, revision } = canaryOf(changed(change)) ?? {};
    expect([trial, revision]).toEqual([canary.trial, canary.revision]);
    expect(terms).not.toBe(canary.terms);
  });
});
