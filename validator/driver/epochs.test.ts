import { bytesToHex } from "@noble/hashes/utils.js";
import { describe, expect, test } from "vitest";
import { blsSigner } from "../crypto/bls.ts";
import { ed25519Signer } from "../crypto/ed25519.ts";
import type { SimNetworkPort } from "../simulator/ports/sim-network.ts";
import type { Network, PeerAddress } from "./ports.ts";
import { everyone, expectSameRoots, settle, submitted } from "./testing/settling.ts";
import { createSwarm } from "./testing/swarm.ts";

describe("epochs", () => {
  test("a governance transaction closes the epoch: the next begins on every validator, and one that slept follows", async () => {
    const swarm = createSwarm({ seed: 10 });
    await swarm.startAll();
    await settle(swarm, 0, "a");
    swarm.crash(2);
    const transaction = swarm.governance(0, { kind: "set-parameters", parameters: { idleInterval: 400 } });
    expect(await swarm.driver(0).services.submitGovernance(transaction.bytes)).toMatchObject({ kind: "accepted" });
    await swarm.until(() => [0, 1, 3].every((i) => swarm.driver(i).services.status().epoch === 1), 20_000);
    await settle(swarm, 1, "b");
    await swarm.start(2);
    await swarm.until(() => swarm.driver(2).services.status().epoch === 1, 20_000);
    await settle(swarm, 2, "c");
    const streams = everyone.map((i) => swarm.stream(i, 1));
    await swarm.until(
      () => streams.every(({ blocks }) => blocks.flatMap(({ messages }) => messages).length === 3),
      20_000,
    );
    await expectSameRoots(swarm);
  });

  test("short epochs and checkpoints: restarts begin at the checkpoint", async () => {
    const swarm = createSwarm({ seed: 11, parameters: { epochBlocks: 12, checkpointInterval: 5, idleInterval: 50 } });
    await swarm.startAll();
    for (let i = 0; i < 20; i++) await settle(swarm, i % 4, `a${i}`);
    for (const i of everyone) swarm.crash(i);
    await swarm.startAll();
    for (let i = 0; i < 5; i++) await settle(swarm, i % 4, `b${i}`);
    await expectSameRoots(swarm);
    expect(swarm.driver(0).services.status().epoch).toBeGreaterThan(0);
  });
});

test("who joins when the first epochs' blocks are gone stands on a checkpoint of a later one, by way of its handovers", async () => {
  const swarm = createSwarm({
    seed: 36,
    learners: 2,
    segmentBytes: 1 << 14,
    parameters: { epochBlocks: 12, checkpointInterval: 5, idleInterval: 50 },
  });
  for (const i of everyone) await swarm.start(i);
  for (let i = 0; i < 24; i++) await settle(swarm, i % 4, `a${i}`);
  await swarm.until(() => everyone.every((i) => swarm.nodes[i]!.store!.lowestHeight > 20), 120_000);
  await swarm.until(() => swarm.driver(0).services.status().epoch > 3, 120_000);
  for (const learner of [4, 5]) {
    await swarm.start(learner);
    const heightOf = (index: number) => swarm.nodes[index]!.driver?.services.status().finalizedHeight ?? 0;
    await swarm.until(() => heightOf(learner) > 20 && heightOf(0) - heightOf(learner) < 8, 60_000);
    expect(swarm.nodes[learner]!.events).toContainEqual(
      expect.objectContaining({ kind: "catch-up", source: "checkpoint" }),
    );
  }
  await settle(swarm, 1, "b");
  await expectSameRoots(swarm, [...everyone, 4, 5]);
  for (const { failures } of swarm.nodes) expect(failures).toEqual([]);
});

