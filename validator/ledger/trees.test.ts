import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hashChunks, merkleRoot } from "../codec/merkle.ts";
import { type AccountFields, createAccounts, readAccount, writeAccount } from "./accounts.ts";
import { createHistory, decodeHistory, eraBlocks, historyRootOf } from "./history.ts";
import { createMemoryKeys } from "./memory-keys.ts";
import { codeLeaves, keysDigest, messageLeaf, receiptLeaves } from "./receipt-tree.ts";

const money = fc.oneof(fc.nat(), fc.constant(Number.MAX_SAFE_INTEGER));
const limit = fc.oneof(money, fc.constant(Number.POSITIVE_INFINITY));
const account: fc.Arbitrary<AccountFields> = fc.record({
  institution: fc.nat(60_000),
  currency: fc.constantFrom(978, 840, 36),
  balance: fc.oneof(money, fc.integer({ min: -(2 ** 40), max: -1 })),
  debitCap: money,
  perPaymentLimit: limit,
  perDayLimit: limit,
  day: fc.nat(1_000_000),
  dayTotal: money,
});

describe("the accounts' tree", () => {
  test("hashed by what was touched is the tree hashed whole", () => {
    const change = fc.record({ index: fc.nat(200), balance: fc.nat() });
    const steps = fc.array(fc.oneof(account, fc.array(change, { maxLength: 8 })), { maxLength: 40 });
    fc.assert(
      fc.property(fc.array(account, { minLength: 1, maxLength: 20 }), steps, (initial, then) => {
        const accounts = createAccounts(initial);
        for (const step of then) {
          if (!Array.isArray(step)) accounts.open(step);
          else
            for (const { index, balance } of step) {
              if (index >= accounts.count) continue;
              accounts.columns.balance[index] = balance;
              accounts.touch(index);
            }
          accounts.root();
        }
        const width = 2 ** Math.ceil(Math.log2(Math.max(16, accounts.count)));
        const leaves = new Uint8Array(64 * width);
        const fields = Array.from({ length: accounts.count }, (_, i) => accounts.fields(i));
        for (const [i, each] of fields.entries()) writeAccount(leaves.subarray(64 * i, 64 * i + 64), each);
        expect(accounts.root()).toEqual(createAccounts(fields).root());
        expect(fields.map((each) => ({ ...each }))).toEqual(
          fields.map((_, i) => readAccount(leaves.subarray(64 * i, 64 * i + 64))),
        );
        expect(hashChunks(leaves)).toHaveLength(32 * width);
      }),
      { numRuns: 60 },
    );
  });

  test("an account has one spelling: any other bytes are none, or another account", () => {
    fc.assert(
      fc.property(account, fc.nat(63), fc.integer({ min: 1, max: 255 }), (fields, at, flip) => {
        const bytes = new Uint8Array(64);
        writeAccount(bytes, fields);
        expect(readAccount(bytes)).toEqual(fields);
        bytes[at] = (bytes[at] ?? 0) ^ flip;
        expect(readAccount(bytes)).not.toEqual(fields);
      }),
    );
  });
});

