import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Block, Certificate, Height } from "../consensus/types.ts";
import { digest, height as toHeight } from "../consensus/types.ts";
import type { Store } from "../storage/types.ts";
import { createShadow, type RootMismatch } from "./shadow.ts";
import { settle } from "./testing/settling.ts";
import { createSwarm } from "./testing/swarm.ts";

const rootOf = (height: number, fault = 0) => digest(`${fault}${String(height).padStart(63, "0")}`);
const hashOf = (rootHeight: number) => digest(`f${String(rootHeight).padStart(63, "0")}`);
/** A final block that names the root of a height. */
const naming = (rootHeight: number, root = rootOf(rootHeight)) => {
  const hash = hashOf(rootHeight);
  const block = { hash, header: { rootHeight: toHeight(rootHeight), root } } as Block;
  return [block, { block: hash } as Certificate] as const;
};
const executed = (height: number, payments = 10, root = rootOf(height)) => {
  return { height: toHeight(height), root, messages: [{ payments }] as never };
};

describe("what is computed is compared with what is certified", () => {
  test("whichever comes first; a root covers the blocks before it", () => {
    const shadow = createShadow(() => expect.unreachable());
    for (const height of [1, 2, 3]) shadow.executed(executed(height));
    expect(shadow.state).toMatchObject({ compared: undefined, blocks: 0 });
    shadow.finalized(...naming(2));
    expect(shadow.state).toEqual({
      compared: { height: 2, root: rootOf(2) },
      blocks: 2,
      payments: 20,
      mismatch: undefined,
    });
    shadow.finalized(...naming(5));
    for (const height of [4, 5, 6]) shadow.executed(executed(height));
    expect(shadow.state).toMatchObject({ compared: { height: 5 }, blocks: 5, payments: 50 });
    // What was compared is not looked at again.
    shadow.finalized(...naming(4, rootOf(4, 1)));
    expect(shadow.state.mismatch).toBeUndefined();
  });

  test("a finalization of another block says nothing of this header", () => {
    const shadow = createShadow(() => expect.unreachable());
    shadow.executed(executed(1));
    const [block] = naming(1, rootOf(1, 9));
    shadow.finalized(block, { block: hashOf(7) } as Certificate);
    expect(shadow.state).toMatchObject({ compared: undefined, mismatch: undefined });
  });

  test("the first mismatch stands, with the header that shows it", () => {
    const told: RootMismatch[] = [];
    const shadow = createShadow((mismatch) => told.push(mismatch));
    for (const height of [1, 2, 3, 4]) shadow.executed(executed(height, 10, rootOf(height, height >= 3 ? 1 : 0)));
    for (const height of [2, 3, 4]) shadow.finalized(...naming(height));
    const mismatch = { height: 3, expected: rootOf(3), computed: rootOf(3, 1) };
    expect(told).toEqual([mismatch]);
    expect(shadow.state).toEqual({ compared: { height: 2, root: rootOf(2) }, blocks: 2, payments: 20, mismatch });
    expect(shadow.evidence?.header.rootHeight).toBe(3);
  });

  test("in any order, a fault at a height is found at the first root at or above it", () => {
    const events = fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { minLength: 1 }).chain((named) =>
      fc.record({
        named: fc.constant(named.toSorted((a, b) => a - b)),
        faultAt: fc.integer({ min: 1, max: 41 }),
        // How many roots are certified before each block is executed.
        ahead: fc.array(fc.nat(3), { minLength: 40, maxLength: 40 }),
      }),
    );
    fc.assert(
      fc.property(events, ({ named, faultAt, ahead }) => {
        const told: RootMismatch[] = [];
        const shadow = createShadow((mismatch) => told.push(mismatch));
        const waiting = [...named];
        for (let height = 1; height <= 40; height++) {
          for (const at of waiting.splice(0, ahead[height - 1])) shadow.finalized(...naming(at));
          shadow.executed(executed(height, 1, rootOf(height, height >= faultAt ? 1 : 0)));
        }
        for (const at of waiting) shadow.finalized(...naming(at));
        const found = named.find((at) => at >= faultAt);
        expect(told.map(({ height }) => height)).toEqual(found === undefined ? [] : [found]);
        const good = named.filter((at) => at < faultAt).at(-1);
        expect(shadow.state.compared?.height).toBe(good);
        expect(shadow.state.payments).toBe(good ?? 0);
      }),
    );
  });

  test("memory is bounded when nothing meets", () => {
    const shadow = createShadow(() => expect.unreachable());
    for (let height = 1; height <= 5_000; height++) shadow.executed(executed(height, 1));
    // Forgotten: an old root finds nothing to compare.
    shadow.finalized(...naming(3_000));
    expect(shadow.state.compared).toBeUndefined();
    shadow.finalized(...naming(4_990));
    expect(shadow.state).toMatchObject({ blocks: 4_990, payments: 4_990 });
  });
});

