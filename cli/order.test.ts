import { afterEach, beforeEach, expect, test } from "vitest";
import { shapes } from "./shapes.ts";
import { type Cluster, createCluster, documented, swarmResource } from "./testing/cluster.ts";
import { healthyStatus, quickstart } from "./testing/quickstart.ts";

let cluster: Cluster;
beforeEach(async () => {
  cluster = await createCluster();
  cluster.put(swarmResource, "quickstart", { ...quickstart(), kind: "ValidatorSwarm", status: healthyStatus() });
});
afterEach(() => cluster[Symbol.asyncDispose]());

const annotations = () => cluster.get(swarmResource, "quickstart")?.["metadata"];
const rolling = (stage: string) =>
  cluster.put(swarmResource, "quickstart", { status: healthyStatus({ rollout: { stage, revision: "0123abcd" } }) });

test("a seat is replaced by its identity's name, beside those that wait already", async () => {
  const ended = await cluster.run(["replace", "quickstart-eu-west-0"]);
  expect(ended).toEqual({
    code: 0,
    out: "validatorswarm/quickstart: quickstart-eu-west-0-g1 is replaced by a new identity\n",
    err: "",
  });
  const { out } = await cluster.run(["replace", "quickstart-us-east-0", "--output", "json"]);
  expect(documented(shapes.replace, out)).toMatchObject({ order: "replace", subject: "quickstart-us-east-0-g1" });
  expect(annotations()).toMatchObject({
    annotations: { "validatorswarm.io/replace": "quickstart-eu-west-0-g1,quickstart-us-east-0-g1" },
  });
});

test("no such seat, no such swarm", async () => {
  expect(await cluster.run(["replace", "quickstart-mars-0"])).toMatchObject({
    code: 3,
    err: "No swarm in namespace default has a seat quickstart-mars-0.\n",
  });
  expect((await cluster.run(["hibernate", "none"])).code).toBe(3);
});

test("a swarm sleeps and wakes", async () => {
  for (const [word, asleep] of [
    ["hibernate", true],
    ["wake", false],
  ] as const) {
    expect((await cluster.run([word, "quickstart"])).code).toBe(0);
    expect(cluster.get(swarmResource, "quickstart")?.["spec"]).toMatchObject({ hibernate: asleep });
  }
});

test("a word about a rollout names the revision it is about", async () => {
  expect(await cluster.run(["promote", "quickstart"])).toMatchObject({
    code: 4,
    err: "Nothing is rolled out by a green fleet in swarm quickstart.\n",
  });
  rolling("AwaitingPromotion");
  for (const word of ["promote", "pause", "resume", "rollback"]) {
    const { code, out } = await cluster.run([word, "quickstart"]);
    expect([code, out]).toEqual([0, expect.stringMatching(/^validatorswarm\/quickstart: revision 0123abcd /)]);
    expect(annotations()).toMatchObject({ annotations: { "validatorswarm.io/rollout": `${word} 0123abcd` } });
  }
  rolling("Idle");
  expect((await cluster.run(["rollback", "quickstart"])).code).toBe(4);
});