test("a seat that was given new keys is dialled where the seat was", async () => {
  const dialled = new Map<number, readonly PeerAddress[]>();
  const port = (index: number, inner: SimNetworkPort): Network => ({
    ...inner,
    setPeers(peers) {
      dialled.set(index, peers);
      inner.setPeers(peers);
    },
  });
  const swarm = createSwarm({ seed: 35, port });
  await swarm.startAll();
  const bls = blsSigner(new Uint8Array(32).fill(7));
  const peer = ed25519Signer(new Uint8Array(32).fill(8));
  const [blsKey, peerKey] = [bytesToHex(bls.publicKey), bytesToHex(peer.publicKey)];
  const rotation = swarm.governance(0, {
    kind: "rotate-seat",
    epoch: 0,
    seat: "seat-3",
    currentKey: swarm.genesisConfig.members[3]!.blsKey,
    blsKey,
    peerKey,
    proofOfPossession: bytesToHex(bls.provePossession(peer.publicKey)),
  });
  expect(await swarm.driver(0).services.submitGovernance(rotation.bytes)).toMatchObject({ kind: "accepted" });
  await swarm.until(() => swarm.driver(0).services.status().epoch === 1, 20_000);
  expect(dialled.get(0)).toContainEqual({ peer: peerKey, addresses: ["/sim/seat-3"] });
  expect(dialled.get(0)?.map(({ peer: name }) => name)).not.toContain(swarm.nodes[3]!.name);
});

test("a learner of the epoch follows, executes to the same root and votes never; whom the chain does not name is let in nowhere", async () => {
  const swarm = createSwarm({ seed: 34, learners: 2, parameters: { epochBlocks: 20, idleInterval: 50 } });
  await swarm.startAll();
  await settle(swarm, 0, "a");
  const learner = swarm.driver(4).services;
  await swarm.until(() => swarm.settled(4) === 10 && swarm.settled(5) === 10, 20_000);
  expect(learner.status()).toMatchObject({ role: "learner", voting: false });
  expect(await submitted(swarm, 4, "b")).toMatchObject({ kind: "not-ready" });
  await expectSameRoots(swarm, [0, 1, 2, 3, 4]);
  // Through the next epoch, of which one of the two is learner no more.
  const only = swarm.governance(0, {
    kind: "set-learners",
    learners: [{ id: "learner-0", peerKey: swarm.nodes[4]!.name }],
  });
  expect(await swarm.driver(1).services.submitGovernance(only.bytes)).toMatchObject({ kind: "accepted" });
  await swarm.until(() => [0, 1, 2, 3, 4].every((i) => swarm.driver(i).services.status().epoch >= 1), 20_000);
  await settle(swarm, 2, "c");
  await swarm.until(() => swarm.settled(4) === 20, 20_000);
  await expectSameRoots(swarm, [0, 1, 2, 3, 4]);
  expect(swarm.nodes[4]!.events.filter(({ kind }) => kind === "vote-cast")).toEqual([]);
  expect(swarm.settled(5)).toBe(10);
});

test("a seat proven to equivocate has no power from the next epoch on, and settlement goes on without its region", async () => {
  const parameters = { epochBlocks: 12, idleInterval: 50, suspectAfter: 200, suspectBlocks: 5 };
  const swarm = createSwarm({ seed: 33, parameters, twins: [3] });
  await swarm.startAll();
  const powers = (i: number) =>
    swarm
      .driver(i)
      .services.directory()
      .members.map(({ power }) => power);
  const offenders = () =>
    new Set(
      swarm.nodes.flatMap(({ events }) => events.flatMap((e) => (e.kind === "equivocation" ? [e.offender] : []))),
    );
  for (let i = 0; i < 6; i++) {
    swarm.submit(i % 3, swarm.message({ id: `a${i}` }));
    await swarm.world.runFor(100);
  }
  await swarm.until(() => offenders().size > 0, 20_000);
  expect([...offenders()]).toEqual(["seat-3"]);
  await swarm.until(() => [0, 1, 2].every((i) => powers(i).join() === "1,1,1,0"), 30_000);
  expect([0, 1, 2].map((i) => swarm.driver(i).services.directory().faultPower)).toEqual([0, 0, 0]);
  swarm.crash(3);
  swarm.crash(4);
  await settle(swarm, 0, "after");
  await swarm.until(() => [0, 1, 2].every((i) => swarm.settled(i) >= 16), 30_000);
  await expectSameRoots(swarm, [0, 1, 2]);
  // Somebody who starts anew replays it to the same state.
  swarm.crash(1);
  await swarm.start(1);
  await swarm.until(() => powers(1).join() === "1,1,1,0", 10_000);
  await settle(swarm, 1, "again");
  await expectSameRoots(swarm, [0, 1, 2]);
});
