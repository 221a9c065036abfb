/** `explain`, `logs` and `delete`. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { explanationData } from "../operator/api/explanation.ts";
import { statusReply } from "../operator/kube/testing/object-base.ts";
import { shapes } from "./shapes.ts";
import { type Cluster, createCluster, documented, mapResource, podResource, swarmResource } from "./testing/cluster.ts";
import { pod, putQuickstart, quickstart } from "./testing/quickstart.ts";

let cluster: Cluster;
beforeEach(async () => {
  cluster = await createCluster();
});
afterEach(() => cluster[Symbol.asyncDispose]());

describe("explain", () => {
  const explanation = {
    generation: 1,
    epoch: 3,
    power: { total: 4, available: 3, fault: 1, budgetLeft: 0 },
    underWay: "restart quickstart-us-east-0",
    next: [{ what: "delete pod quickstart-us-east-0-g1", reason: "Outdated", message: "It runs another revision." }],
    waits: [
      { topic: "Drain", reason: "PermitTaken", message: "A restart is under way." },
      { topic: "Drain", reason: "PermitTaken", message: "A restart is under way." },
    ],
  };

  test("shows what comes next, why, and what blocks the rest", async () => {
    putQuickstart(cluster);
    cluster.put(mapResource, "quickstart-explain", { data: explanationData(explanation) });
    const { code, out } = await cluster.run(["explain", "quickstart"]);
    expect(code).toBe(0);
    expect(out).toBe(`quickstart  namespace default
Power: 3 of 4 votes, F = 1, 0 may still be taken. Epoch 3.
Under way: restart quickstart-us-east-0.
Next:
  delete pod quickstart-us-east-0-g1
    Outdated: It runs another revision.
Waits:
  Drain, PermitTaken
    A restart is under way.
`);
    cluster.put(swarmResource, "quickstart", { spec: { paused: true } });
    expect((await cluster.run(["explain", "quickstart"])).out).toContain("This is of an older spec");
    const json = await cluster.run(["explain", "quickstart", "--output", "json"]);
    expect(documented(shapes.explain, json.out)).toMatchObject({ observed: false, ...explanation });
  });

  test("says when there is nothing to show", async () => {
    expect(await cluster.run(["explain", "quickstart"])).toMatchObject({
      code: 3,
      err: expect.stringContaining("There is no swarm quickstart"),
    });
    putQuickstart(cluster);
    expect(await cluster.run(["explain", "quickstart"])).toMatchObject({
      code: 3,
      err: expect.stringContaining("The operator has not planned for quickstart yet."),
    });
    cluster.put(mapResource, "quickstart-explain", { data: { "plan.json": '{"epoch":-1}' } });
    expect(await cluster.run(["explain", "quickstart"])).toMatchObject({
      code: 1,
      err: expect.stringContaining("holds no explanation"),
    });
  });
});

describe("logs", () => {
  /** The log of each pod says whose it is. */
  function serveLogs(): void {
    cluster.server.serveBelow((path, below, query) => {
      if (path.resource !== podResource || below !== "log") return undefined;
      return (response) => {
        response.writeHead(200, { "content-type": "text/plain" });
        response.end(`{"msg":"${path.name}"}\n${query.toString()}\n`);
      };
    });
  }

  test("of a pod, and of the newest identity of a seat that is not on its way out", async () => {
    putQuickstart(cluster);
    cluster.put(podResource, "quickstart-eu-west-0-g2", pod("quickstart-eu-west-0", 2));
    cluster.put(podResource, "quickstart-eu-west-0-g3", {
      ...pod("quickstart-eu-west-0", 3),
      metadata: { ...(pod("quickstart-eu-west-0", 3)["metadata"] as object), finalizers: ["a/b"] },
    });
    cluster.server.objects.remove({ resource: podResource, namespace: "default", name: "quickstart-eu-west-0-g3" }, {});
    serveLogs();
    const seat = await cluster.run(["logs", "quickstart-eu-west-0", "--tail", "5", "--follow"]);
    expect(seat).toEqual({ code: 0, out: '{"msg":"quickstart-eu-west-0-g2"}\nfollow=true&tailLines=5\n', err: "" });
    const gateway = await cluster.run(["logs", "quickstart-gateway-7f9c-x2x", "--previous", "--output", "json"]);
    const lines = gateway.out
      .trimEnd()
      .split("\n")
      .map((line) => documented(shapes.logs, line));
    expect(lines).toEqual([
      { pod: "quickstart-gateway-7f9c-x2x", line: '{"msg":"quickstart-gateway-7f9c-x2x"}' },
      { pod: "quickstart-gateway-7f9c-x2x", line: "previous=true" },
    ]);
  });

  test("--follow hands on each line when it comes", async () => {
    putQuickstart(cluster);
    const { promise, resolve } = Promise.withResolvers<(text: string | undefined) => void>();
    cluster.server.serveBelow((_, below) =>
      below === "log"
        ? (response) => {
            response.writeHead(200).flushHeaders();
            resolve((text) => (text === undefined ? response.end() : response.write(`${text}\n`)));
          }
        : undefined,
    );
    const running = cluster.start(["logs", "quickstart-us-east-0", "--follow"]);
    const say = await promise;
    say("one");
    const seen: string[] = [];
    for await (const line of running.lines) {
      seen.push(line);
      say(line === "one" ? "two" : undefined);
    }
    expect(seen).toEqual(["one", "two"]);
    expect((await running.ended).code).toBe(0);
  });

  test("a reader who has seen enough ends it without a complaint", async () => {
    putQuickstart(cluster);
    cluster.server.serveBelow((_, below) =>
      below === "log"
        ? (response) => {
            const more = () => {
              while (!response.destroyed && response.write(`${"x".repeat(1_000)}\n`));
            };
            response.on("drain", more);
            more();
          }
        : undefined,
    );
    const running = cluster.start(["logs", "quickstart-us-east-0", "--follow"]);
    for await (const _ of running.lines) break;
    running.lines.close();
    running.hangUp();
    expect(await running.ended).toMatchObject({ code: 0, err: "" });
  });

  test("an unknown seat names those there are", async () => {
    putQuickstart(cluster);
    const { code, err } = await cluster.run(["logs", "quickstart-eu-west-9"]);
    expect(code).toBe(3);
    expect(err).toContain("There is no seat or pod quickstart-eu-west-9 in namespace default");
    expect(err).toContain("quickstart-ap-south-0, quickstart-eu-north-0, quickstart-eu-west-0, quickstart-us-east-0.");
  });

  test("a container that has not started says so", async () => {
    putQuickstart(cluster);
    cluster.server.serveBelow((_, below) =>
      below === "log"
        ? (response) =>
            void response
              .writeHead(400)
              .end(JSON.stringify(statusReply(400, "BadRequest", "container is waiting to start").body))
        : undefined,
    );
    const ended = await cluster.run(["logs", "quickstart-us-east-0"]);
    expect(ended).toEqual({ code: 1, out: "", err: "container is waiting to start.\n" });
  });
});

