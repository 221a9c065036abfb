import { describe, expect, test } from "vitest";
import { messageHash, messageKey } from "../codec/payment-message.ts";
import type { MessageState, PrivateResult, SubmitResult } from "./services.ts";
import { createSwarm, type MessageOptions, type Swarm } from "./testing/swarm.ts";

async function answer(swarm: Swarm, index: number, of: MessageOptions, limitMs = 20_000): Promise<SubmitResult> {
  const sent = swarm.submit(index, swarm.message(of), swarm.privateOf(of));
  await swarm.until(() => sent.result !== undefined, limitMs);
  return sent.result as SubmitResult;
}

describe("what is refused at the door", () => {
  test("each with its reason code", async () => {
    const swarm = createSwarm({ seed: 30, zones: [["EU"], [], [], []] });
    await swarm.startAll();
    const codeOf = async (index: number, message: Uint8Array, privatePayload?: Uint8Array) => {
      const sent = swarm.submit(index, message, privatePayload);
      await swarm.until(() => sent.result !== undefined, 1_000);
      return sent.result?.kind === "refused" ? sent.result.code : sent.result?.kind;
    };
    const good = swarm.message({ id: "m" });
    const flipped = (at: number) => good.map((byte, i) => (i === at ? byte ^ 1 : byte));
    expect(await codeOf(0, good.subarray(0, 200))).toBe("FF01");
    expect(await codeOf(0, flipped(50))).toBe("FF01");
    expect(await codeOf(0, flipped(230))).toBe("FF01");
    expect(await codeOf(0, flipped(170))).toBe("DS17");
    expect(await codeOf(0, swarm.message({ id: "old", life: -1 }))).toBe("TM01");
    expect(await codeOf(0, swarm.message({ id: "far", life: 90_000_000 }))).toBe("TM01");
    expect(await codeOf(0, swarm.message({ id: "zone", zone: 9 }))).toBe("FF01");
    expect(await codeOf(1, swarm.message({ id: "zone", zone: 1 }))).toBe("AG01");
    expect(await codeOf(0, swarm.message({ id: "private", private: "x" }))).toBe("FF01");
    expect(
      await codeOf(0, swarm.message({ id: "private", private: "x" }), swarm.privateOf({ id: "y", private: "x" })),
    ).toBe("FF01");
    const huge = { id: "huge", payments: 8_000, private: "x".repeat(1_000) };
    expect(await codeOf(0, swarm.message(huge), swarm.privateOf(huge))).toBe("FF01");
    expect(await codeOf(0, good)).toBe("accepted");
  });
});

describe("back-pressure", () => {
  test("a full queue says so and keeps nothing; it empties once blocks come again", async () => {
    const swarm = createSwarm({ seed: 31, limits: { queuePayments: 100 } });
    await swarm.startAll();
    const first = swarm.submit(0, swarm.message({ id: "a", payments: 60 }));
    expect(await answer(swarm, 0, { id: "b", payments: 60 })).toMatchObject({ kind: "overloaded", retryAfterMs: 250 });
    expect(swarm.driver(0).services.status().queuedPayments).toBe(60);
    await swarm.until(() => swarm.driver(0).services.status().queuedPayments === 0, 2_000);
    expect(first.result?.kind).toBe("accepted");
    expect(await answer(swarm, 0, { id: "b", payments: 60 })).toMatchObject({ kind: "accepted" });
  });

  test("without F + 1 power a message is not accepted; it stays queued and is once members are back", async () => {
    const swarm = createSwarm({ seed: 32, limits: { acceptTimeoutMs: 1_000 } });
    await swarm.startAll();
    for (const i of [1, 2, 3]) swarm.crash(i);
    const message = swarm.message({ id: "a" });
    const ask = async () => {
      const sent = swarm.submit(0, message);
      await swarm.until(() => sent.result !== undefined, 20_000);
      return sent.result;
    };
    expect(await ask()).toMatchObject({ kind: "not-ready" });
    expect(swarm.driver(0).services.status().queuedPayments).toBe(1);
    for (const i of [1, 2, 3]) await swarm.start(i);
    expect(await ask()).toMatchObject({ kind: "accepted" });
    await swarm.until(() => [0, 1, 2, 3].every((i) => swarm.settled(i) === 1), 20_000);
  });
});

