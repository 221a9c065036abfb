import { describe, expect, test } from "vitest";
import { eraBlocks } from "./history.ts";
import { checkKeys, exportedKeyBytes } from "./keys-check.ts";
import { createMemoryKeys } from "./memory-keys.ts";
import { batchOf, message, testChain } from "./testing/chain.ts";
import type { ExecutedKeys } from "./types.ts";

/** A chain with the keys it added, as a peer's export gives them. */
function recorded() {
  const exported: Uint8Array[] = [];
  const inner = createMemoryKeys();
  const keys: ExecutedKeys = {
    ...inner,
    add(kind, institution, source, offset, height, position) {
      const added = inner.add(kind, institution, source, offset, height, position);
      if (!added) return false;
      const key = new Uint8Array(exportedKeyBytes);
      const view = new DataView(key.buffer);
      key.set(source.subarray(offset, offset + 16));
      view.setUint32(16, (kind << 24) | institution, true);
      view.setUint32(20, height, true);
      view.setUint32(24, position, true);
      exported.push(key);
      return true;
    },
  };
  return { chain: testChain({}, { keys }), exported };
}

/** Settled and rejected payments, an empty block, two messages of two institutions in one. */
function lived() {
  const { chain, exported } = recorded();
  const amount = 900_000_000;
  chain.execute([batchOf(message(chain, "a", [{ id: 1 }, { id: 2, amount }, { id: 3 }]))]);
  chain.execute([]);
  const other = message(chain, "a", [{ id: 1, debtor: 2, creditor: 0 }], { institution: 1 });
  chain.execute([batchOf(message(chain, "poor", [{ id: 4, amount }])), batchOf(other)]);
  for (let i = 0; i < 20; i++) {
    const payments = Array.from({ length: i + 1 }, (_, n) => ({ id: 100 * (i + 1) + n, amount: 1 }));
    chain.execute([batchOf(message(chain, `m${i}`, payments))]);
  }
  return { history: chain.ledger.history, exported };
}

const parts = (keys: readonly Uint8Array[]) =>
  async function* () {
    for (const key of keys) yield key;
  };

describe("executed keys of a peer", () => {
  test("are certified when they are all of the chain's, in any order, with any memory that holds a block's", async () => {
    const { history, exported } = lived();
    const shuffled = exported.toReversed();
    for (const keysInMemory of [24, 25, 40, 100, 1_000]) {
      expect(await checkKeys({ history, above: 0, scan: parts(shuffled), keysInMemory })).toEqual({
        kind: "certified",
      });
    }
    expect(await checkKeys({ history, above: 0, scan: parts(shuffled), keysInMemory: 10 })).toMatchObject({
      kind: "wrong",
    });
  });

  test("are wrong with any one left out, added, doubled, moved to another block or changed in any byte", async () => {
    const { history, exported } = lived();
    const refused = async (keys: readonly Uint8Array[], what: string) =>
      expect((await checkKeys({ history, above: 0, scan: parts(keys) })).kind, what).toBe("wrong");
    for (const [i, key] of exported.entries()) {
      const others = exported.toSpliced(i, 1);
      await refused(others, `without ${i}`);
      await refused([...exported, key], `twice ${i}`);
      // Up to the height; a position says only the order.
      for (let byte = i % 3; byte < 24; byte += 3) {
        const flipped = key.slice();
        flipped[byte] = (flipped[byte] ?? 0) ^ (1 << (i % 8));
        await refused([...others, flipped], `byte ${byte} of ${i}`);
      }
    }
    const beyond = (exported[0] ?? new Uint8Array(0)).slice();
    beyond[20] = 200;
    await refused([...exported, beyond], "of no block");
  });

  test("are compared era by era once the oldest eras are forgotten", async () => {
    const { chain, exported } = recorded();
    const minutes = 0.01;
    for (let i = 1; i <= eraBlocks + 10; i++)
      chain.execute(i % 512 === 7 ? [batchOf(message(chain, `m${i}`, [{ id: i }]))] : [], {}, { minutes });
    const { history } = chain.ledger;
    const newer = exported.filter((key) => new DataView(key.buffer).getUint32(20, true) > eraBlocks);
    expect(newer.length).toBeGreaterThan(0);
    expect(await checkKeys({ history, above: eraBlocks, scan: parts(newer) })).toEqual({ kind: "certified" });
    expect(await checkKeys({ history, above: 0, scan: parts(exported) })).toEqual({ kind: "certified" });
    expect(await checkKeys({ history, above: 0, scan: parts(exported.filter((key) => key[20] !== 7)) })).toMatchObject({
      reason: "the keys of blocks from 1 on are not those under the certified root",
    });
    expect((await checkKeys({ history, above: eraBlocks, scan: parts(newer.slice(1)) })).kind).toBe("wrong");
  });
});
