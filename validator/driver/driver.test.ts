import { describe, expect, test } from "vitest";
import { decodeBlocks, decodeCheckpointPart, encodeBlocks, encodeCheckpointPart } from "../codec/exchange.ts";
import type { Certificate, EpochConfig } from "../consensus/types.ts";
import { height } from "../consensus/types.ts";
import { memberKeys, verifyCertificate as verify, verifyPossession } from "../crypto/bls.ts";
import { setOf } from "../ledger/handover.ts";
import { exportedKeyBytes } from "../ledger/keys-check.ts";
import { verifyProof } from "../ledger/proof.ts";
import { decodeHandover } from "../ledger/proof-bytes.ts";
import { receiptCode } from "../ledger/receipts.ts";
import type { Reply } from "./ports.ts";
import type { PaymentState, ProofResult } from "./services.ts";
import { keysPart } from "./serving.ts";
import { allSettled, answering, everyone, expectSameRoots, settle } from "./testing/settling.ts";
import { createSwarm } from "./testing/swarm.ts";

describe("four validators", () => {
  test("a message is accepted, final, executed and settled on every one, and their roots agree", async () => {
    const swarm = createSwarm({ seed: 1 });
    await swarm.startAll();
    await swarm.world.runFor(3_000);
    const before = swarm.world.now();
    await settle(swarm, 0, "m1");
    await swarm.until(allSettled(swarm, 10), 2_000);
    expect(swarm.world.now() - before).toBeLessThan(60);
    await expectSameRoots(swarm);
  });

  test("the same message again has the same answer; another under its id is refused", async () => {
    const swarm = createSwarm({ seed: 2 });
    await swarm.startAll();
    const message = swarm.message({ id: "m1" });
    const twice = [
      swarm.submit(0, message),
      swarm.submit(0, message),
      swarm.submit(0, swarm.message({ id: "m1", amount: 7 })),
    ];
    await swarm.until(() => twice.every(({ result }) => result !== undefined), 1_000);
    expect(twice.map(({ result }) => result?.kind)).toEqual(["accepted", "accepted", "refused"]);
    await swarm.until(allSettled(swarm, 1), 2_000);
    const later = swarm.submit(2, message);
    await swarm.until(() => later.result !== undefined, 1_000);
    expect(later.result?.kind).toBe("accepted");
    await swarm.world.runFor(1_000);
    expect(swarm.settled(0)).toBe(1);
  });

  test("many messages at many validators fill batches while others travel", async () => {
    const swarm = createSwarm({ seed: 3 });
    await swarm.startAll();
    for (let i = 0; i < 200; i++) {
      swarm.submit(i % 4, swarm.message({ id: `m${i}`, payments: 5, institution: i % 4 }));
      if (i % 8 === 7) await swarm.world.runFor(1);
    }
    await swarm.until(allSettled(swarm, 1_000), 5_000);
    await expectSameRoots(swarm);
    const sealed = swarm.nodes.flatMap((node) => node.events.filter((event) => event.kind === "batch-sealed"));
    expect(sealed.length).toBeLessThan(100);
    expect(swarm.driver(0).services.status().queuedPayments).toBe(0);
  });

  test("settled blocks stream in order, once, from any height", async () => {
    const swarm = createSwarm({ seed: 4 });
    await swarm.startAll();
    const early = swarm.stream(1, 1);
    for (let i = 0; i < 5; i++) await settle(swarm, i % 4, `m${i}`);
    await swarm.until(allSettled(swarm, 50), 2_000);
    const late = swarm.stream(1, 1);
    const messages = () => [early, late].map(({ blocks }) => blocks.flatMap((block) => block.messages).length);
    await swarm.until(() => messages().every((count) => count === 5), 1_000);
    expect(late.blocks).toEqual(early.blocks);
    const heights = early.blocks.map(({ height }) => height);
    expect(heights).toEqual([...new Set(heights)].sort((a, b) => a - b));
    early.stop();
    late.stop();
  });
});

