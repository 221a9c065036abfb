/**
 * Random things happen to two pods, their processes and volumes, the API and the kubelet itself. Whatever happened, two
 * processes were never on one volume, a lost volume was never run on again, and in the end everything that can run does.
 */
import { existsSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { persistentVolumeClaims, pods } from "../../kube/kinds.ts";
import type { StoredObject } from "../../kube/objects.ts";
import type { Kubelet } from "./kubelet.ts";
import { isReady } from "./pod-status.ts";
import { createTestWorld, statusOf, type TestWorld } from "./testing/world.ts";

const names = ["quick-a", "quick-b"] as const;
const events = [
  "kill",
  "delete pod",
  "delete pod",
  "force and make anew",
  "lose volume",
  "restart kubelet",
  "reset writes",
  "drop watches",
  "wait",
] as const;
const step = fc.record({ name: fc.constantFrom(...names), event: fc.constantFrom(...events), pauseMs: fc.nat(600) });

test("nothing that happens puts two processes on one volume, and everything recovers", async () => {
  const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 12 }), async (steps) => {
      const world = await createTestWorld();
      try {
        await live(world, steps);
      } finally {
        await world[Symbol.asyncDispose]();
      }
    }),
    { numRuns: 4, seed, endOnFailure: true },
  );
}, 120_000);

async function live(
  world: TestWorld,
  steps: readonly {
    readonly name: string;
    readonly event: (typeof events)[number];
    readonly pauseMs: number;
  }[],
): Promise<void> {
  const folder = join(world.directory, "quick", "volumes");
  const lost = new Map<string, number>();
  let kubelet: Kubelet = await world.start();
  for (const name of names)
    await world.member(name, { config: { stubborn: true }, spec: { terminationGracePeriodSeconds: 1 } });

  for (const { name, event, pauseMs } of steps) {
    const volume = join(folder, name);
    switch (event) {
      case "kill":
        killMember(world.get(pods, name));
        break;
      case "delete pod":
        world.remove(pods, name);
        break;
      case "force and make anew":
        world.remove(pods, name);
        await world.member(name);
        break;
      case "lose volume":
        // Moved, so that what was started on it later can be counted.
        if (existsSync(join(volume, "starts")) && !lost.has(name)) {
          renameSync(volume, join(world.directory, `lost-${name}`));
          lost.set(name, 0);
        }
        break;
      case "restart kubelet":
        await kubelet.close(200);
        kubelet = await world.start();
        break;
      case "reset writes":
        for (const fault of ["reset", "lost-answer"] as const) world.fixture.server.inject("patch", { kind: fault });
        break;
      case "drop watches":
        world.fixture.server.dropWatches();
        break;
      case "wait":
        break;
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  world.fixture.server.clearFaults();

  for (const name of names) {
    if (!world.get(pods, name)) await world.member(name);
    if (!lost.has(name)) await world.until(pods, name, (pod) => isReady(pod?.["status"]));
    else {
      await world.until(persistentVolumeClaims, name, (claim) => statusOf(claim)["phase"] === "Lost");
      await world.until(pods, name, (pod) => JSON.stringify(statusOf(pod)).includes("ContainerCreating"));
      expect(existsSync(join(folder, name))).toBe(false);
    }
  }
  const everywhere = [
    ...readdirSync(folder).map((name) => join(folder, name)),
    ...[...lost.keys()].map((name) => join(world.directory, `lost-${name}`)),
  ];
  for (const place of everywhere) expect(existsSync(join(place, "two")), place).toBe(false);
}

/** The process that the pod's status names, if it is still one of ours. */
function killMember(pod: StoredObject | undefined): void {
  const pid = Number(/process:\/\/(\d+)/.exec(JSON.stringify(statusOf(pod)))?.[1]);
  if (!pid || !isMember(pid)) return;
  process.kill(pid, "SIGKILL");
}

function isMember(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("kubelet/testing/member.ts");
  } catch {
    return false;
  }
}
