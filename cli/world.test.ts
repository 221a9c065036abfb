/** Which API server is asked. */
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { type Cluster, createCluster, swarmResource } from "./testing/cluster.ts";
import { mainFile } from "./testing/run.ts";

interface Config {
  readonly users: readonly { readonly name: string }[];
  readonly clusters: readonly { readonly name: string }[];
}

/** The user's cluster, and a swarm of this machine. */
let theirs: Cluster;
let ours: Cluster;
let users: string;
let machines: string;
beforeEach(async () => {
  theirs = await createCluster();
  ours = await createCluster();
  theirs.put(swarmResource, "theirs", { spec: {} });
  ours.put(swarmResource, "ours", { spec: {} });
  users = join(theirs.home.path, ".kube", "config");
  machines = join(theirs.home.path, ".swarm", "kubeconfig");
  mkdirSync(join(theirs.home.path, ".swarm"));
});
afterEach(async () => {
  await theirs[Symbol.asyncDispose]();
  await ours[Symbol.asyncDispose]();
});

const copyOurs = () => writeFileSync(machines, readFileSync(join(ours.home.path, ".kube", "config")));
/** Names of the swarms that are seen. */
async function seen(args: readonly string[] = [], options: Parameters<Cluster["run"]>[1] = {}): Promise<string[]> {
  const { out, err } = await theirs.run(["status", "--output", "json", ...args], options);
  expect(err).toBe("");
  const { swarms } = JSON.parse(out) as { swarms: { name: string }[] };
  return swarms.map(({ name }) => name);
}

test("the user's, a swarm of this machine before it, KUBECONFIG before that, --kubeconfig before all", async () => {
  expect(await seen()).toEqual(["theirs"]);
  copyOurs();
  expect(await seen()).toEqual(["ours"]);
  expect(await seen([], { env: { KUBECONFIG: users } })).toEqual(["theirs"]);
  expect(await seen(["--kubeconfig", machines], { env: { KUBECONFIG: users } })).toEqual(["ours"]);
});

test.each<[string, (config: Config) => unknown]>([
  [
    "runs a program",
    ({ users: [user], ...rest }) => ({
      ...rest,
      users: [
        {
          name: user?.name,
          user: { exec: { apiVersion: "client.authentication.k8s.io/v1", command: "touch", args: ["run"] } },
        },
      ],
    }),
  ],
  [
    "leads elsewhere",
    ({ clusters: [cluster], ...rest }) => ({
      ...rest,
      clusters: [{ name: cluster?.name, cluster: { server: "http://192.0.2.1" } }],
    }),
  ],
])("a file that merely lies there and %s is not used", async (_, changed) => {
  writeFileSync(machines, stringify(changed(parse(readFileSync(users, "utf8")))));
  const { code, err } = await theirs.run(["status"]);
  expect([code, err]).toEqual([2, expect.stringContaining("is none that a swarm of this machine leaves")]);
  expect(existsSync(join(theirs.home.path, "run"))).toBe(false);
});

test("run by kubectl: kubectl's, and it calls itself so", async () => {
  copyOurs();
  const plugin = join(theirs.home.path, "kubectl-swarm");
  symlinkSync(mainFile, plugin);
  expect(await seen([], { file: plugin })).toEqual(["theirs"]);
  expect(await seen(["--kubeconfig", machines], { file: plugin })).toEqual(["ours"]);
  const { out } = await theirs.run(["scale", "--help"], { file: plugin });
  expect(out).toMatch(/^Usage: kubectl swarm scale \[options\] <name>\n/);
});

test("contexts and namespaces", async () => {
  theirs.put(swarmResource, "abroad", { spec: {} }, "abroad");
  const config = parse(readFileSync(users, "utf8")) as { contexts: { name: string; context: object }[] };
  const [first] = config.contexts;
  const second = { name: "second", context: { ...first?.context, namespace: "abroad" } };
  writeFileSync(users, stringify({ ...config, contexts: [first, second] }));
  expect(await seen()).toEqual(["theirs"]);
  expect(await seen(["--context", "second"])).toEqual(["abroad"]);
  expect(await seen(["--context", "second", "-n", "default"])).toEqual(["theirs"]);
  const unknown = await theirs.run(["status", "--context", "third"]);
  expect(unknown).toMatchObject({ code: 2, err: `${users} has no context third. It has: ${first?.name}, second.\n` });
});

test("a swarm of this machine that has ended is named", async () => {
  copyOurs();
  await ours.server.close();
  const { code, err } = await theirs.run(["status"]);
  expect(code).toBe(6);
  expect(err).toContain(`(${machines}) does not answer: `);
  expect(err).toContain("Is npm start running? Another server is chosen with --kubeconfig FILE.");
});

test("none, or one that cannot be read", async () => {
  rmSync(users);
  const none = await theirs.run(["status"]);
  expect([none.code, none.err]).toEqual([
    6,
    "There is no swarm on this machine and no kubeconfig. Start one with npm start, or name a cluster with --kubeconfig FILE.\n",
  ]);
  expect(await theirs.run(["status", "--kubeconfig", "none"])).toMatchObject({
    code: 2,
    err: expect.stringMatching(/^none cannot be read: /),
  });
  writeFileSync(users, "clusters: []\n");
  expect(await theirs.run(["status"])).toMatchObject({
    code: 2,
    err: expect.stringMatching(/ names no current cluster/),
  });
  writeFileSync(users, "a: [");
  expect(await theirs.run(["status"])).toMatchObject({ code: 2, err: expect.stringMatching(/ cannot be read: /) });
});

test("a bearer token goes to its server", async () => {
  const config = parse(readFileSync(users, "utf8")) as { users: { name: string }[] };
  writeFileSync(
    users,
    stringify({ ...config, users: [{ name: config.users[0]?.name, user: { token: "secret-token" } }] }),
  );
  expect(await seen()).toEqual(["theirs"]);
  expect(new Set(theirs.server.requests.map(({ authorization }) => authorization))).toEqual(
    new Set(["Bearer secret-token"]),
  );
});