test("a settled payment's proof is verified offline from genesis; one that was rejected has none", async () => {
  const swarm = createSwarm({ seed: 20 });
  await swarm.startAll();
  await settle(swarm, 0, "a", 7);
  await settle(swarm, 1, "poor", 1, 2_000_000_000);
  await swarm.world.runFor(3_000);
  const ask = async (uetr: Uint8Array): Promise<ProofResult> => {
    const results: ProofResult[] = [];
    void swarm
      .driver(2)
      .services.proof(0, uetr)
      .then((result) => results.push(result));
    await swarm.until(() => results.length > 0, 1_000);
    return results[0]!;
  };
  const result = await ask(swarm.uetr("a", 4));
  expect(result.kind).toBe("proof");
  if (result.kind !== "proof") return;
  const keys = memberKeys(swarm.genesisConfig);
  const verifyCertificate = (certificate: Certificate) => verify(keys, certificate) !== undefined;
  const anchor = { config: swarm.genesisConfig, verifyCertificate };
  expect(verifyProof(result.bytes, anchor)).toMatchObject({ kind: "settled", institution: 0, payment: { amount: 1 } });
  const poor = await ask(swarm.uetr("poor", 0));
  expect(poor.kind).toBe("none");
  const status: PaymentState[] = [];
  void swarm
    .driver(2)
    .services.payment(0, swarm.uetr("poor", 0))
    .then((state) => status.push(state));
  await swarm.until(() => status.length > 0, 1_000);
  expect(status[0]).toMatchObject({ kind: "settled", code: receiptCode("insufficient-funds") });
});

test("a payment is proven across epochs, from genesis and from a later epoch's set, after a restart too", async () => {
  const swarm = createSwarm({ seed: 36, parameters: { epochBlocks: 6, idleInterval: 50 } });
  await swarm.startAll();
  await settle(swarm, 0, "a", 7);
  const epochOf = () => swarm.driver(2).services.status().epoch;
  await swarm.until(() => epochOf() >= 3, 20_000);
  swarm.crash(2);
  await swarm.start(2);
  const start = epochOf();
  await swarm.until(() => epochOf() > start, 20_000);
  await swarm.world.runFor(200);
  const kept = [...swarm.nodes[2]!.store!.handovers.entries()];
  expect(kept.map(([epoch]) => epoch)).toEqual(kept.map((_, i) => i + 1));
  expect(kept.length).toBeGreaterThanOrEqual(3);
  const ask = async (from: number): Promise<ProofResult> => {
    const results: ProofResult[] = [];
    void swarm
      .driver(2)
      .services.proof(0, swarm.uetr("a", 4), from)
      .then((result) => results.push(result));
    await swarm.until(() => results.length > 0, 1_000);
    return results[0]!;
  };
  const second = decodeHandover(kept[1]![1])!;
  const { members } = setOf(second)!;
  const configs = [swarm.genesisConfig, { ...swarm.genesisConfig, epoch: second.header.epoch, members }];
  for (const config of configs) {
    const result = await ask(config.epoch);
    expect(result).toMatchObject({ kind: "proof" });
    if (result.kind !== "proof") return;
    const verifyCertificate = (certificate: Certificate, of: EpochConfig) =>
      verify(memberKeys(of), certificate) !== undefined;
    const anchor = { config, verifyCertificate, provesPossession: verifyPossession };
    expect(verifyProof(result.bytes, anchor)).toMatchObject({ kind: "settled", payment: { amount: 1 } });
  }
  expect(await ask(1_000)).toEqual({ kind: "none", reason: "epoch 1000 has not begun" });
});

describe("crashes", () => {
  test("one dies under load: the others go on; it comes back, catches up and has the same root", async () => {
    const swarm = createSwarm({ seed: 5 });
    await swarm.startAll();
    for (let i = 0; i < 10; i++) await settle(swarm, i % 4, `a${i}`);
    swarm.crash(3);
    for (let i = 0; i < 20; i++) await settle(swarm, i % 3, `b${i}`);
    await swarm.until(allSettled(swarm, 300, [0, 1, 2]), 20_000);
    await swarm.start(3);
    await swarm.until(
      () => swarm.driver(3).services.status().executedHeight >= swarm.driver(0).services.status().finalizedHeight - 1,
      20_000,
    );
    await settle(swarm, 3, "back");
    await expectSameRoots(swarm);
  });

  test("two of four dead: nothing is final; restarted, it goes on and nothing accepted is lost", async () => {
    const swarm = createSwarm({ seed: 6 });
    await swarm.startAll();
    await settle(swarm, 0, "a");
    swarm.crash(1);
    swarm.crash(2);
    const sent = swarm.submit(0, swarm.message({ id: "b", payments: 10 }));
    await swarm.until(() => sent.result !== undefined, 20_000);
    const height = swarm.driver(0).services.status().finalizedHeight;
    await swarm.world.runFor(1_000);
    expect(swarm.driver(0).services.status().finalizedHeight).toBeLessThanOrEqual(height + 2);
    expect(sent.result?.kind).toBe("accepted");
    await swarm.start(1);
    await swarm.start(2);
    const stream = swarm.stream(0, 1);
    await swarm.until(() => stream.blocks.flatMap(({ messages }) => messages).length === 2, 60_000);
    await expectSameRoots(swarm);
  });

  test("all four die at once, right after an acceptance: restarted, the message settles", async () => {
    const swarm = createSwarm({ seed: 7 });
    await swarm.startAll();
    for (let i = 0; i < 5; i++) await settle(swarm, i % 4, `a${i}`);
    await settle(swarm, 0, "last");
    for (const i of everyone) swarm.crash(i);
    await swarm.world.runFor(500);
    await swarm.startAll();
    const streams = everyone.map((i) => swarm.stream(i, 1));
    await swarm.until(
      () => streams.every(({ blocks }) => blocks.flatMap(({ messages }) => messages).length === 6),
      60_000,
    );
    await expectSameRoots(swarm);
    await settle(swarm, 1, "next");
  });
});

