import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { edited, invalidSpecs } from "../operator/api/testing/invalid-specs.ts";
import { statusReply } from "../operator/kube/testing/object-base.ts";
import { shapes } from "./shapes.ts";
import { type Cluster, createCluster, documented, swarmResource } from "./testing/cluster.ts";
import { quickstart, quickstartFile, roomy } from "./testing/quickstart.ts";

let cluster: Cluster;
beforeEach(async () => {
  cluster = await createCluster();
});
afterEach(() => cluster[Symbol.asyncDispose]());

const apply = (input: unknown, ...more: string[]) =>
  cluster.run(["apply", "-f", "-", ...more], { input: typeof input === "string" ? input : stringify(input) });
const spec = () => cluster.get(swarmResource, "quickstart")?.["spec"];
const writes = () => cluster.server.requests.filter(({ verb }) => verb === "patch");

test("created, then unchanged, then configured with what each change takes", async () => {
  expect(await cluster.run(["apply", "-f", quickstartFile])).toEqual({
    code: 0,
    out: "validatorswarm/quickstart created\n",
    err: "",
  });
  expect(writes()[0]?.query.get("fieldManager")).toBe("swarm");
  expect((await apply(quickstart())).out).toBe("validatorswarm/quickstart unchanged\n");
  const changed = edited(quickstart(), { "spec.consensus.checkpointInterval": 300, "spec.paused": true });
  expect(await apply(changed)).toEqual({
    code: 0,
    out: `validatorswarm/quickstart configured
  consensus.checkpointInterval  chain-governed: It is chain state, equal on all members.
  paused  live: Only the operator reads it, from its next visit on.
`,
    err: "",
  });
  expect(spec()).toMatchObject({ paused: true });
  // What the file does not name any more goes.
  expect((await apply(quickstart())).code).toBe(0);
  expect(spec()).not.toHaveProperty("paused");
});

test("a dry run says what would change and changes nothing", async () => {
  const first = await apply(quickstart(), "--dry-run", "--output", "json");
  expect(first.code).toBe(0);
  expect(documented(shapes.apply, first.out)).toMatchObject({ dryRun: true, results: [{ result: "created" }] });
  expect(spec()).toBeUndefined();
  await apply(quickstart());
  const second = await apply(edited(quickstart(), { "spec.paused": true }), "--dry-run");
  expect(second.out).toMatch(/^validatorswarm\/quickstart configured \(dry run: nothing was changed\)\n {2}paused /);
  expect(spec()).not.toHaveProperty("paused");
});

test("what a server gave out can be applied again", async () => {
  await apply(quickstart());
  const stored = cluster.get(swarmResource, "quickstart");
  expect((await apply({ ...stored, status: { observedGeneration: 7 } })).out).toBe(
    "validatorswarm/quickstart unchanged\n",
  );
  expect(cluster.get(swarmResource, "quickstart")).not.toHaveProperty("status");
});

test("several files, several documents and a checkpoint, in their order", async () => {
  const second = join(cluster.home.path, "second.yaml");
  writeFileSync(second, stringify(edited(quickstart(), { "metadata.name": "second", "metadata.namespace": "other" })));
  const checkpoint = {
    apiVersion: "validatorswarm.io/v1alpha1",
    kind: "SwarmCheckpoint",
    metadata: { name: "now" },
    spec: { swarm: "quickstart" },
  };
  const input = `${readFileSync(quickstartFile, "utf8")}---\n${stringify(checkpoint)}---\n`;
  const { code, out } = await cluster.run(["apply", "-f", "-", second, "--output", "json"], { input });
  expect(code).toBe(0);
  expect(documented(shapes.apply, out).results.map(({ kind, namespace, name }) => [kind, namespace, name])).toEqual([
    ["ValidatorSwarm", "default", "quickstart"],
    ["SwarmCheckpoint", "default", "now"],
    ["ValidatorSwarm", "other", "second"],
  ]);
});

