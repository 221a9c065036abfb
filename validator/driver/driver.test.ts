import { describe, expect, test } from "vitest";
import { createSwarm, type Swarm } from "./testing/swarm.ts";

const everyone = [0, 1, 2, 3] as const;
const allSettled =
  (swarm: Swarm, payments: number, who: readonly number[] = everyone) =>
  () =>
    who.every((i) => swarm.settled(i) === payments);

/** Roots after the lowest height that all of them have executed. */
function expectSameRoots(swarm: Swarm, who: readonly number[] = everyone): void {
  const statuses = who.map((i) => swarm.driver(i).services.status());
  expect(new Set(statuses.map(({ executedHeight, stateRoot }) => `${executedHeight} ${stateRoot}`)).size).toBe(1);
}

describe("four validators", () => {
  test("a message is accepted, final, executed and settled on every one, and their roots agree", async () => {
    const swarm = createSwarm({ seed: 1 });
    await swarm.startAll();
    const sent = swarm.submit(0, swarm.message({ id: "m1", payments: 10 }));
    await swarm.until(() => sent.result !== undefined, 1_000);
    expect(sent.result?.kind).toBe("accepted");
    await swarm.until(allSettled(swarm, 10), 2_000);
    expectSameRoots(swarm);
  });
});
