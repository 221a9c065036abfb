import { once } from "node:events";
import { createServer } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { shapes } from "./shapes.ts";
import { type Cluster, createCluster, documented, podResource, swarmResource } from "./testing/cluster.ts";
import {
  condition,
  healthyStatus,
  listens,
  onThisMachine,
  pod,
  putQuickstart,
  regions,
  seat,
} from "./testing/quickstart.ts";

let cluster: Cluster;
beforeEach(async () => {
  cluster = await createCluster();
});
afterEach(() => cluster[Symbol.asyncDispose]());

/** Validators say these heights, by identity; others do not answer. */
function serveMetrics(heights: Readonly<Record<string, number>>, extra = ""): void {
  cluster.server.serveBelow((path, below) => {
    const height = heights[path.name.replace(/:7102$/, "")];
    if (below !== "proxy/metrics" || height === undefined) return undefined;
    return (response) => {
      const states = `consensus_height{state="final",seat="x"} ${height}\nconsensus_height{state="settled",seat="x"} 1\n`;
      response.writeHead(200, { "content-type": "text/plain" }).end(`# HELP x y\n${states}${extra}`);
    };
  });
}

test("a swarm as a tree by region", async () => {
  putQuickstart(
    cluster,
    healthyStatus({
      conditions: [
        condition("Ready", "False", "SeatsMissing", "Not voting yet: quickstart-ap-south-0."),
        condition("Progressing", "True", "IdentityLost", "Its volume is gone."),
        condition("Degraded", "True", "SeatsDown", "quickstart-us-east-0 with 1 power, of F = 1 that may fail."),
      ],
      power: { total: 4, available: 3, fault: 1, faultBudgetLeft: 0 },
      permit: {
        id: "rotate quickstart-us-east-0",
        purpose: "membership",
        seats: ["quickstart-us-east-0"],
        identities: [],
        power: 0,
        takenAt: "2030-01-01T00:00:00Z",
      },
      seats: [
        seat("eu-west"),
        seat("us-east", { voting: "no", replacedAt: "2030-01-01T00:05:00Z" }),
        seat("ap-south", {
          role: "learner",
          voting: "no",
          power: 0,
          identity: "quickstart-ap-south-0-g2",
          generation: 2,
        }),
        seat("eu-north", { voting: "unknown" }),
      ],
    }),
  );
  cluster.put(podResource, "quickstart-ap-south-0-g2", {
    ...pod("quickstart-ap-south-0", 2),
    status: {
      phase: "Pending",
      containerStatuses: [
        { restartCount: 3, state: { waiting: { reason: "CrashLoopBackOff", message: "back-off 10s" } } },
      ],
    },
  });
  cluster.put(podResource, "quickstart-eu-north-0-g1", {
    status: { conditions: [{ type: "Ready", status: "False", message: "containers with unready status" }] },
  });
  serveMetrics(
    { "quickstart-eu-west-0-g1": 120, "quickstart-eu-north-0-g1": 97 },
    'coverage_degraded{region="us-east",seat="x"} 1\n',
  );
  const { code, out, err } = await cluster.run(["status", "quickstart"]);
  expect([code, err]).toEqual([1, ""]);
  expect(out).toBe(`quickstart  namespace default  chain abababababababab…  epoch 3
power   3 of 4 votes, F = 1, nothing may still fail; seats 4 of 4
permit  rotate quickstart-us-east-0, membership of quickstart-us-east-0, 0 power, since 2030-01-01T00:00:00Z
├─ eu-west  power 1, 1 required
│  └─ quickstart-eu-west-0   g1  power 1  validator  height 120  lag 0   healthy  Running  node-1
├─ us-east  power 1, not waited for
│  └─ quickstart-us-east-0   g1  power 1  validator  height ?    lag ?   missed   Running  node-1                       will be replaced at 2030-01-01T00:05:00Z unless it comes back
├─ ap-south  power 0, 1 required
│  └─ quickstart-ap-south-0  g2  power 0  learner    height ?    lag ?   joining  CrashLoopBackOff  3 restarts  node-1  pod CrashLoopBackOff: back-off 10s
└─ eu-north  power 1, 1 required
   └─ quickstart-eu-north-0  g1  power 1  validator  height 97   lag 23  unseen   Running  node-1                       pod not ready: containers with unready status
gateway quickstart-gateway-7f9c-x2x  Running
condition
Ready        False  SeatsMissing: Not voting yet: quickstart-ap-south-0.
Progressing  True   IdentityLost: Its volume is gone.
Degraded     True   SeatsDown: quickstart-us-east-0 with 1 power, of F = 1 that may fail.
`);
});