describe("what is not valid", () => {
  const wrong = invalidSpecs.filter(({ before }) => before === undefined);
  test.each([wrong[0], wrong[Math.floor(wrong.length / 2)], wrong.at(-1)])("is named: $name", async (one) => {
    if (!one) throw new Error("no such spec");
    const { code, out } = await apply(edited(quickstart(), one.set), "--output", "json");
    expect(code).toBe(2);
    expect(documented(shapes.apply, out).results[0]).toMatchObject({
      result: "invalid",
      problems: expect.arrayContaining([{ field: one.field, message: one.message }]),
    });
  });

  test("keeps everything from being sent, and shows every problem with its field", async () => {
    const broken = edited(quickstart(), { "spec.replicas": 0, "spec.colour": "red", "metadata.name": "broken" });
    const ended = await apply(`${stringify(quickstart())}---\n${stringify(broken)}`);
    expect(ended).toEqual({
      code: 2,
      out: "",
      err: `validatorswarm/broken invalid  -
  spec.replicas: Too small: at least 1.
  spec.colour: Unknown field. Remove it or correct its spelling.
`,
    });
    expect(cluster.server.requests).toEqual([]);
  });

  test.each<[string, string, string]>([
    ["no YAML", "kind: [", "It is not valid YAML (line 1)"],
    ["nothing", "# later\n", "There is nothing in it."],
    ["another kind", "kind: Pod\nmetadata: { name: x }\n", "kind: Must be ValidatorSwarm or SwarmCheckpoint."],
    ["a list", "- 1\n", "kind: Must be ValidatorSwarm or SwarmCheckpoint."],
    ["a name that is a path", stringify(edited(quickstart(), { "metadata.name": "../pods" })), "metadata.name: "],
    [
      "a namespace that is a path",
      stringify(edited(quickstart(), { "metadata.namespace": ".." })),
      "metadata.namespace: A name has",
    ],
    [
      "aliases without an end",
      `a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: [*c, *c, *c, *c, *c]\n`,
      "Its aliases unfold to too much.",
    ],
  ])("%s", async (_, input, message) => {
    const { code, err } = await apply(input);
    expect(code).toBe(2);
    expect(err).toContain(message);
    expect(cluster.server.requests).toEqual([]);
  });

  test("a file that is not there", async () => {
    const { code, err } = await cluster.run(["apply", "-f", "none.yaml"]);
    expect([code, err]).toEqual([2, "none.yaml invalid  none.yaml\n  It cannot be read.\n"]);
  });

  test("to the server alone: its causes are shown", async () => {
    cluster.server.admission(() =>
      statusReply(422, "Invalid", "refused", {
        causes: [{ reason: "FieldValueInvalid", field: "spec.faultModel", message: "is immutable" }],
      }),
    );
    const { code, out } = await apply(quickstart(), "--output", "json");
    expect(code).toBe(2);
    expect(documented(shapes.apply, out).results[0]).toMatchObject({
      result: "invalid",
      problems: [{ field: "spec.faultModel", message: "is immutable" }],
    });
  });
});

describe("conflicts", () => {
  test("with scaling are explained, and taken over when asked", async () => {
    await apply(roomy());
    expect((await cluster.run(["scale", "quickstart", "--replicas", "8"])).code).toBe(0);
    const refused = await apply(roomy());
    expect(refused).toMatchObject({ code: 4, out: "" });
    expect(refused.err).toBe(`validatorswarm/quickstart conflict  -
  .spec.replicas: managed by swarm/scale
  Somebody else has set these fields to other values. The number of replicas was set by scaling: leave spec.replicas out of the file to keep it. --force-conflicts takes them over.
`);
    expect(spec()).toMatchObject({ replicas: 8 });
    expect((await apply(roomy(), "--force-conflicts")).out).toContain("configured\n  replicas ");
    expect(spec()).toMatchObject({ replicas: 4 });
  });

  test("a swarm that is being deleted", async () => {
    cluster.put(swarmResource, "quickstart", { ...quickstart(), metadata: { finalizers: ["x/y"] } });
    await cluster.run(["delete", "quickstart"]);
    const { code, err } = await apply(quickstart());
    expect(code).toBe(4);
    expect(err).toContain("quickstart is being deleted.");
  });
});

test.each<[string, number, ReturnType<typeof statusReply>, string]>([
  [
    "no such namespace",
    3,
    statusReply(404, "NotFound", 'namespaces "default" not found'),
    "There is no namespace default at http",
  ],
  [
    "types that are not installed",
    3,
    statusReply(404, "NotFound", "the server could not find the requested resource"),
    "Are the types of crds/ installed there?",
  ],
  ["no right to do it", 4, statusReply(403, "Forbidden", "you may not"), "you may not"],
  ["a server in trouble", 6, statusReply(500, "InternalError", "etcd is away"), "says 500: etcd is away."],
])("%s", async (_, code, reply, message) => {
  cluster.server.admission(() => reply);
  const ended = await apply(quickstart());
  expect(ended).toMatchObject({ code, out: "", err: expect.stringContaining(message) });
});

test("an answer that was lost is not called a success", async () => {
  cluster.server.inject("patch", { kind: "lost-answer" });
  const { code, err } = await apply(quickstart());
  expect(code).toBe(6);
  expect(err).toContain("It may have been applied nevertheless: apply it again.");
  expect(parse(stringify(spec()))).toMatchObject({ replicas: 4 });
});