describe("delete", () => {
  test("says what becomes of the volumes", async () => {
    putQuickstart(cluster);
    const ended = await cluster.run(["delete", "quickstart"]);
    expect(ended).toEqual({ code: 0, out: "validatorswarm/quickstart is being deleted; its volumes stay\n", err: "" });
    expect(cluster.get(swarmResource, "quickstart")).toBeUndefined();
    expect(cluster.server.requests.find(({ verb }) => verb === "delete")?.body).toContain('"preconditions":{"uid":');
    expect((await cluster.run(["delete", "quickstart"])).code).toBe(3);
  });

  test("asks for a word when the volumes go too", async () => {
    const spec = { ...(quickstart()["spec"] as object), storage: { retainPolicy: "Delete" } };
    cluster.put(swarmResource, "quickstart", { ...quickstart(), spec });
    const refused = await cluster.run(["delete", "quickstart"]);
    expect(refused).toMatchObject({ code: 4, out: "", err: expect.stringContaining("--delete-volumes") });
    expect(cluster.get(swarmResource, "quickstart")).not.toHaveProperty("metadata.deletionTimestamp");
    const { code, out } = await cluster.run(["delete", "quickstart", "--delete-volumes", "--output", "json"]);
    expect(code).toBe(0);
    expect(documented(shapes.delete, out)).toMatchObject({ volumes: "deleted", outcome: "asked" });
  });

  test("--wait ends when it is gone, or when the time is over", async () => {
    cluster.put(swarmResource, "quickstart", { ...quickstart(), metadata: { finalizers: ["x/y"] } });
    const late = await cluster.run(["delete", "quickstart", "--wait", "--timeout", "1"]);
    expect(late).toMatchObject({ code: 5, err: expect.stringContaining("Not gone within 1 s.") });
    const running = cluster.start(["delete", "quickstart", "--wait"]);
    for await (const line of running.lines)
      if (line.includes("being deleted")) cluster.put(swarmResource, "quickstart", { metadata: { finalizers: [] } });
    expect(await running.ended).toMatchObject({ code: 0, out: expect.stringMatching(/\ngone\n$/) });
  });
});