describe("checkpoints", () => {
  test("a validator that slept longer than blocks are kept goes on from a certified checkpoint", async () => {
    const parameters = { checkpointInterval: 5, idleInterval: 50, suspectAfter: 200 };
    const swarm = createSwarm({ seed: 21, parameters, segmentBytes: 1 << 14 });
    await swarm.startAll();
    for (let i = 0; i < 4; i++) await settle(swarm, i, `a${i}`);
    swarm.crash(3);
    for (let i = 0; i < 30; i++) await settle(swarm, i % 3, `b${i}`);
    await swarm.until(() => [0, 1, 2].every((i) => swarm.driver(i).services.status().queuedPayments === 0), 20_000);
    await swarm.world.runFor(1_000);
    await swarm.start(3);
    const jumped = () =>
      swarm.nodes[3]!.events.some((event) => event.kind === "catch-up" && event.source === "checkpoint");
    await swarm.until(jumped, 20_000);
    await expectSameRoots(swarm);
    await settle(swarm, 3, "c");
    swarm.crash(3);
    await swarm.start(3);
    await expectSameRoots(swarm);
    await settle(swarm, 3, "d");
  });
});

test("a peer that leaves executed keys out of its checkpoint is refused with the reason, and another is asked", async () => {
  // Whoever is asked first lies, the others do not.
  let liar: number | undefined;
  const swarm = createSwarm({
    seed: 21,
    parameters: { checkpointInterval: 5, idleInterval: 50, suspectAfter: 200 },
    port: answering((index, protocol, truth) => {
      const reply = protocol === "fetch-blocks" ? decodeBlocks(truth) : undefined;
      // Nobody keeps the oldest blocks.
      if (reply?.kind === "ok" && (reply.value.blocks[0]?.header.height ?? 0) <= 15)
        return encodeBlocks({ ...reply.value, blocks: [], finalization: undefined, lowestHeight: height(16) });
      const part = protocol === "fetch-checkpoint" ? decodeCheckpointPart(truth) : undefined;
      if (part?.kind !== "ok" || part.value.content[0] !== keysPart) return truth;
      liar ??= index;
      if (index !== liar) return truth;
      const content = Uint8Array.of(keysPart, ...part.value.content.subarray(1 + exportedKeyBytes));
      return encodeCheckpointPart({ ...part.value, content });
    }),
  });
  await swarm.startAll();
  for (let i = 0; i < 4; i++) await settle(swarm, i, `a${i}`);
  swarm.crash(3);
  for (let i = 0; i < 12; i++) await settle(swarm, i % 3, `b${i}`);
  await swarm.until(() => [0, 1, 2].every((i) => swarm.driver(i).services.status().queuedPayments === 0), 20_000);
  await swarm.world.runFor(1_000);
  await swarm.start(3);
  const events = swarm.nodes[3]!.events;
  const refused = () =>
    events.some((event) => event.kind === "peer-penalized" && event.reason.startsWith("wrong-keys: "));
  await swarm.until(refused, 20_000);
  await swarm.until(() => events.some((event) => event.kind === "catch-up" && event.source === "checkpoint"), 30_000);
  expect(liar).toBeDefined();
  await expectSameRoots(swarm);
  await settle(swarm, 3, "c");
});

describe("clocks", () => {
  test("a wall clock that jumps stops the votes of its validator until it is back", async () => {
    const swarm = createSwarm({ seed: 12 });
    await swarm.startAll();
    swarm.nodes[0]!.clock.stepWall(-3_600_000);
    await swarm.until(() => !swarm.driver(0).services.status().voting, 2_000);
    expect(swarm.driver(0).services.status().notReady).toMatch(/wall clock stepped by -3600000 ms/);
    await settle(swarm, 1, "a");
    swarm.nodes[0]!.clock.stepWall(3_600_000);
    await swarm.until(() => swarm.driver(0).services.status().voting, 2_000);
    await swarm.until(allSettled(swarm, 10), 20_000);
  });

  test("all clocks jump forward together, as after a suspended machine: it goes on by itself", async () => {
    const swarm = createSwarm({ seed: 13 });
    await swarm.startAll();
    for (const node of swarm.nodes) node.clock.stepWall(86_400_000);
    await swarm.until(() => everyone.every((i) => !swarm.driver(i).services.status().voting), 2_000);
    await swarm.until(() => everyone.every((i) => swarm.driver(i).services.status().voting), 20_000);
    await settle(swarm, 1, "a");
  });
});

