import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { podDisruptionBudgets, pods } from "../../kube/kinds.ts";
import type { StoredObject } from "../../kube/objects.ts";
import { budgetStatus, mayEvict } from "./budgets.ts";
import { isReady } from "./pod-status.ts";
import { createTestWorld, statusOf, type TestWorld } from "./testing/world.ts";

const metadata = (name: string) => ({ name, namespace: "default", uid: `uid-${name}`, resourceVersion: "1" });

function pod(name: string, ready: boolean, leaving = false): StoredObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...metadata(name),
      labels: { app: "x" },
      ...(leaving ? { deletionTimestamp: "2030-01-01T00:00:00Z" } : {}),
    },
    status: { phase: "Running", conditions: [{ type: "Ready", status: ready ? "True" : "False" }] },
  };
}

function budget(spec: Readonly<Record<string, unknown>>): StoredObject {
  return {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: metadata("budget"),
    spec: { selector: { matchLabels: { app: "x" } }, ...spec },
  };
}

describe("a budget", () => {
  const four = [pod("a", true), pod("b", true), pod("c", true), pod("d", false)];
  test.each([
    [{ minAvailable: 1 }, 1, 2],
    [{ minAvailable: 3 }, 3, 0],
    [{ minAvailable: "50%" }, 2, 1],
    [{ minAvailable: "51%" }, 3, 0],
    [{ maxUnavailable: 1 }, 3, 0],
    [{ maxUnavailable: 2 }, 2, 1],
    [{ maxUnavailable: 9 }, 0, 3],
    // What cannot be read allows nothing.
    [{ minAvailable: "half" }, 4, 0],
  ])("of %j wants %i of 4 healthy and allows %i of 3 to go", (spec, desired, allowed) => {
    expect(budgetStatus(budget(spec), four)).toMatchObject({
      expectedPods: 4,
      currentHealthy: 3,
      desiredHealthy: desired,
      disruptionsAllowed: allowed,
    });
  });

  test("never lets evictions alone go below what it wants", () => {
    const fleet = fc.array(fc.record({ ready: fc.boolean(), leaving: fc.boolean() }), { maxLength: 12 });
    fc.assert(
      fc.property(fleet, fc.nat(12), (states, minAvailable) => {
        const wanted = budget({ minAvailable });
        let all = states.map(({ ready, leaving }, at) => pod(`p${at}`, ready, leaving));
        const healthy = () => Number(budgetStatus(wanted, all)["currentHealthy"]);
        for (const {
          metadata: { name },
        } of all) {
          const before = healthy();
          const one = all.find((other) => other.metadata.name === name)!;
          if (one.metadata.deletionTimestamp !== undefined) continue;
          if (mayEvict(one, [wanted], all).kind !== "allowed") continue;
          all = all.map((other) => (other === one ? pod(name, isReady(one["status"]), true) : other));
          if (healthy() < before) expect(healthy()).toBeGreaterThanOrEqual(minAvailable);
        }
      }),
    );
  });

  test("of two that select a pod none can pay", () => {
    const two = [budget({ minAvailable: 0 }), { ...budget({ minAvailable: 0 }), metadata: metadata("other") }];
    expect(mayEvict(pod("a", true), two, [pod("a", true)])).toMatchObject({ kind: "ambiguous" });
  });
});

describe("an eviction", () => {
  let world: TestWorld;
  beforeEach(async () => {
    world = await createTestWorld();
  });
  afterEach(() => world[Symbol.asyncDispose]());

  const ready = (found: StoredObject | undefined) => isReady(found?.["status"]);

  test("asks the budget, and two at once are asked one after the other", async () => {
    const kubelet = await world.start();
    await Promise.all([world.member("quick-a"), world.member("quick-b")]);
    world.put(podDisruptionBudgets, {
      metadata: { name: "quick", labels: { "app.kubernetes.io/instance": "quick" } },
      spec: { minAvailable: 1, selector: { matchLabels: { "app.kubernetes.io/instance": "quick" } } },
    });
    await Promise.all(["quick-a", "quick-b"].map((name) => world.until(pods, name, ready)));
    await world.until(podDisruptionBudgets, "quick", (found) => statusOf(found)["disruptionsAllowed"] === 1);
    const [first, second] = await Promise.all([
      kubelet.evict("default", "quick-a"),
      kubelet.evict("default", "quick-b"),
    ]);
    expect(first).toEqual({ kind: "evicted" });
    expect(second).toEqual({
      kind: "refused",
      message:
        "Cannot evict pod as it would violate the pod's disruption budget. The disruption budget quick needs 1 healthy pods and has 1 currently",
    });
    await world.until(pods, "quick-a", (found) => found === undefined);
    await world.until(podDisruptionBudgets, "quick", (found) => statusOf(found)["disruptionsAllowed"] === 0);
    expect(ready(world.get(pods, "quick-b"))).toBe(true);
    expect(await kubelet.evict("default", "nobody")).toEqual({ kind: "gone" });
  });
});