/** Finds every message executed before: a ledger that rejects what the others settle. */
const forgetful = (keys: Store["keys"]): Store["keys"] =>
  new Proxy(keys, {
    get(target, name) {
      if (name === "find") return () => ({ height: 1 as Height, position: 0 });
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });

describe("a process whose ledger is another", () => {
  const faulty = (seed: number, node: number, learners: number) =>
    createSwarm({ seed, learners, keys: (index, keys) => (index === node ? forgetful(keys) : keys) });

  test("a learner says at which height, with both roots, and executes no further", async () => {
    const swarm = faulty(71, 4, 2);
    await swarm.startAll();
    await swarm.world.runFor(2_000);
    const report = async (node: number) => swarm.driver(node).services.chainReport(0, []);
    const status = () => swarm.driver(4).services.status();
    expect((await report(4)).shadow).toMatchObject({ mismatch: undefined });
    expect(status().role).toBe("learner");
    await settle(swarm, 0, "m1");
    await swarm.until(() => status().role === "quarantined", 5_000);
    // A notarization showed it; the proof comes with the next final header.
    await swarm.world.runFor(2_000);
    const { shadow, final } = await report(4);
    const { height, expected, computed } = shadow.mismatch!;
    expect(final?.header).toMatchObject({ rootHeight: height, root: expected });
    expect(computed).not.toBe(expected);
    const stopped = status().executedHeight;
    await settle(swarm, 1, "m2");
    await swarm.world.runFor(2_000);
    expect(status()).toMatchObject({ executedHeight: stopped, voting: false });
    expect(status().finalizedHeight).toBeGreaterThan(stopped);
    expect(swarm.nodes[4]!.failures).toEqual([]);
    // The other learner compares every block and finds them equal.
    const { shadow: good } = await report(5);
    expect(good).toMatchObject({ mismatch: undefined, payments: 20 });
    expect(good.compared!.height).toBeGreaterThan(height);
  });

  test("a member signs nothing that names another root, and nothing at all once it is seen", async () => {
    const swarm = faulty(72, 3, 0);
    await swarm.startAll();
    await settle(swarm, 0, "m1");
    const { events } = swarm.nodes[3]!;
    await swarm.until(() => events.some(({ kind }) => kind === "quarantined"), 5_000);
    const seen = events.findIndex(({ kind }) => kind === "quarantined");
    await settle(swarm, 1, "m2");
    await swarm.world.runFor(5_000);
    expect(events.slice(seen).filter(({ kind }) => kind === "vote-cast")).toEqual([]);
    expect(swarm.driver(3).services.status()).toMatchObject({ role: "quarantined", voting: false });
    const mismatch = (await swarm.driver(3).services.chainReport(0, [])).shadow.mismatch;
    expect(mismatch?.computed).not.toBe(mismatch?.expected);
    // After a restart too: the ledger on its volume is still another.
    swarm.crash(3);
    await swarm.start(3);
    await settle(swarm, 0, "m3");
    await swarm.until(() => swarm.driver(3).services.status().role === "quarantined", 10_000);
  });
});
