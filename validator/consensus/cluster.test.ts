import { describe, expect, test } from "vitest";
import { assertAgreement, type Cluster, createCluster, generator } from "./testing/cluster.ts";

const four = { powers: [1, 1, 1, 1], regions: ["eu-west", "us-east", "ap-south", "eu-north"] };
const everySettled = (cluster: Cluster, height: number) => () =>
  cluster.nodes.every((node) => !node.up || cluster.settled(node.seat) >= height);
const pending = (cluster: Cluster) =>
  cluster.nodes.filter((node) => node.up).some((node) => [...node.state.payload.values()].some((entry) => entry.held));

describe("four members, a quiet network", () => {
  test("a batch is final and settled on every member within a few message delays", () => {
    const cluster = createCluster({ ...four, seed: 1 });
    cluster.runFor(3_000);
    const before = cluster.now();
    cluster.batch(0);
    cluster.until(() => !pending(cluster), 200);
    const height = cluster.height(0);
    cluster.until(everySettled(cluster, height), 200);
    expect(cluster.now() - before).toBeLessThan(60);
    assertAgreement(cluster);
  });

  test("an idle swarm makes about one block a second", () => {
    const cluster = createCluster({ ...four, seed: 2 });
    cluster.runFor(20_000);
    expect(cluster.height(0)).toBeGreaterThan(12);
    expect(cluster.height(0)).toBeLessThan(22);
  });
});

describe("a member dies", () => {
  test("commits go on at once, settlement after its region is degraded, and the region is required again later", () => {
    const cluster = createCluster({ ...four, seed: 3 });
    const random = generator(7);
    const load = () => cluster.batch(Math.floor(random() * 3));
    for (let i = 0; i < 50; i++) {
      load();
      cluster.runFor(10);
    }
    cluster.crash(3);
    const settledBefore = cluster.settled(0);
    const finalBefore = cluster.height(0);
    for (let i = 0; i < 50; i++) {
      load();
      cluster.runFor(10);
    }
    expect(cluster.height(0)).toBeGreaterThan(finalBefore + 5);
    expect(cluster.settled(0)).toBeLessThan(settledBefore + 5);
    let waited = 0;
    while (cluster.settled(0) < cluster.height(0) - 5 && waited < 5_000) {
      load();
      cluster.runFor(10);
      waited += 10;
    }
    expect(waited).toBeLessThan(4_000);
    expect(cluster.nodes[0]?.coverage.degraded).toEqual(["eu-north"]);

    cluster.restart(3);
    cluster.until(() => cluster.nodes.every((node) => node.coverage.degraded.length === 0), 60_000);
    assertAgreement(cluster);
  });

  test("a dead leader is waited for once or twice, then skipped", () => {
    const cluster = createCluster({ ...four, seed: 4 });
    for (let i = 0; i < 100; i++) {
      cluster.batch(i % 4);
      cluster.runFor(10);
    }
    cluster.crash(2);
    for (let i = 0; i < 100; i++) {
      cluster.batch(i % 2);
      cluster.runFor(10);
    }
    const late = cluster.trace.length;
    for (let i = 0; i < 300; i++) {
      cluster.batch(i % 2);
      cluster.runFor(10);
    }
    const timeouts = cluster.trace.slice(late).filter((line) => line.includes("timed-out"));
    expect(timeouts).toEqual([]);
  });

  test("two of four dead: no commit; all four dead at once and restarted: it goes on", () => {
    const cluster = createCluster({ ...four, seed: 5 });
    cluster.batch(0);
    cluster.runFor(500);
    cluster.crash(1);
    cluster.crash(2);
    cluster.runFor(100);
    const stuck = cluster.height(0);
    cluster.batch(0);
    cluster.runFor(10_000);
    expect(cluster.height(0)).toBe(stuck);
    cluster.crash(0);
    cluster.crash(3);
    for (const seat of [0, 1, 2, 3]) cluster.restart(seat);
    cluster.until(() => cluster.height(0) > stuck + 2 && !pending(cluster), 60_000);
    assertAgreement(cluster);
  });
});

describe("seeds", () => {
  const seeds = Array.from({ length: 100 }, (_, i) => i + 1);
  test.each(seeds)("seed %i: safe under loss, cuts and crashes, live after healing", (seed) => {
    const random = generator(seed * 7919);
    const powers = random() < 0.5 ? [1, 1, 1, 1] : [3, 2, 2, 2, 1];
    const cluster = createCluster({
      powers,
      seed,
      loss: random() * 0.3,
      parameters: { timeoutPolicy: random() < 0.5 ? "ema" : "learned" },
    });
    const n = powers.length;
    for (let i = 0; i < 60; i++) {
      cluster.batch(Math.floor(random() * n));
      const seat = Math.floor(random() * n);
      const roll = random();
      if (roll < 0.1) cluster.crash(seat);
      else if (roll < 0.25 && cluster.nodes[seat]?.up === false) cluster.restart(seat);
      else if (roll < 0.4) cluster.link(seat, Math.floor(random() * n), false);
      else if (roll < 0.55) cluster.link(seat, Math.floor(random() * n), true);
      cluster.runFor(random() * 150);
    }
    assertAgreement(cluster);
    for (const node of cluster.nodes) {
      if (!node.up) cluster.restart(node.seat);
      for (const peer of cluster.nodes) cluster.link(node.seat, peer.seat, true);
    }
    cluster.batch(0);
    const goal = Math.max(...cluster.nodes.map((node) => cluster.height(node.seat))) + 3;
    cluster.until(() => cluster.nodes.every((node) => cluster.height(node.seat) >= goal), 120_000);
    assertAgreement(cluster);
    expect(cluster.nodes.every((node) => !node.state.quarantined)).toBe(true);
  });
});