describe("networks", () => {
  test("loss, duplication and reordering delay, and change nothing else", async () => {
    const swarm = createSwarm({ seed: 14 });
    await swarm.startAll();
    for (const from of swarm.nodes)
      for (const to of swarm.nodes)
        if (from !== to) swarm.network.link(from.name, to.name, { loss: 0.1, duplicate: 0.2, delay: [1, 40] });
    for (let i = 0; i < 10; i++) await settle(swarm, i % 4, `m${i}`);
    await swarm.until(allSettled(swarm, 100), 60_000);
    await expectSameRoots(swarm);
  });

  test("a minority that was cut off follows once the cut heals", async () => {
    const swarm = createSwarm({ seed: 15 });
    await swarm.startAll();
    await settle(swarm, 0, "a");
    const names = swarm.nodes.map(({ name }) => name);
    swarm.network.partition([names.slice(0, 3), names.slice(3)]);
    for (let i = 0; i < 10; i++) await settle(swarm, i % 3, `b${i}`);
    await swarm.until(() => swarm.driver(3).services.status().notReady !== "", 5_000);
    swarm.network.heal();
    await swarm.until(allSettled(swarm, 110), 60_000);
    await expectSameRoots(swarm);
  });

  test("bytes that are no message are refused, and their sender is penalized", async () => {
    const swarm = createSwarm({ seed: 16 });
    await swarm.startAll();
    swarm.nodes[3]!.port.broadcast(new Uint8Array([1, 2, 3, 4]));
    const replies: Reply[] = [];
    const bytes = new Uint8Array(40).fill(255);
    void swarm.nodes[3]!.port.request(swarm.nodes[0]!.name, "batch", bytes, 1_000).then((reply) => replies.push(reply));
    await settle(swarm, 0, "a");
    await swarm.until(() => replies.length > 0, 1_000);
    expect(replies[0]).toMatchObject({ kind: "failed", failure: { kind: "refused" } });
    expect(swarm.network.penalties.filter(({ peer }) => peer === swarm.nodes[3]!.name).length).toBe(4);
  });
});

test("a seed is a run: the same events in the same order", async () => {
  const run = async () => {
    const swarm = createSwarm({ seed: 17 });
    await swarm.startAll();
    for (let i = 0; i < 5; i++) await settle(swarm, i % 4, `m${i}`);
    await swarm.world.runFor(2_000);
    return { events: swarm.world.events(), now: swarm.world.now(), told: swarm.nodes.map(({ events }) => events) };
  };
  expect(await run()).toEqual(await run());
});

describe("disks", () => {
  test("one slow disk delays nobody else", async () => {
    const swarm = createSwarm({ seed: 8 });
    await swarm.startAll();
    (swarm.nodes[2] ?? swarm.nodes[0])!.syncDelay = 300;
    await swarm.world.runFor(3_000);
    await settle(swarm, 0, "a");
    await swarm.until(() => [0, 1, 3].every((i) => swarm.driver(i).services.status().queuedPayments === 0), 5_000);
    await swarm.until(allSettled(swarm, 10), 10_000);
    await expectSameRoots(swarm);
  });

  test("a full disk stops the votes of its validator, is named, and recovers without a restart", async () => {
    const swarm = createSwarm({ seed: 9 });
    await swarm.startAll();
    await settle(swarm, 0, "a");
    const node = swarm.nodes[1]!;
    node.disk.failing = "no-space";
    await swarm.until(() => swarm.driver(1).services.status().notReady !== "", 10_000);
    expect(swarm.driver(1).services.status()).toMatchObject({ voting: false });
    expect(swarm.driver(1).services.status().notReady).toContain("no-space");
    const refused = swarm.submit(1, swarm.message({ id: "refused" }));
    await swarm.until(() => refused.result !== undefined, 100);
    expect(refused.result?.kind).toBe("not-ready");
    for (let i = 0; i < 5; i++) await settle(swarm, 0, `b${i}`);
    node.disk.failing = undefined;
    await swarm.until(() => swarm.driver(1).services.status().notReady === "", 20_000);
    await settle(swarm, 1, "c");
    await swarm.until(allSettled(swarm, 70), 20_000);
    await expectSameRoots(swarm);
  });
});
