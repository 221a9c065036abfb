import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { configMaps, persistentVolumeClaims, pods } from "../../kube/kinds.ts";
import type { StoredObject } from "../../kube/objects.ts";
import { statusReply } from "../../kube/testing/object-base.ts";
import { identifyProcess } from "../process-identity.ts";
import { markerFile } from "./claims.ts";
import { isReady } from "./pod-status.ts";
import { createTestWorld, labelsOf, statusOf, type TestWorld } from "./testing/world.ts";

/** The machine may be busy. */
const patiently = { timeout: 30_000, interval: 20 };

let world: TestWorld;
beforeEach(async () => {
  world = await createTestWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

const folder = () => join(world.directory, "quick", "volumes");
const volume = (name: string) => join(folder(), name);
const ready = (pod: StoredObject | undefined) => isReady(pod?.["status"]);
const phase = (wanted: string) => (claim: StoredObject | undefined) => statusOf(claim)["phase"] === wanted;
const pidOf = (name: string) =>
  Number(
    readFileSync(join(volume(name), "starts"), "utf8")
      .trim()
      .split("\n")
      .at(-1),
  );
const runs = (pid: number) => identifyProcess(pid) !== undefined;

async function running(): Promise<number> {
  await world.start();
  await world.member("quick-a");
  await world.until(pods, "quick-a", ready);
  return pidOf("quick-a");
}

/** The claim is lost within a second, its process ends and none starts again. */
async function expectLost(pid: number): Promise<void> {
  const at = performance.now();
  await world.until(persistentVolumeClaims, "quick-a", phase("Lost"));
  expect(performance.now() - at).toBeLessThan(1_000);
  const pod = await world.until(pods, "quick-a", (found) => JSON.stringify(statusOf(found)).includes("waiting"));
  expect(ready(pod)).toBe(false);
  expect(runs(pid)).toBe(false);
  const stuck = await world.until(pods, "quick-a", (found) =>
    JSON.stringify(statusOf(found)).includes('persistentvolumeclaim \\"quick-a\\": '),
  );
  expect(JSON.stringify(statusOf(stuck))).toContain('"reason":"ContainerCreating"');
}

describe("a volume", () => {
  test("that disappears under its process is lost at once, and the process ends", async () => {
    const pid = await running();
    rmSync(volume("quick-a"), { recursive: true });
    await expectLost(pid);
    expect(existsSync(volume("quick-a"))).toBe(false);
  });

  test("that is replaced by a copy of itself is lost: the copy has the keys, too", async () => {
    const pid = await running();
    cpSync(volume("quick-a"), join(world.directory, "copy"), { recursive: true });
    renameSync(volume("quick-a"), join(world.directory, "original"));
    renameSync(join(world.directory, "copy"), volume("quick-a"));
    await expectLost(pid);
  });

  test("whose whole folder goes is lost", async () => {
    const pid = await running();
    renameSync(folder(), join(world.directory, "elsewhere"));
    await expectLost(pid);
  });

  test("that was lost stays lost, whatever comes back and whoever starts again", async () => {
    const kubelet = await world.start();
    await world.member("quick-a");
    await world.until(pods, "quick-a", ready);
    const away = join(world.directory, "away");
    renameSync(volume("quick-a"), away);
    await world.until(persistentVolumeClaims, "quick-a", phase("Lost"));
    renameSync(away, volume("quick-a"));
    await kubelet.close();
    await world.start();
    const pod = await world.until(pods, "quick-a", (found) => JSON.stringify(statusOf(found)).includes("lost before"));
    expect(ready(pod)).toBe(false);
    expect(statusOf(world.get(persistentVolumeClaims, "quick-a"))["phase"]).toBe("Lost");
  });

  test("exchanged while nobody watched is known by its marker", async () => {
    const kubelet = await world.start();
    await world.member("quick-a");
    await world.until(pods, "quick-a", ready);
    await kubelet.close();
    writeFileSync(join(volume("quick-a"), markerFile), "another-uid\n");
    await world.start();
    await world.until(persistentVolumeClaims, "quick-a", phase("Lost"));
    expect(world.problems.join()).toContain("belongs to another claim");
  });

  test("is used again after a restart when it is the one", async () => {
    const kubelet = await world.start();
    await world.member("quick-a");
    await world.until(pods, "quick-a", ready);
    writeFileSync(join(volume("quick-a"), "kept"), "");
    await kubelet.close();
    await world.start();
    await world.until(pods, "quick-a", (pod) => ready(pod) && JSON.stringify(statusOf(pod)).includes("lastState"));
    expect(existsSync(join(volume("quick-a"), "kept"))).toBe(true);
  });

  test("never takes over what stood in its place, and does not destroy it", async () => {
    mkdirSync(volume("quick-a"), { recursive: true });
    writeFileSync(join(volume("quick-a"), "precious"), "");
    await world.start();
    await world.member("quick-a");
    await world.until(pods, "quick-a", ready);
    expect(existsSync(join(volume("quick-a"), "precious"))).toBe(false);
    const { uid } = world.get(persistentVolumeClaims, "quick-a")!.metadata;
    expect(existsSync(join(folder(), `quick-a.set-aside-for-${uid}`, "precious"))).toBe(true);
  });

  test("is not run on before the API has it", async () => {
    const { server } = world.fixture;
    let open = false;
    server.admission(({ resource }, body) =>
      !open && resource.endsWith("claims") && "status" in body ? statusReply(500, "InternalError", "no") : undefined,
    );
    await world.start();
    await world.member("quick-a");
    await world.until(pods, "quick-a", (pod) => JSON.stringify(statusOf(pod)).includes("it is not bound yet"));
    expect(existsSync(volume("quick-a"))).toBe(true);
    expect(existsSync(join(volume("quick-a"), "starts"))).toBe(false);
    open = true;
    await world.until(pods, "quick-a", ready);
  });

  test("goes with its claim, but not while a pod is on it", async () => {
    await running();
    world.remove(persistentVolumeClaims, "quick-a");
    await world.until(persistentVolumeClaims, "quick-a", (claim) => claim?.metadata.deletionTimestamp !== undefined);
    world.patch(pods, "quick-a", { metadata: { annotations: { looked: "again" } } });
    expect(existsSync(volume("quick-a"))).toBe(true);
    expect(runs(pidOf("quick-a"))).toBe(true);
    world.remove(pods, "quick-a");
    await world.until(persistentVolumeClaims, "quick-a", (claim) => claim === undefined);
    expect(existsSync(volume("quick-a"))).toBe(false);
  });

  test("of a name that is no part of a path is refused", async () => {
    await world.start();
    world.put(persistentVolumeClaims, { metadata: { name: "..", labels: labelsOf("..") }, spec: {} });
    await expect.poll(() => world.problems.join(), patiently).toContain('".." cannot be part of a path');
    expect(statusOf(world.get(persistentVolumeClaims, ".."))).toEqual({});
  });
});

describe("files of a pod", () => {
  test("go with it, also when it went while nobody looked", async () => {
    const kubelet = await world.start();
    await world.member("quick-a");
    await world.member("quick-b");
    for (const name of ["quick-a", "quick-b"]) await world.until(pods, name, ready);
    const files = join(world.directory, "pods", "default");
    world.remove(pods, "quick-a");
    await expect.poll(() => readdirSync(files), patiently).toEqual(["quick-b"]);
    await kubelet.close();
    world.remove(pods, "quick-b");
    await world.start();
    expect(readdirSync(files)).toEqual([]);
  });

  test("follow the map while the pod runs", async () => {
    await running();
    const file = join(world.directory, "pods", "default", "quick-a", "root", "etc", "validator", "extra.json");
    world.patch(configMaps, "quick-a", { data: { "extra.json": "{}" } });
    await expect.poll(() => existsSync(file), patiently).toBe(true);
    world.patch(configMaps, "quick-a", { data: { "extra.json": null } });
    await expect.poll(() => existsSync(file), patiently).toBe(false);
  });

  test("are waited for", async () => {
    await world.start();
    await world.member("quick-a", {
      spec: {
        volumes: [
          { name: "data", persistentVolumeClaim: { claimName: "quick-a" } },
          { name: "config", configMap: { name: "later" } },
        ],
      },
    });
    await world.until(pods, "quick-a", (pod) =>
      JSON.stringify(statusOf(pod)).includes('configmap \\"later\\" not found'),
    );
    const port = world.ports.port("quick-a metrics");
    const config = JSON.stringify({ dataDir: "var/lib/validator", port });
    world.put(configMaps, { metadata: { name: "later" }, data: { "config.json": config } });
    await world.until(pods, "quick-a", ready);
  });
});
