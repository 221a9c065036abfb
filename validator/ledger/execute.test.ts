import { describe, expect, test } from "vitest";
import { openLedger } from "./execute.ts";
import { buildTransaction } from "./governance.ts";
import { createMemoryKeys } from "./memory-keys.ts";
import { type ReceiptName, receiptCode } from "./receipts.ts";
import { decodeSnapshot } from "./snapshot.ts";
import { batchOf, message, type PaymentFields, testChain } from "./testing/chain.ts";

const codesOf = (codes: Uint8Array | undefined) => [...(codes ?? [])];
const named = (...names: ReceiptName[]) => names.map(receiptCode);

describe("a payment", () => {
  test("moves money between two accounts of one currency, and the root changes", () => {
    const chain = testChain();
    const before = chain.ledger.executed.root;
    const { messages, root } = chain.execute([batchOf(message(chain, "m1", [{ id: 1, amount: 250 }]))]);
    expect(messages).toMatchObject([{ institution: 0, payments: 1, settled: 1, creditors: [1] }]);
    expect([chain.ledger.accounts.balance[0], chain.ledger.accounts.balance[2]]).toEqual([99_999_750, 100_000_250]);
    expect(root).not.toBe(before);
  });

  const rejections: readonly [ReceiptName, PaymentFields][] = [
    ["unknown-debtor", { id: 1, debtor: 800 }],
    ["unknown-creditor", { id: 1, creditor: 800 }],
    ["not-the-owner", { id: 1, debtor: 2, creditor: 0 }],
    ["same-account", { id: 1, creditor: 0 }],
    ["wrong-currency", { id: 1, currency: 840 }],
    ["wrong-currency", { id: 1, creditor: 3 }],
    ["zero-amount", { id: 1, amount: 0 }],
    ["insufficient-funds", { id: 1, amount: 100_000_001 }],
    ["payment-limit", { id: 1, debtor: 1, creditor: 3, currency: 840, amount: 1_000_001 }],
  ];
  test.each(rejections)("%s is a receipt, not an exception, and moves nothing", (name, payment) => {
    const chain = testChain();
    const { messages } = chain.execute([batchOf(message(chain, "m1", [payment, { id: 2 }]))]);
    expect(codesOf(messages[0]?.codes)).toEqual([receiptCode(name), 0]);
    expect(chain.ledger.accounts.balance[0]).toBe(99_999_900);
  });

  test("the day's limit counts debits of one UTC day, and begins again the next", () => {
    const chain = testChain();
    const usd = (id: number): PaymentFields => ({ id, debtor: 1, creditor: 3, currency: 840, amount: 900_000 });
    const pay = (id: number, minutes: number) => {
      const expiry = chain.genesis.time + 23 * 3_600_000 + minutes * 60_000;
      return codesOf(
        chain.execute([batchOf(message(chain, `m${id}`, [usd(id)], { expiry }))], {}, { minutes }).messages[0]?.codes,
      );
    };
    expect(pay(1, 1)).toEqual([0]);
    expect(pay(2, 1)).toEqual(named("day-limit"));
    expect(pay(3, 24 * 60)).toEqual([0]);
  });
});

describe("exactly once", () => {
  test("a UETR is executed once; a rejected payment does not consume it", () => {
    const chain = testChain();
    const first = chain.execute([batchOf(message(chain, "m1", [{ id: 7, amount: 100_000_001 }, { id: 8 }]))]);
    expect(codesOf(first.messages[0]?.codes)).toEqual([receiptCode("insufficient-funds"), 0]);
    const second = chain.execute([batchOf(message(chain, "m2", [{ id: 7 }, { id: 8 }, { id: 7 }]))]);
    expect(codesOf(second.messages[0]?.codes)).toEqual([0, ...named("duplicate-payment", "duplicate-payment")]);
  });

  test("a message ordered twice has one set of receipts", () => {
    const chain = testChain();
    const batch = batchOf(message(chain, "m1", [{ id: 1 }]));
    chain.execute([batch]);
    expect(chain.execute([batch]).messages).toEqual([]);
    expect(chain.ledger.accounts.balance[0]).toBe(99_999_900);
  });

  test("another institution may use the same UETR", () => {
    const chain = testChain();
    chain.execute([batchOf(message(chain, "m1", [{ id: 1 }]))]);
    const other = message(chain, "m1", [{ id: 1, debtor: 2, creditor: 0 }], { institution: 1 });
    expect(codesOf(chain.execute([batchOf(other)]).messages[0]?.codes)).toEqual([0]);
  });

  test("keys are forgotten once every message that could carry them has expired", () => {
    const forgotten: number[] = [];
    const keys = { ...createMemoryKeys(), forget: (height: number) => void forgotten.push(height) };
    const chain = testChain({}, { keys });
    for (let i = 0; i < 4_300; i++) chain.execute([], {}, { minutes: 0.05 });
    expect(forgotten).toEqual([]);
    // Heights are noted every 1/256 of the window; whole eras of the history are forgotten.
    chain.execute([], {}, { minutes: 24 * 60 + 1 });
    chain.execute([]);
    expect(forgotten).toEqual([4_096]);
    expect(chain.ledger.forgotten).toBe(4_096);
  });
});

