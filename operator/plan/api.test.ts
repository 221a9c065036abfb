/** The API's types and the planner's say the same thing. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { judge } from "../analysis/judge.ts";
import type { ValidatorSwarmSpec } from "../api/spec/spec.ts";
import { status as statusSchema } from "../api/status.ts";
import { parseValidatorSwarm } from "../api/validator-swarm.ts";
import { desiredOf, memoryOf, toStatus } from "./api.ts";
import type { CanaryStatus } from "./canary.ts";
import { observe } from "./exploration/observe.ts";
import { planFor } from "./exploration/operator.ts";
import { emptyWorld, now, type Scene } from "./exploration/world.ts";
import { solve } from "./placement.ts";

const parsed = parseValidatorSwarm(readFileSync(join(import.meta.dirname, "../../manifests/quickstart.yaml"), "utf8"));
if (parsed.kind !== "ok") throw new Error(JSON.stringify(parsed.problems));
const { spec } = parsed.swarm;
const desired = desiredOf("quickstart", spec);
const scene: Scene = { name: "quickstart", specs: [desired], nodes: 1, deletes: false, namespaced: false };

const revision = (change: Partial<ValidatorSwarmSpec>) => desiredOf("quickstart", { ...spec, ...change }).podRevision;

describe("the quickstart", () => {
  test("is a layout of four seats that survives the loss of any region", () => {
    const layout = solve(desired, undefined);
    if (layout.kind === "refused") throw new Error(layout.message);
    expect(layout.seats.map(({ id }) => id)).toEqual([
      "quickstart-eu-west-0",
      "quickstart-us-east-0",
      "quickstart-ap-south-0",
      "quickstart-eu-north-0",
    ]);
    expect(layout.message).toBe("4 seats in 4 regions, F = 15; any one region may be lost, the heaviest holds 12.");
  });
});

describe("a pod is replaced", () => {
  test.each([
    ["another image", { image: "bundle-2" }],
    ["a local parameter", { consensus: { ...spec.consensus, minTimeout: spec.consensus.minTimeout + 1 } }],
    ["resources", { resources: { requests: { cpu: "2" }, limits: {} } }],
  ] as const)("for %s", (_, change) => {
    expect(revision(change)).not.toBe(desired.podRevision);
  });

  test.each([
    ["a governed parameter", { consensus: { ...spec.consensus, epochBlocks: spec.consensus.epochBlocks + 1 } }],
    ["replicas", { replicas: 7 }],
    ["gateways", { gateway: { ...spec.gateway, replicas: 0 } }],
    ["a pause", { paused: true }],
    ["a pod selector", { regions: spec.regions.map((region) => ({ ...region, nodeSelector: { disk: "ssd" } })) }],
  ] as const)("not for %s", (_, change) => {
    expect(revision(change as Partial<ValidatorSwarmSpec>)).toBe(desired.podRevision);
  });
});

test("the status fits the API's schema, and the memory in it is read back as it was written", () => {
  const world = emptyWorld({ ...scene, nodes: 0 });
  const { status } = planFor(world, { ...scene, nodes: 0 });
  const memory = {
    ...status.memory,
    lost: [{ identity: "quickstart-eu-west-0-g1", since: now, why: "node-unreachable" as const }],
    refused: { id: "0 set-members x", epoch: 0, identities: [], reason: "no", at: now, generation: 1 },
    canary: {
      trial: "one",
      terms: "ten minutes",
      seats: ["quickstart-eu-west-0"],
      chosenAt: now,
      since: now,
      counted: now + 1,
      tallies: [
        {
          metric: "FinalityLatency" as const,
          moments: { count: 3, mean: -0.1 / 3, squares: 1e-17 },
          changed: { samples: 9, figure: 0.1 + 0.2 },
          others: { samples: 27, figure: 1 / 3 },
        },
      ],
      outcome: { kind: "Abort" as const, message: "It was worse.", at: now },
    },
  };
  const verdict = judge([{ metric: "FinalityLatency", maxIncreasePercent: 10, minSamples: 30 }], memory.canary.tallies);
  const canary: CanaryStatus = {
    stage: "Aborted",
    seats: memory.canary.seats,
    revision: "r",
    since: now,
    until: now,
    verdict,
    message: "x".repeat(5_000),
    waitingFor: "",
  };
  const written = toStatus({ ...status, memory, canary }, observe(world, scene), "swarm=quickstart");
  const read = statusSchema.parse(JSON.parse(JSON.stringify(written)));
  expect(memoryOf(read)).toEqual(memory);
  expect(read.canary).toMatchObject({ stage: "Aborted", analysis: [{ metric: "FinalityLatency", windows: 3 }] });
  expect(read.conditions).toHaveLength(7);
});

test("parameters the chain governs are those of the table, and every region is required unless the spec says less", () => {
  expect(Object.keys(desired.parameters)).toContain("epochBlocks");
  expect(Object.keys(desired.parameters)).not.toContain("timeoutPolicy");
  expect(desired.requiredRegions).toEqual(
    spec.consensus.coverage.requiredRegions ?? Object.fromEntries(spec.regions.map(({ name }) => [name, 1])),
  );
});