test("the same for programs, and 0 when all is as hoped", async () => {
  putQuickstart(cluster);
  serveMetrics(Object.fromEntries(regions.map((region, i) => [`quickstart-${region}-0-g1`, 40 + i])));
  const { code, out } = await cluster.run(["status", "quickstart", "--output", "json"]);
  expect(code).toBe(0);
  const [swarm] = documented(shapes.status, out).swarms;
  expect(swarm).toMatchObject({
    name: "quickstart",
    observed: true,
    ready: true,
    epoch: 3,
    replicas: { wanted: 4, inForce: 4 },
    power: { total: 4, available: 4, fault: 1, faultBudgetLeft: 1 },
    permit: null,
  });
  expect(swarm?.regions.map(({ name, seats }) => [name, seats[0]?.height, seats[0]?.lag, seats[0]?.health])).toEqual([
    ["eu-west", 40, 3, "healthy"],
    ["us-east", 41, 2, "healthy"],
    ["ap-south", 42, 1, "healthy"],
    ["eu-north", 43, 0, "healthy"],
  ]);
  expect(swarm?.gateways.map(({ name }) => name)).toEqual(["quickstart-gateway-7f9c-x2x"]);
});

test("all swarms of a namespace, a line each", async () => {
  putQuickstart(cluster);
  cluster.put(swarmResource, "abroad", { spec: {} }, "other");
  cluster.put(swarmResource, "new", { spec: { replicas: 7, regions: [] } });
  const { code, out } = await cluster.run(["status"]);
  expect(code).toBe(1);
  expect(out).toBe(`name        ready  seats  power  F  may fail  epoch  progress
new         no       0/7      -  -         -      0
quickstart  yes      4/4    4/4  1         1      3  The swarm is as the spec asks.
`);
  const none = await cluster.run(["status", "-n", "empty"]);
  expect([none.code, none.out]).toEqual([0, expect.stringMatching(/^No swarms in namespace empty of http:/)]);
});

test("a status that is older than the spec is not called ready", async () => {
  putQuickstart(cluster);
  cluster.put(swarmResource, "quickstart", { spec: { paused: true } });
  const { code, out } = await cluster.run(["status", "quickstart"]);
  expect(code).toBe(1);
  expect(out).toContain("The operator has not looked at the newest spec yet.\n");
});

test("hostile statuses and pods are shown as far as they can be read", async () => {
  putQuickstart(cluster, {
    observedGeneration: "one",
    conditions: [{ type: 7 }],
    power: { total: -1 },
    seats: [{ name: "x" }, seat("eu-west")],
    permit: "mine",
    epoch: 3,
  });
  cluster.put(podResource, "odd", { ...pod("odd", 1), status: "none", spec: [] });
  const { code, out } = await cluster.run(["status", "quickstart", "--output", "json"]);
  expect(code).toBe(1);
  const [swarm] = documented(shapes.status, out).swarms;
  expect(swarm?.regions.flatMap(({ seats }) => seats.map(({ name }) => name))).toEqual(["quickstart-eu-west-0"]);
  expect(swarm).toMatchObject({
    observed: false,
    ready: false,
    epoch: 3,
    power: null,
    permit: null,
    conditions: [],
  });
});

test("nothing that an object says commands the terminal", async () => {
  const evil = "\u001b]0;title\u0007\u001b[2J\u001b[8mhidden\u009b2J\r";
  putQuickstart(cluster, healthyStatus({ conditions: [condition("Ready", "True", "Fine", `So ${evil}it is.`)] }));
  const { out } = await cluster.run(["status", "quickstart"]);
  expect(out).toContain("Fine: So ]0;title[2J[8mhidden2Jit is.\n");
  expect(out.replaceAll("\n", "")).not.toMatch(/\p{Cc}/u);
  const json = await cluster.run(["status", "quickstart", "--output", "json"]);
  expect(json.out.trimEnd()).not.toMatch(/\p{Cc}/u);
  expect(documented(shapes.status, json.out).swarms[0]?.conditions[0]?.message).toBe(`So ${evil}it is.`);
});

test("a validator that never ends its answer does not hold up the rest", async () => {
  putQuickstart(cluster);
  cluster.server.serveBelow((path) =>
    path.resource === podResource && path.name.includes(":")
      ? (response) => void response.writeHead(200).write("consensus_height{state=")
      : undefined,
  );
  const { code, out } = await cluster.run(["status", "quickstart"]);
  expect(code).toBe(0);
  expect(out).toContain("height ?  lag ?  healthy");
});