describe("a message", () => {
  test("with a bad signature, of another chain, expired or beyond the window is rejected whole", () => {
    const chain = testChain();
    const one = [{ id: 1 }];
    const run = (of: ReturnType<typeof message>, authentic = true) =>
      codesOf(chain.execute([batchOf(of)], {}, { authentic }).messages[0]?.codes);
    expect(run(message(chain, "a", one), false)).toEqual(named("bad-signature"));
    expect(run(message(chain, "b", one, { chainId: chain.ledger.executed.root }))).toEqual(named("bad-signature"));
    expect(run(message(chain, "c", one, { expiry: chain.genesis.time }))).toEqual(named("expired"));
    expect(run(message(chain, "d", one, { expiry: chain.genesis.time + 2 * 86_400_000 }))).toEqual(named("expired"));
    expect(run(message(chain, "e", one, { institution: 40 }))).toEqual(named("unknown-institution"));
    expect(run(message(chain, "f", one))).toEqual([0]);
  });

  test("all or none: one failure takes everything back, and no key is consumed", () => {
    const chain = testChain();
    const bad = message(chain, "m1", [{ id: 1 }, { id: 2, amount: 0 }, { id: 3 }], { atomic: true });
    const { messages } = chain.execute([batchOf(bad)]);
    expect(codesOf(messages[0]?.codes)).toEqual(named("atomic-abort", "zero-amount", "atomic-abort"));
    expect(messages[0]?.creditors).toEqual([]);
    expect(chain.ledger.accounts.balance[0]).toBe(100_000_000);
    const good = message(chain, "m2", [{ id: 1 }, { id: 3 }], { atomic: true });
    expect(codesOf(chain.execute([batchOf(good)]).messages[0]?.codes)).toEqual([0, 0]);
  });
});

