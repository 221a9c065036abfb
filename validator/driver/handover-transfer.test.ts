import fc from "fast-check";
import { expect, test } from "vitest";
import { memberKeys } from "../crypto/bls.ts";
import { encodeHandovers, followTo } from "./handover-transfer.ts";
import { everyone, settle } from "./testing/settling.ts";
import { createSwarm } from "./testing/swarm.ts";

/** A chain of several epochs, and a member's handovers from an epoch on. */
async function chainOfEpochs() {
  const swarm = createSwarm({ seed: 37, parameters: { epochBlocks: 8, checkpointInterval: 5, idleInterval: 50 } });
  await swarm.startAll();
  for (let i = 0; i < 6; i++) await settle(swarm, i % 4, `a${i}`);
  await swarm.until(() => everyone.every((i) => swarm.driver(i).services.status().epoch > 3), 120_000);
  await swarm.until(() => swarm.nodes[0]!.store!.handovers.has(3), 20_000);
  const handovers = [...swarm.nodes[0]!.store!.handovers].map(([, bytes]) => bytes);
  return { keys: memberKeys(swarm.genesisConfig), handovers };
}

test("leads from genesis to the epoch, and keeps every step", async () => {
  const { keys, handovers } = await chainOfEpochs();
  const way = await followTo(3, keys, async () => encodeHandovers(handovers));
  expect(way).toMatchObject({ kind: "way", keys: { config: { epoch: 3 } } });
  expect(way.kind === "way" && way.handovers.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
  // In several answers, each from where the last one led.
  const asked: number[] = [];
  const steps = await followTo(3, keys, async (from) => {
    asked.push(from);
    return encodeHandovers(handovers.slice(from, from + 1));
  });
  expect(steps).toMatchObject({ kind: "way" });
  expect(asked).toEqual([0, 1, 2]);
});

test("ends where a peer has no more to show, and at what no honest member sends", async () => {
  const { keys, handovers } = await chainOfEpochs();
  const from = (bytes: Uint8Array | undefined) => followTo(3, keys, async () => bytes);
  expect(await from(undefined)).toEqual({ kind: "none" });
  expect(await from(encodeHandovers([]))).toEqual({ kind: "none" });
  expect(await from(encodeHandovers(handovers.slice(0, 2)))).toEqual({ kind: "none" });
  expect(await from(Uint8Array.of(9, 0, 0, 0, 1))).toMatchObject({ kind: "dishonest" });
  const whole = encodeHandovers(handovers.slice(0, 3));
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
      const broken = whole.slice();
      broken[at]! ^= change;
      const way = await from(broken);
      expect(way.kind === "way" && way.keys.config.epoch === 3 ? "believed" : "refused").toBe("refused");
    }),
    { numRuns: 60 },
  );
});