test("a message of which every payment was rejected has its outcome after a restart too, when it comes again", async () => {
  const swarm = createSwarm({ seed: 12 });
  await swarm.startAll();
  const poor = { id: "poor", amount: 2_000_000_000 };
  const message = swarm.message(poor);
  const sent = swarm.submit(0, message);
  await swarm.until(() => sent.result !== undefined, 2_000);
  await swarm.world.runFor(2_000);
  for (const i of [0, 1, 2, 3]) swarm.crash(i);
  await swarm.startAll();
  await swarm.until(() => [0, 1, 2, 3].every((i) => swarm.driver(i).services.status().notReady === ""), 10_000);
  // Another message has the id meanwhile, and is rejected as well.
  const other = swarm.submit(1, swarm.message({ ...poor, amount: 3_000_000_000 }));
  await swarm.until(() => other.result !== undefined, 2_000);
  await swarm.world.runFor(2_000);
  const again = swarm.submit(2, message);
  await swarm.until(() => again.result !== undefined, 2_000);
  expect(again.result).toEqual(sent.result);
  const states: MessageState[] = [];
  void swarm
    .driver(2)
    .services.message(0, messageKey("poor"))
    .then((state) => states.push(state));
  await swarm.until(() => states.length > 0, 1_000);
  expect(states[0]).toMatchObject({ kind: "settled", outcome: { settled: 0, messageHash: messageHash(message) } });
  expect(swarm.driver(2).services.status().queuedPayments).toBe(0);
});

describe("private payloads", () => {
  async function privateAt(swarm: Swarm, index: number): Promise<PrivateResult> {
    const results: PrivateResult[] = [];
    const stream = swarm.stream(index, 1);
    await swarm.until(() => stream.blocks.length > 0, 10_000);
    stream.stop();
    const hash = stream.blocks[0]?.messages[0]?.messageHash ?? new Uint8Array(32);
    void swarm
      .driver(index)
      .services.privatePayload(hash)
      .then((result) => results.push(result));
    await swarm.until(() => results.length > 0, 1_000);
    return results[0] as PrivateResult;
  }

  test("of a settled message that commits to none is there, and empty", async () => {
    const swarm = createSwarm({ seed: 13 });
    await swarm.startAll();
    await answer(swarm, 0, { id: "bare" });
    for (const i of [0, 1, 2, 3])
      expect(await privateAt(swarm, i)).toMatchObject({ kind: "found", content: new Uint8Array(0), institution: 0 });
  });

  test("reach every member without a zone, after a restart too", async () => {
    const swarm = createSwarm({ seed: 33 });
    await swarm.startAll();
    const of = { id: "a", payments: 3, private: "Erika Mustermann" };
    expect(await answer(swarm, 0, of)).toMatchObject({ kind: "accepted" });
    await swarm.until(() => [0, 1, 2, 3].every((i) => swarm.settled(i) === 3), 5_000);
    for (const i of [0, 1, 2, 3]) expect(await privateAt(swarm, i)).toMatchObject({ kind: "found", institution: 0 });
    for (const i of [0, 1, 2, 3]) swarm.crash(i);
    await swarm.startAll();
    const found = await privateAt(swarm, 2);
    expect(found.kind === "found" && Uint8Array.from(found.content)).toEqual(swarm.privateOf(of));
  });

  test("of a zone stay in it: others order and execute the message and hold nothing of it", async () => {
    const swarm = createSwarm({ seed: 34, zones: [["EU"], ["EU"], ["EU"], []] });
    await swarm.startAll();
    const of = { id: "a", zone: 1, private: "Erika Mustermann" };
    expect(await answer(swarm, 0, of)).toMatchObject({ kind: "accepted" });
    await swarm.until(() => [0, 1, 2, 3].every((i) => swarm.settled(i) === 1), 5_000);
    for (const i of [0, 1, 2]) expect(await privateAt(swarm, i)).toMatchObject({ kind: "found" });
    expect(await privateAt(swarm, 3)).toMatchObject({ kind: "none" });
  });

  test("never enter gossip, nor the disks in clear", async () => {
    const swarm = createSwarm({ seed: 35 });
    const said: string[] = [];
    swarm.network.tap((_from, _to, bytes) => {
      said.push(Buffer.from(bytes).toString("latin1"));
      return bytes;
    });
    await swarm.startAll();
    expect(await answer(swarm, 0, { id: "a", private: "Erika Mustermann" })).toMatchObject({ kind: "accepted" });
    await swarm.until(() => [0, 1, 2, 3].every((i) => swarm.settled(i) === 1), 5_000);
    expect(said.length).toBeGreaterThan(10);
    expect(said.filter((text) => text.includes("Mustermann"))).toEqual([]);
    for (const { disk } of swarm.nodes) {
      for (const [path, size] of disk.files()) {
        const file = await disk.open(path, { create: false });
        const content = Buffer.from(await file.read(0, size)).toString("latin1");
        expect(content.includes("Mustermann")).toBe(false);
      }
    }
  });
});
