import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { nodes, persistentVolumeClaims, pods } from "../../kube/kinds.ts";
import type { StoredObject } from "../../kube/objects.ts";
import { identifyProcess } from "../process-identity.ts";
import { isReady } from "./pod-status.ts";
import { createTestWorld, statusOf, type TestWorld } from "./testing/world.ts";

let world: TestWorld;
beforeEach(async () => {
  world = await createTestWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

const operator = join(import.meta.dirname, "testing", "operator.ts");
const volume = (name: string) => join(world.directory, "quick", "volumes", name);
const startsOf = (name: string) =>
  readFileSync(join(volume(name), "starts"), "utf8")
    .trim()
    .split("\n")
    .map(Number);
const container = (pod: StoredObject | undefined) => {
  const [first] = (statusOf(pod)["containerStatuses"] ?? []) as readonly {
    readonly state: Record<string, Record<string, unknown>>;
    readonly lastState?: Record<string, Record<string, unknown>>;
    readonly restartCount: number;
    readonly ready: boolean;
  }[];
  return first;
};
const ready = (pod: StoredObject | undefined) => isReady(pod?.["status"]);
const waitingFor = (reason: string) => (pod: StoredObject | undefined) =>
  container(pod)?.state["waiting"]?.["reason"] === reason;
const messageOf = (pod: StoredObject | undefined) => String(container(pod)?.state["waiting"]?.["message"]);

describe("a pod", () => {
  test("gets a node, a volume, its files and a process, and says so", async () => {
    await world.start();
    await world.member("quick-a");
    const pod = await world.until(pods, "quick-a", ready);
    expect(statusOf(pod)).toMatchObject({ phase: "Running", podIP: "127.0.0.1" });
    expect(container(pod)).toMatchObject({ ready: true, restartCount: 0, name: "validator" });
    expect(pod?.["spec"]).toMatchObject({ nodeName: "eu-west" });
    expect(world.get(nodes, "eu-west")?.metadata.labels).toMatchObject({ "topology.kubernetes.io/region": "eu-west" });
    expect(statusOf(world.get(persistentVolumeClaims, "quick-a"))["phase"]).toBe("Bound");
    expect(startsOf("quick-a")).toHaveLength(1);
  });

  test("is ready when its probe says so, and not when it does not", async () => {
    await world.start();
    await world.member("quick-a");
    await world.until(pods, "quick-a", ready);
    writeFileSync(join(volume("quick-a"), "unready"), "");
    const unready = await world.until(pods, "quick-a", (pod) => !ready(pod));
    expect(JSON.stringify(statusOf(unready)["conditions"])).toContain("status 503: not yet");
    rmSync(join(volume("quick-a"), "unready"));
    await world.until(pods, "quick-a", ready);
    expect(startsOf("quick-a")).toHaveLength(1);
  });

  test("that holds more memory than its limit is killed, and says so; it is started again", async () => {
    await world.start();
    await world.member("quick-a", { container: { resources: { limits: { memory: "1Mi" } } } });
    const down = await world.until(pods, "quick-a", waitingFor("CrashLoopBackOff"));
    expect(container(down)?.lastState).toMatchObject({ terminated: { reason: "OOMKilled", exitCode: 137, signal: 9 } });
    await world.until(pods, "quick-a", (pod) => (container(pod)?.restartCount ?? 0) > 0);
  });

  test("killed from outside, shows it within a second and starts again", async () => {
    await world.start();
    await world.member("quick-a");
    await world.until(pods, "quick-a", ready);
    const at = performance.now();
    process.kill(startsOf("quick-a")[0]!, "SIGKILL");
    const down = await world.until(pods, "quick-a", (pod) => !ready(pod));
    expect(performance.now() - at).toBeLessThan(1_000);
    expect(container(down)?.state).toHaveProperty("waiting.reason", "CrashLoopBackOff");
    expect(container(down)?.lastState).toHaveProperty("terminated.exitCode", 137);
    const up = await world.until(pods, "quick-a", ready);
    expect(container(up)).toMatchObject({ restartCount: 1 });
    expect(startsOf("quick-a")).toHaveLength(2);
  });

  test("that ends again and again waits longer and counts", async () => {
    await world.start();
    await world.member("quick-a", { config: { exit: 3 } });
    const pod = await world.until(pods, "quick-a", (found) => (container(found)?.restartCount ?? 0) >= 4);
    expect(statusOf(pod)["phase"]).toBe("Running");
    const looping = await world.until(pods, "quick-a", waitingFor("CrashLoopBackOff"));
    expect(container(looping)?.lastState).toHaveProperty("terminated.exitCode", 3);
    expect(container(looping)?.lastState?.["terminated"]?.["message"]).toContain("started with --config");
  });

  test("waits for a port that another program has, and names it", async () => {
    await world.start();
    const port = world.ports.port("quick-a metrics");
    const stranger = createServer().listen(port, "127.0.0.1");
    await once(stranger, "listening");
    await world.member("quick-a");
    const pod = await world.until(pods, "quick-a", waitingFor("RunContainerError"));
    expect(messageOf(pod)).toBe(`port ${port} (metrics) is taken by another program`);
    expect(container(pod)?.restartCount).toBe(0);
    stranger.close();
    await world.until(pods, "quick-a", ready);
  });

  test("ends with its liveness", async () => {
    await world.start();
    const livenessProbe = { httpGet: { path: "/healthz", port: "metrics" }, periodSeconds: 1, failureThreshold: 1 };
    await world.member("quick-a", { container: { livenessProbe } });
    await world.until(pods, "quick-a", ready);
    writeFileSync(join(volume("quick-a"), "sick"), "");
    const pod = await world.until(pods, "quick-a", (found) => container(found)?.restartCount === 1);
    expect(container(pod)?.lastState).toHaveProperty("terminated.message", "ended by SIGKILL");
  });

  test("stays as an object until its finalizers go, and says first how it ended", async () => {
    await world.start();
    await world.member("quick-a", { metadata: { finalizers: ["validatorswarm.io/identity"] } });
    await world.until(pods, "quick-a", ready);
    const [pid] = startsOf("quick-a");
    world.remove(pods, "quick-a");
    const ended = await world.until(pods, "quick-a", (pod) => statusOf(pod)["phase"] === "Succeeded");
    expect(container(ended)?.state).toHaveProperty("terminated.exitCode", 0);
    expect(identifyProcess(pid!)).toBeUndefined();
    world.patch(pods, "quick-a", { metadata: { finalizers: [] } });
    await world.until(pods, "quick-a", (pod) => pod === undefined);
    expect(existsSync(volume("quick-a"))).toBe(true);
  });

  test("that does not want to end is killed after its grace", async () => {
    await world.start();
    await world.member("quick-a", {
      config: { stubborn: true },
      spec: { terminationGracePeriodSeconds: 1 },
      metadata: { finalizers: ["validatorswarm.io/identity"] },
    });
    await world.until(pods, "quick-a", ready);
    world.remove(pods, "quick-a");
    const ended = await world.until(pods, "quick-a", (pod) => statusOf(pod)["phase"] === "Failed");
    expect(container(ended)?.state).toHaveProperty("terminated.exitCode", 137);
  });

  test("deleted by force and made anew never meets its predecessor on the volume", async () => {
    await world.start();
    await world.member("quick-a", { config: { stubborn: true } });
    await world.until(pods, "quick-a", ready);
    const [pid] = startsOf("quick-a");
    world.remove(pods, "quick-a");
    await world.member("quick-a");
    await world.until(pods, "quick-a", ready);
    expect(identifyProcess(pid!)).toBeUndefined();
    expect(startsOf("quick-a")).toHaveLength(2);
    expect(existsSync(join(volume("quick-a"), "two"))).toBe(false);
  });

  test("waits for a volume that another pod is on", async () => {
    await world.start();
    await world.member("quick-a");
    await world.until(pods, "quick-a", ready);
    const volumes = [
      { name: "data", persistentVolumeClaim: { claimName: "quick-a" } },
      { name: "config", configMap: { name: "quick-b" } },
    ];
    await world.member("quick-b", { spec: { volumes } });
    const waits = await world.until(pods, "quick-b", (pod) => messageOf(pod).includes("another pod"));
    expect(messageOf(waits)).toBe("another pod is on the volume default/quick-a");
    world.remove(pods, "quick-a");
    await world.until(pods, "quick-b", ready);
    expect(startsOf("quick-a")).toHaveLength(2);
    expect(existsSync(join(volume("quick-a"), "two"))).toBe(false);
  });

  test.each([
    ["an image without a digest", { container: { image: "validator:1.2" } }, "InvalidImageName", "names no content"],
    [
      "an unknown bundle",
      { container: { image: `sha256:${"0".repeat(64)}` } },
      "ImagePullBackOff",
      "there is no bundle sha256:0000",
    ],
    ["two containers", { spec: { containers: [] } }, "CreateContainerConfigError", "must be exactly one"],
  ])("says what is wrong with %s", async (_, how, reason, words) => {
    await world.start();
    await world.member("quick-a", how);
    const pod = await world.until(pods, "quick-a", waitingFor(reason));
    expect(messageOf(pod)).toContain(words);
  });

  test("says in numbers why it has no node", async () => {
    await world.start();
    await world.member("quick-a", { spec: { nodeSelector: { "topology.kubernetes.io/region": "mars" } } });
    const pod = await world.until(pods, "quick-a", (found) =>
      JSON.stringify(statusOf(found)).includes("0/1 nodes are available"),
    );
    expect(JSON.stringify(statusOf(pod))).toContain("1 have not the labels topology.kubernetes.io/region=mars");
    expect(statusOf(pod)["phase"]).toBe("Pending");
  });

  test("that never ran says that it ended, when it is deleted", async () => {
    await world.start();
    const metadata = { finalizers: ["validatorswarm.io/identity"] };
    await world.member("quick-a", { metadata, spec: { nodeSelector: { "topology.kubernetes.io/region": "mars" } } });
    await world.until(pods, "quick-a", (pod) => statusOf(pod)["phase"] === "Pending");
    world.remove(pods, "quick-a");
    const pod = await world.until(pods, "quick-a", (found) => statusOf(found)["phase"] === "Failed");
    expect(container(pod)?.state).toHaveProperty("terminated.message", "it never ran");
  });
});

describe("a kubelet that starts again", () => {
  test("runs the pods of the API again, and counts that as a restart", async () => {
    const first = await world.start();
    await world.member("quick-a");
    await world.until(pods, "quick-a", ready);
    await first.close();
    expect(identifyProcess(startsOf("quick-a")[0]!)).toBeUndefined();
    await world.start();
    const pod = await world.until(pods, "quick-a", (found) => ready(found) && container(found)?.restartCount === 1);
    expect(container(pod)?.lastState).toHaveProperty("terminated.reason", "ContainerStatusUnknown");
    expect(existsSync(join(volume("quick-a"), "two"))).toBe(false);
  });
});

describe("a kubelet that is killed", () => {
  test("leaves nothing that runs, and the next one runs it all again", async () => {
    const server = world.fixture.server.config.getCurrentCluster()?.server ?? "";
    const first = spawn(process.execPath, [operator, world.directory, server, String(world.ports.base)], {
      stdio: ["ignore", "inherit", "inherit"],
    });
    await world.member("quick-a", { config: { stubborn: true } });
    await world.until(pods, "quick-a", ready);
    const [pid] = startsOf("quick-a");
    first.kill("SIGKILL");
    await once(first, "exit");
    await world.start();
    await world.until(pods, "quick-a", (pod) => ready(pod) && container(pod)?.restartCount === 1);
    expect(identifyProcess(pid!)).toBeUndefined();
    expect(existsSync(join(volume("quick-a"), "two"))).toBe(false);
  });
});

describe("an API that fails", () => {
  test("is told everything once it works again", async () => {
    await world.start();
    await world.member("quick-a");
    await world.until(pods, "quick-a", ready);
    const { server } = world.fixture;
    server.inject("patch", { kind: "reset" });
    server.inject("patch", { kind: "status", status: 500 });
    server.inject("patch", { kind: "lost-answer" });
    server.dropWatches();
    process.kill(startsOf("quick-a")[0]!, "SIGKILL");
    const pod = await world.until(pods, "quick-a", (found) => ready(found) && container(found)?.restartCount === 1);
    expect(container(pod)?.lastState).toHaveProperty("terminated.exitCode", 137);
  });
});

describe("logs", () => {
  test("end with the last lines asked for", async () => {
    const kubelet = await world.start();
    await world.member("quick-a");
    await world.until(pods, "quick-a", ready);
    const { signal } = new AbortController();
    const pieces: Buffer[] = [];
    for await (const piece of kubelet.logs("default", "quick-a", { tailLines: 1, signal })!) pieces.push(piece);
    expect(Buffer.concat(pieces).toString()).toMatch(/^started with --config .*\/etc\/validator\/config\.json\n$/);
    expect(kubelet.logs("default", "nobody", { signal })).toBeUndefined();
  });
});