describe("governance", () => {
  const signer = { key: 0, sign: () => new Uint8Array(64) };

  test("funds, suspends and resumes, each once by its sequence", () => {
    const chain = testChain();
    const fund = buildTransaction(
      chain.chainId,
      0,
      { kind: "fund", institution: "QSWADEFFXXX", currency: "EUR", amount: 500 },
      [signer],
    );
    expect(chain.execute([], { governance: [fund] }).governance).toMatchObject([{ granted: true }]);
    expect(chain.ledger.accounts.balance[0]).toBe(100_000_500);
    expect(chain.execute([], { governance: [fund] }).governance).toMatchObject([
      { granted: false, reason: "its sequence is 0, the chain's 1" },
    ]);
    const suspend = buildTransaction(chain.chainId, 1, { kind: "suspend-institution", bic: "QSWBUS33XXX" }, [signer]);
    chain.execute([], { governance: [suspend] });
    expect(codesOf(chain.execute([batchOf(message(chain, "m1", [{ id: 1 }]))]).messages[0]?.codes)).toEqual(
      named("suspended"),
    );
  });

  test("without the signatures of the governance set nothing happens", () => {
    const chain = testChain({}, { verify: () => false });
    const fund = buildTransaction(
      chain.chainId,
      0,
      { kind: "fund", institution: "QSWADEFFXXX", currency: "EUR", amount: 500 },
      [signer],
    );
    expect(chain.execute([], { governance: [fund] }).governance).toMatchObject([{ granted: false }]);
    expect(chain.ledger.isGoverned(fund)).toBe(false);
  });

  test("a change of the set moves at most F power and reuses no key; it takes effect with the next epoch", () => {
    const chain = testChain();
    const members = chain.genesis.members.map((member) => ({ ...member, proofOfPossession: "00".repeat(96) }));
    const fresh = (n: number) =>
      ({
        ...members[0],
        id: `new-${n}`,
        blsKey: `${n}`.repeat(96),
        peerKey: `${n}`.repeat(64),
        proofOfPossession: "00".repeat(96),
      }) as (typeof members)[number];
    const two = buildTransaction(chain.chainId, 0, { kind: "set-members", members: [...members, fresh(1), fresh(2)] }, [
      signer,
    ]);
    expect(two.closesEpoch).toBe(true);
    expect(chain.execute([], { governance: [two] }, { closing: true }).governance[0]?.reason).toBe(
      "the change would move 2 power, above F = 1",
    );
    const one = buildTransaction(chain.chainId, 0, { kind: "set-members", members: [...members, fresh(1)] }, [signer]);
    chain.execute([], { governance: [one] }, { closing: true });
    const closing = chain.blocks.at(-1);
    if (!closing) throw new Error("no block");
    const config = chain.ledger.nextEpoch(closing);
    expect([config.epoch, config.members.length, config.anchor.hash]).toEqual([2, 5, closing.hash]);
    const back = buildTransaction(chain.chainId, 1, { kind: "set-members", members }, [signer]);
    expect(chain.execute([], { governance: [back] }, { closing: true }).governance).toMatchObject([{ granted: true }]);
    const again = buildTransaction(chain.chainId, 2, { kind: "set-members", members: [...members, fresh(1)] }, [
      signer,
    ]);
    expect(chain.execute([], { governance: [again] }, { closing: true }).governance[0]?.reason).toBe(
      "new-1: a key is never used again",
    );
  });
});

describe("snapshots", () => {
  test("a restored ledger has the same root and goes on the same way", () => {
    const keys = createMemoryKeys();
    const chain = testChain({}, { keys });
    for (let i = 0; i < 20; i++)
      chain.execute(
        [batchOf(message(chain, `m${i}`, [{ id: i }, { id: 1_000 + i, amount: i }]))],
        {},
        i % 4 === 0 ? { reveal: new Uint8Array(96).fill(i) } : {},
      );
    const parts = chain.ledger.snapshot();
    const content = decodeSnapshot(parts);
    if (content.kind === "refused") throw new Error(content.error.reason);
    const crypto = { verifyEd25519: () => true, verifyBls: () => true, provesPossession: () => true };
    const restored = openLedger(
      {
        genesis: chain.genesis,
        chainId: chain.chainId,
        keys: { ...keys, add: () => true, find: () => undefined },
        crypto,
      },
      content.value,
    );
    expect(restored.executed).toEqual(chain.ledger.executed);
    expect(restored.snapshot()).toEqual(parts);
    const next = batchOf(message(chain, "next", [{ id: 5_000 }]));
    const expected = chain.execute([next]);
    const block = chain.blocks.at(-1);
    if (!block) throw new Error("no block");
    restored.begin(block);
    restored.apply(next.bytes, () => true);
    expect(restored.end().root).toBe(expected.root);
  });

  test("a cut or flipped snapshot is refused, or has another root", () => {
    const chain = testChain();
    chain.execute([batchOf(message(chain, "m", [{ id: 1 }]))]);
    const [part] = chain.ledger.snapshot();
    if (!part) throw new Error("no part");
    expect(decodeSnapshot([part.subarray(0, part.length - 1)])).toMatchObject({ kind: "refused" });
    const crypto = { verifyEd25519: () => true, verifyBls: () => true, provesPossession: () => true };
    for (let at = part.length - 64 * chain.ledger.accounts.count; at < part.length; at += 8) {
      const flipped = part.slice();
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      const content = decodeSnapshot([flipped]);
      if (content.kind === "refused") continue;
      const root = () =>
        openLedger({ genesis: chain.genesis, chainId: chain.chainId, keys: createMemoryKeys(), crypto }, content.value)
          .executed.root;
      expect(root()).not.toBe(chain.ledger.executed.root);
    }
  });
});
