import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { configMaps, deployments, pods, validatorSwarms } from "../../kube/kinds.ts";
import type { StoredObject } from "../../kube/objects.ts";
import { sourcesImage } from "./images.ts";
import { isReady } from "./pod-status.ts";
import { createTestWorld, statusOf, type TestWorld } from "./testing/world.ts";

let world: TestWorld;
beforeEach(async () => {
  world = await createTestWorld();
  await world.start();
});
afterEach(() => world[Symbol.asyncDispose]());

const ready = (pod: StoredObject | undefined) => isReady(pod?.["status"]);
const serving = (count: number) => (deployment: StoredObject | undefined) =>
  statusOf(deployment)["readyReplicas"] === count && statusOf(deployment)["updatedReplicas"] === count;

function deploy(replicas: number): void {
  const port = world.ports.port("gateway metrics");
  world.put(validatorSwarms, { metadata: { name: "quick" }, spec: { regions: [{ name: "eu-west" }] } });
  world.put(configMaps, {
    metadata: { name: "gateway" },
    data: { "config.json": JSON.stringify({ dataDir: "var/lib/gateway", port }) },
  });
  world.put(deployments, {
    metadata: { name: "gateway" },
    spec: {
      replicas,
      selector: { matchLabels: { app: "gateway" } },
      template: {
        metadata: { labels: { app: "gateway" } },
        spec: {
          containers: [
            {
              name: "gateway",
              image: sourcesImage,
              args: ["--config", "/etc/gateway/config.json"],
              ports: [{ name: "metrics", containerPort: port }],
              volumeMounts: [
                { name: "config", mountPath: "/etc/gateway" },
                { name: "data", mountPath: "/var/lib/gateway" },
              ],
              readinessProbe: { httpGet: { path: "/readyz", port: "metrics" }, periodSeconds: 1 },
            },
          ],
          volumes: [
            { name: "config", configMap: { name: "gateway" } },
            { name: "data", emptyDir: {} },
          ],
        },
      },
    },
  });
}

describe("a deployment", () => {
  test("runs so many pods, each on ports of its own, and replaces what is deleted", async () => {
    deploy(3);
    const up = await world.until(deployments, "gateway", serving(3));
    expect(JSON.stringify(statusOf(up)["conditions"])).toContain("3 of 3 replicas serve");
    const { uid } = world.get(pods, "gateway-1")!.metadata;
    world.remove(pods, "gateway-1");
    await world.until(pods, "gateway-1", (pod) => ready(pod) && pod?.metadata.uid !== uid);
  });

  test("scales down from the end, to nothing too", async () => {
    deploy(2);
    await world.until(deployments, "gateway", serving(2));
    world.patch(deployments, "gateway", { spec: { replicas: 1 } });
    await world.until(pods, "gateway-1", (pod) => pod === undefined);
    expect(ready(world.get(pods, "gateway-0"))).toBe(true);
    world.patch(deployments, "gateway", { spec: { replicas: 0 } });
    await world.until(pods, "gateway-0", (pod) => pod === undefined);
  });

  test("replaces pods of another template one at a time", async () => {
    deploy(3);
    await world.until(deployments, "gateway", serving(3));
    const names = ["gateway-0", "gateway-1", "gateway-2"];
    let fewest = 3;
    const stop = world.fixture.server.objects.onEntry(() => {
      fewest = Math.min(fewest, names.filter((name) => ready(world.get(pods, name))).length);
    });
    world.patch(deployments, "gateway", { spec: { template: { metadata: { labels: { version: "2" } } } } });
    for (const name of names)
      await world.until(pods, name, (pod) => ready(pod) && pod?.metadata.labels?.["version"] === "2");
    stop();
    expect(fewest).toBe(2);
    const starts = join(world.directory, "pods", "default", "gateway-2", "root", "var", "lib", "gateway", "starts");
    expect(readFileSync(starts, "utf8").trim().split("\n")).toHaveLength(1);
  });

  test("says what is wrong with its spec", async () => {
    world.put(deployments, { metadata: { name: "bad" }, spec: { replicas: -1 } });
    const bad = await world.until(deployments, "bad", (found) => statusOf(found)["conditions"] !== undefined);
    expect(JSON.stringify(statusOf(bad))).toContain("spec.replicas: ");
  });
});
