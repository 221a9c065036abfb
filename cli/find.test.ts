/** Where `submit`, `proof` and `verify-proof` look when the command line does not say. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Cluster, createCluster, mapResource, podResource, swarmResource } from "./testing/cluster.ts";
import { listens, onThisMachine, pod, putQuickstart, regions } from "./testing/quickstart.ts";

/** The discard service: nothing listens there. */
const nowhere = 9;
const uetr = "846d3bc3-b6e3-4a8e-b329-1fce3ad2d4c3";
const told = {
  submit: "Any gateway can be named with --gateway URL.\n",
  proof: "Any validators can be named with --validator URL and --genesis FILE.\n",
  verify: "A document that you trust can be named with --genesis FILE.\n",
};

let cluster: Cluster;
beforeEach(async () => {
  cluster = await createCluster();
  writeFileSync(join(cluster.home.path, "x.xml"), "<a/>");
  writeFileSync(join(cluster.home.path, "x.proof"), "proof");
});
afterEach(() => cluster[Symbol.asyncDispose]());

const submit = (...more: string[]) => cluster.run(["submit", "x.xml", "--as", "QSWADEFFXXX", ...more]);
const proof = (...more: string[]) => cluster.run(["proof", uetr, ...more]);
const verify = (...more: string[]) => cluster.run(["verify-proof", "x.proof", ...more]);

describe("of a swarm of this machine", () => {
  beforeEach(() => onThisMachine(cluster));

  test("its gateway is asked where its pod listens, one that is ready first", async () => {
    putQuickstart(cluster);
    const unready = { status: { conditions: [{ type: "Ready", status: "False" }] } };
    cluster.put(podResource, "quickstart-gateway-0", pod("", 0, unready));
    listens(cluster, "quickstart-gateway-0", { clients: nowhere + 1 });
    listens(cluster, "quickstart-gateway-7f9c-x2x", { clients: nowhere });
    const { code, err } = await submit();
    expect([code, err]).toEqual([
      6,
      expect.stringMatching(/^The gateway at http:\/\/127\.0\.0\.1:9 does not answer \(/),
    ]);
  });

  test("a gateway that has no address, leads elsewhere or leaves is none", async () => {
    putQuickstart(cluster);
    expect(await submit()).toMatchObject({
      code: 3,
      err: expect.stringMatching(/^No gateway of swarm quickstart runs/),
    });
    listens(cluster, "quickstart-gateway-7f9c-x2x", { clients: nowhere }, "192.0.2.1");
    expect(await submit()).toMatchObject({ code: 3, err: expect.stringContaining(told.submit) });
  });

  test("its validators are asked where their pods listen", async () => {
    putQuickstart(cluster);
    expect(await proof()).toMatchObject({ code: 3, err: `No validator of swarm quickstart runs. ${told.proof}` });
    for (const region of regions) listens(cluster, `quickstart-${region}-0-g1`, { rpc: nowhere });
    const { code, err } = await proof();
    expect([code, err]).toEqual([6, "No validator answers. Is the swarm still running?\n"]);
  });

  test("none, one of several, and one by name", async () => {
    expect(await proof()).toMatchObject({
      code: 3,
      err: expect.stringMatching(/^There is no swarm in namespace default of http:/),
    });
    putQuickstart(cluster);
    listens(cluster, "quickstart-eu-west-0-g1", { rpc: nowhere });
    cluster.put(swarmResource, "other", { spec: {} });
    const several = await proof();
    expect(several.code).toBe(3);
    expect(several.err).toContain(": other, quickstart. Choose one with --swarm NAME. ");
    expect((await proof("--swarm", "quickstart")).code).toBe(6);
    expect(await proof("--swarm", "none")).toMatchObject({
      code: 3,
      err: expect.stringMatching(/^There is no swarm none in namespace default/),
    });
  });

  test("what was sent for whom is judged before anything is sent", async () => {
    putQuickstart(cluster);
    listens(cluster, "quickstart-gateway-7f9c-x2x", { clients: nowhere });
    const none = await cluster.run(["submit", "none.xml"]);
    expect([none.code, none.err]).toEqual([2, "none.xml cannot be read.\n"]);
    const nobody = await cluster.run(["submit", "-"], { input: "<a/>" });
    expect([nobody.code, nobody.err]).toEqual([2, "- names no instructing agent. Say who sends it with --as BIC.\n"]);
    expect(await cluster.run(["proof", "E2E-1"])).toMatchObject({
      code: 2,
      err: expect.stringContaining("E2E-1 is no UETR"),
    });
  });

  test("one that has ended is said to have", async () => {
    await cluster.server.close();
    const { code, err } = await submit();
    expect([code, err]).toEqual([6, expect.stringContaining("Is npm start running?")]);
    expect(err).toContain(told.submit);
  });
});

test("in a cluster nothing is asked that is not reached: how it would be is said", async () => {
  putQuickstart(cluster);
  listens(cluster, "quickstart-gateway-7f9c-x2x", { clients: nowhere });
  listens(cluster, "quickstart-eu-west-0-g1", { rpc: nowhere });
  expect(await submit()).toMatchObject({
    code: 3,
    err: expect.stringContaining("kubectl port-forward -n default service/quickstart-gateway"),
  });
  expect(await proof()).toMatchObject({ code: 3, err: expect.stringContaining(told.proof) });
});

test("the genesis document is the one that the API server has, also after the swarm is gone", async () => {
  const { code, err } = await verify("--swarm", "quickstart");
  expect([code, err]).toEqual([
    3,
    expect.stringMatching(/^There is no ConfigMap quickstart-genesis in namespace default/),
  ]);
  expect(err).toContain(told.verify);
  cluster.put(mapResource, "quickstart-genesis", { data: { "genesis.json": "{}" } });
  const damaged = await verify("--swarm", "quickstart");
  expect([damaged.code, damaged.err]).toEqual([2, expect.stringMatching(/^ConfigMap quickstart-genesis: /)]);
  putQuickstart(cluster);
  expect((await verify()).err).toBe(damaged.err);
});
