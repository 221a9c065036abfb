import { connect } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { configMaps, persistentVolumeClaims, pods } from "../../kube/kinds.ts";
import { createAddresses } from "../addresses.ts";
import { isReady } from "./pod-status.ts";
import { createTestWorld, type TestWorld } from "./testing/world.ts";

/** The machine may be busy. */
const patiently = { timeout: 30_000, interval: 20 };

let world: TestWorld;
beforeEach(async () => {
  world = await createTestWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

/** What a caller of the link gets: the address of nobody, an answer, or a closed door. */
async function dial(from: string, to: string): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port: createAddresses(world.ports).link(from, to) });
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
  socket.on("data", (bytes) => resolve(bytes.toString("latin1").split("\r\n")[0] ?? ""));
  socket.on("close", () => resolve("closed"));
  socket.write("GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n");
  return promise.finally(() => socket.destroy());
}

test("each pair of members has a link each way, with the weather that the API asks for", async () => {
  await world.start();
  // The program of these tests serves its port of metrics: peers talk to that here.
  const sharePort = (name: string) => {
    const port = world.ports.port(`${name} metrics`);
    return {
      ports: [
        { name: "p2p", containerPort: port },
        { name: "metrics", containerPort: port },
      ],
    };
  };
  const names = ["quick-a", "quick-b"];
  for (const name of names) await world.member(name, { container: sharePort(name) });
  for (const name of names) await world.until(pods, name, (pod) => isReady(pod?.["status"]));
  await expect.poll(() => dial("quick-a", "quick-b"), patiently).toBe("HTTP/1.1 200 OK");
  await expect.poll(() => dial("quick-b", "quick-a"), patiently).toBe("HTTP/1.1 200 OK");

  world.put(configMaps, {
    metadata: { name: "quick-links" },
    data: { "a.quick-b": "cut", "eu-west.any": "delay=1ms", b: "?" },
  });
  await expect.poll(() => world.links.weather("quick-a", "quick-b").cut, patiently).toBe(true);
  expect(world.links.weather("quick-b", "quick-a")).toEqual({ cut: false, delayMs: 1, bytesPerSecond: 0 });
  const before = world.links.sent("quick-a", "quick-b");
  expect(await dial("quick-a", "quick-b")).toMatch(/closed|ECONNRESET/);
  expect(world.links.sent("quick-a", "quick-b")).toBe(before);
  await expect
    .poll(() => world.problems.join(), patiently)
    .toContain('configmap quick-links: "b" is no pair: write from.to');

  world.remove(configMaps, "quick-links");
  await expect.poll(() => dial("quick-a", "quick-b"), patiently).toBe("HTTP/1.1 200 OK");

  world.remove(pods, "quick-b");
  await world.until(pods, "quick-b", (pod) => pod === undefined);
  await expect.poll(() => dial("quick-a", "quick-b"), patiently).toBe("ECONNREFUSED");

  // The identity ends with its volume: only then are its ports free for others.
  expect([...world.ports.uses().keys()]).toContain("link quick-a quick-b");
  world.remove(persistentVolumeClaims, "quick-b");
  await world.until(persistentVolumeClaims, "quick-b", (claim) => claim === undefined);
  expect([...world.ports.uses().keys()].filter((use) => use.includes("quick-b"))).toEqual([]);
});