describe("the history", () => {
  const leafOf = (index: number) => new Uint8Array(32).fill((index * 7) % 251).fill(index % 256, 0, 4);

  test("any later root proves any earlier block, across eras; a restored one goes on", () => {
    const history = createHistory();
    const roots = new Map<number, Uint8Array>();
    const total = 2 * eraBlocks + 10;
    const marks = [1, 2, 100, eraBlocks - 1, eraBlocks, eraBlocks + 1, 2 * eraBlocks, total];
    let restored: ReturnType<typeof createHistory> | undefined;
    for (let i = 0; i < total; i++) {
      history.append(leafOf(i));
      restored?.append(leafOf(i));
      if (marks.includes(i + 1)) roots.set(i + 1, history.root());
      if (i === eraBlocks + 5) restored = decodeHistory(history.encode());
    }
    expect(restored?.root()).toEqual(history.root());
    for (const at of marks) {
      for (const index of [0, 1, 50, eraBlocks - 1, eraBlocks, 2 * eraBlocks - 1, 2 * eraBlocks, at - 1]) {
        const path = history.path(index, at);
        if (index >= at) expect(path).toBeUndefined();
        else if (!path) throw new Error(`no path from ${index} to ${at}`);
        else {
          expect(historyRootOf(leafOf(index), index, path)).toEqual(roots.get(at));
          expect(historyRootOf(leafOf(index + 1), index, path)).not.toEqual(roots.get(at));
        }
      }
    }
  });

  test("an encoding that is cut or too long is none", () => {
    const history = createHistory();
    for (let i = 0; i < 5; i++) history.append(leafOf(i));
    const bytes = history.encode();
    expect(decodeHistory(bytes)?.root()).toEqual(history.root());
    expect(decodeHistory(bytes.subarray(1))).toBeUndefined();
    expect(decodeHistory(Uint8Array.of(...bytes, 0))).toBeUndefined();
    expect(decodeHistory(new Uint8Array(8).fill(255))).toBeUndefined();
  });

  test("an empty tree has a root of its own", () => {
    expect(merkleRoot(new Uint8Array(0))).toHaveLength(32);
    expect(createHistory().root()).toHaveLength(32);
  });
});

test("executed keys in memory behave like a map", () => {
  const key = fc.record({ kind: fc.constantFrom(1, 129), institution: fc.nat(2), uetr: fc.nat(40) });
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.record({ do: fc.constant("add" as const), key, height: fc.nat(20) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("find" as const), key, height: fc.constant(0) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("forget" as const), key, height: fc.nat(15) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const keys = createMemoryKeys(4);
      const model = new Map<string, { height: number; position: number }>();
      for (const [
        position,
        {
          do: what,
          key: { kind, institution, uetr },
          height,
        },
      ] of steps.entries()) {
        const source = new Uint8Array(20);
        source[3 + (uetr % 16)] = 1 + uetr;
        const name = `${kind} ${institution} ${uetr}`;
        if (what === "add") {
          expect(keys.add(kind, institution, source, 3, height, position)).toBe(!model.has(name));
          if (!model.has(name)) model.set(name, { height, position });
        } else if (what === "find") expect(keys.find(kind, institution, source, 3)).toEqual(model.get(name));
        else {
          keys.forget(height);
          for (const [each, place] of model) if (place.height <= height) model.delete(each);
        }
      }
    }),
    { numRuns: 200 },
  );
});

test("a block may have more messages than a call may have arguments", () => {
  const source = {
    kind: 1,
    institution: 3,
    zone: 0,
    messageKey: new Uint8Array(32).fill(1),
    messageHash: new Uint8Array(32).fill(2),
    recordsRoot: new Uint8Array(32).fill(3),
    records: new Uint8Array(64).fill(4),
    codes: new Uint8Array(1),
  };
  const sources = Array.from({ length: 200_000 }, () => source);
  const block = { height: 7, time: 8 };
  const leaves = receiptLeaves(sources, [], block);
  const place = { ...block, institution: 3, kind: 1, zone: 0, first: 199_999, receipts: 200_000 };
  expect(leaves.subarray(-32)).toEqual(messageLeaf(source.recordsRoot, merkleRoot(codeLeaves(source.codes)), place));
  expect(keysDigest(sources)).not.toEqual(keysDigest(sources.slice(1)));
});

test("a history of a hundred thousand eras opens, proves and goes on", () => {
  const eras = 130_000;
  const encoded = new Uint8Array(8 + 32 * eras);
  const view = new DataView(encoded.buffer);
  const count = eras * eraBlocks;
  view.setUint32(0, count >>> 0, true);
  view.setUint32(4, Math.floor(count / 2 ** 32), true);
  const history = decodeHistory(encoded);
  if (!history) throw new Error("it is one");
  const leaf = new Uint8Array(32).fill(5);
  history.append(leaf);
  const path = history.path(count, count + 1);
  expect(path && historyRootOf(leaf, count, path)).toEqual(history.root());
  expect(history.path(0, count + 1)).toBeUndefined();
});
