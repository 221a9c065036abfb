import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { JsonObject } from "../operator/kube/testing/field-ownership.ts";
import { shapes } from "./shapes.ts";
import { type Cluster, createCluster, documented, swarmResource } from "./testing/cluster.ts";
import { condition, healthyStatus, roomy } from "./testing/quickstart.ts";

let cluster: Cluster;
beforeEach(async () => {
  cluster = await createCluster();
  cluster.put(swarmResource, "quickstart", { ...roomy(), kind: "ValidatorSwarm", status: healthyStatus() });
});
afterEach(() => cluster[Symbol.asyncDispose]());

const path = { resource: swarmResource, namespace: "default", name: "quickstart" };
const remove = () => cluster.server.objects.remove(path, {});
const setStatus = (status: JsonObject) => cluster.put(swarmResource, "quickstart", { status });
/** Calls once when the program has asked for another number of seats. */
function onScaled(act: () => void): void {
  const stop = cluster.server.objects.onEntry(({ object }) => {
    const spec = object["spec"];
    if (typeof spec !== "object" || !JSON.stringify(spec).includes('"replicas":7')) return;
    stop();
    setImmediate(act);
  });
}

test("the scale subresource gets the number", async () => {
  const ended = await cluster.run(["scale", "quickstart", "--replicas", "7"]);
  expect(ended).toEqual({ code: 0, out: "validatorswarm/quickstart scaled from 4 to 7 seats\n", err: "" });
  expect(cluster.get(swarmResource, "quickstart")?.["spec"]).toMatchObject({ replicas: 7 });
  expect(cluster.server.requests.find(({ verb }) => verb === "patch")?.path).toMatch(/\/quickstart\/scale$/);
  const again = await cluster.run(["scale", "quickstart", "--replicas", "7", "--output", "json"]);
  expect(documented(shapes.scale, again.out)).toEqual({
    name: "quickstart",
    namespace: "default",
    from: 7,
    to: 7,
    outcome: "asked",
    seconds: 0,
  });
});

test("--wait follows epochs and power until all seats vote", async () => {
  const running = cluster.start(["scale", "quickstart", "--replicas", "7", "--wait"]);
  const seen: string[] = [];
  const growing = (seats: number, epoch: number, available: number) =>
    setStatus({
      observedGeneration: 2,
      replicas: seats,
      epoch,
      power: { total: 48, available, fault: 15, faultBudgetLeft: 15 },
      conditions: [
        condition("Ready", seats === 7 ? "True" : "False", "SeatsMissing", "Not voting yet."),
        condition("Progressing", seats === 7 ? "False" : "True", "ScaleUp", "A seat joins."),
      ],
    });
  for await (const line of running.lines) {
    seen.push(line.replace(/^ *[\d.]+ s {2}/, "").replace(/[\d.]+ s$/, "… s"));
    if (line.includes("scaled from")) growing(5, 4, 36);
    if (line.includes("epoch 4")) growing(7, 6, 48);
  }
  expect((await running.ended).code).toBe(0);
  expect(seen).toEqual([
    "validatorswarm/quickstart scaled from 4 to 7 seats",
    "epoch 4: 5 of 7 seats, 36 of 48 power votes, F = 15; A seat joins",
    "epoch 6: 7 of 7 seats, 48 of 48 power votes, F = 15",
    "ready after … s",
  ]);
});

describe("--wait ends", () => {
  const wait = (...more: string[]) =>
    cluster.run(["scale", "quickstart", "--replicas", "7", "--wait", "--output", "json", ...more]);

  test("when the time is over, with what blocks it", async () => {
    onScaled(() =>
      setStatus({
        observedGeneration: 2,
        conditions: [
          condition("Ready", "False", "SeatsMissing", "Not voting yet."),
          condition("Progressing", "True", "PermitTaken", "Waits for a restart."),
        ],
      }),
    );
    const { code, out, err } = await wait("--timeout", "1");
    expect(code).toBe(5);
    expect(documented(shapes.scale, out)).toMatchObject({ outcome: "timeout" });
    expect(err).toMatch(
      /^Not ready within 1 s: epoch 3: 4 of 7 seats.*; Waits for a restart\. swarm explain quickstart/,
    );
  });

  test("when the swarm is deleted", async () => {
    onScaled(remove);
    const { code, out } = await wait();
    expect([code, documented(shapes.scale, out).outcome]).toEqual([3, "gone"]);
  });

  test("when somebody else asks for another number", async () => {
    onScaled(() => cluster.put(swarmResource, "quickstart", { spec: { replicas: 5 } }));
    const { code, out } = await wait();
    expect([code, documented(shapes.scale, out).outcome]).toEqual([4, "changed"]);
  });
});

describe("nothing is sent", () => {
  const patches = () => cluster.server.requests.filter(({ verb }) => verb === "patch");

  test.each<[string, string, number, string]>([
    ["too few for the regions", "3", 2, "Swarm quickstart cannot have 3 seats:\n  spec.replicas: "],
    ["none", "0", 2, "spec.replicas: Too small"],
    ["no number", "many", 2, "Use a whole number."],
    ["a negative number", "-1", 2, ""],
  ])("%s", async (_, replicas, code, message) => {
    const ended = await cluster.run(["scale", "quickstart", "--replicas", replicas]);
    expect(ended.code).toBe(code);
    expect(ended.err).toContain(message);
    expect(patches()).toEqual([]);
  });

  test("no such swarm", async () => {
    expect((await cluster.run(["scale", "none", "--replicas", "4"])).code).toBe(3);
  });

  test.each(["..", "a/b", "A", "", "x..y"])("a name that could be a path: %j", async (name) => {
    const { code, err } = await cluster.run(["scale", name, "--replicas", "4"]);
    expect(code).toBe(2);
    expect(err).toContain("A name has lower-case letters");
    expect(cluster.server.requests).toEqual([]);
  });
});