test("validators of this machine are asked where they listen", async () => {
  putQuickstart(cluster);
  const validator = createServer((request, response) => {
    response.writeHead(request.url === "/metrics" ? 200 : 404).end('consensus_height{state="final"} 77\n');
  });
  validator.listen(0, "127.0.0.1");
  await once(validator, "listening");
  const address = validator.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  onThisMachine(cluster);
  listens(cluster, "quickstart-eu-west-0-g1", { metrics: port });
  // Whatever an object says: nothing is asked elsewhere than on this machine.
  listens(cluster, "quickstart-us-east-0-g1", { metrics: port }, "127.0.0.2");
  const { code, out } = await cluster.run(["status", "quickstart"]);
  validator.closeAllConnections();
  validator.close();
  expect(code).toBe(0);
  expect(out).toMatch(/quickstart-eu-west-0 +g1 +power 1 +validator +height 77 +lag 0 +healthy/);
  expect(out).toMatch(/quickstart-us-east-0 +g1 +power 1 +validator +height \? +lag \? +healthy/);
});

describe("what the server does not give", () => {
  test("no such swarm", async () => {
    const { code, err } = await cluster.run(["status", "none"]);
    expect([code, err]).toEqual([3, expect.stringMatching(/^There is no swarm none in namespace default of http:/)]);
  });

  test.each<[number, string, number, string]>([
    [401, "Unauthorized", 4, "does not accept your credentials"],
    [403, "Forbidden", 4, "the server says 403"],
    [404, "NotFound", 3, "Are the types of crds/ installed there?"],
    [429, "TooManyRequests", 6, "says 429"],
    [503, "ServiceUnavailable", 6, "says 503"],
  ])("status %i", async (status, reason, code, message) => {
    putQuickstart(cluster);
    // Swarms and pods are asked for at once.
    cluster.server.inject("list", { kind: "status", status, reason });
    cluster.server.inject("list", { kind: "status", status, reason });
    const ended = await cluster.run(["status"]);
    expect(ended).toMatchObject({ code, out: "", err: expect.stringContaining(message) });
  });

  test("pods may not be listed: the swarm is shown without them", async () => {
    putQuickstart(cluster);
    cluster.server.inject("list", { kind: "status", status: 403, reason: "Forbidden" });
    const { code, out, err } = await cluster.run(["status", "quickstart"]);
    expect(code).toBe(0);
    expect(out).toMatch(/quickstart-eu-west-0 +g1 +power 1/);
    expect(err).toContain("Pods are not shown: ");
  });

  test("no answer", async () => {
    cluster.server.inject("list", { kind: "reset" });
    cluster.server.inject("list", { kind: "reset" });
    const { code, err } = await cluster.run(["status"]);
    expect([code, err]).toEqual([6, expect.stringContaining("does not answer")]);
  });
});

test("--watch shows it again whenever it changes, until the swarm is gone", async () => {
  putQuickstart(cluster);
  const watching = cluster.start(["status", "quickstart", "--watch", "--output", "json"]);
  const epochs: number[] = [];
  for await (const line of watching.lines) {
    const epoch = documented(shapes.status, line).swarms[0]?.epoch ?? 0;
    if (epochs.at(-1) !== epoch) epochs.push(epoch);
    if (epoch === 3) cluster.put(swarmResource, "quickstart", { status: { epoch: 4 } });
    // A watch that breaks goes on.
    if (epoch === 4) {
      cluster.server.dropWatches();
      cluster.put(swarmResource, "quickstart", { status: { epoch: 5 } });
    }
    if (epoch === 5)
      cluster.server.objects.remove({ resource: swarmResource, namespace: "default", name: "quickstart" }, {});
  }
  const { code, err } = await watching.ended;
  expect(epochs).toEqual([3, 4, 5]);
  expect([code, err]).toEqual([3, expect.stringContaining("Swarm quickstart was deleted.")]);
});

test("a canary shows where it is and what is measured so far", async () => {
  const analysis = [
    { metric: "ViewTimeouts", verdict: "Worse", message: "ViewTimeouts: 9.00 % against 0.00 % of views." },
    { metric: "FinalityLatency", verdict: "Unclear", message: "FinalityLatency: too few." },
  ];
  const canary = { stage: "Watching", seats: ["quickstart-eu-west-0"], until: "2030-01-01T00:02:00Z", analysis };
  putQuickstart(cluster, healthyStatus({ canary: { ...canary, message: "", waitingFor: "the verdict" } }));
  const { out } = await cluster.run(["status", "quickstart"]);
  expect(out).toContain("canary  Watching on quickstart-eu-west-0 until 2030-01-01T00:02:00Z\n");
  expect(out).toContain(
    "        Worse  ViewTimeouts: 9.00 % against 0.00 % of views.\n        Unclear  FinalityLatency:",
  );
  putQuickstart(
    cluster,
    healthyStatus({
      canary: { ...canary, stage: "Waiting", seats: [], analysis: [], message: "", waitingFor: "All seats first." },
    }),
  );
  expect((await cluster.run(["status", "quickstart"])).out).toContain("canary  Waiting: All seats first.\n");
});
