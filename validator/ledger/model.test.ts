import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createMemoryKeys } from "./memory-keys.ts";
import { receiptCode, receiptOf } from "./receipts.ts";
import { batchOf, message, type PaymentFields, testChain } from "./testing/chain.ts";
import type { ExecutedKeys } from "./types.ts";

const currencyOf = (account: number) => (account % 2 === 0 ? 978 : 840);

const payment: fc.Arbitrary<PaymentFields> = fc.record({
  id: fc.nat(60),
  debtor: fc.nat(8),
  creditor: fc.nat(8),
  amount: fc.oneof(fc.nat(60_000), fc.nat(2_000_000), fc.constantFrom(0, 2 ** 53 - 1)),
  currency: fc.constantFrom(978, 840),
});
const submitted = fc.record({
  institution: fc.nat(4),
  id: fc.nat(12),
  atomic: fc.boolean(),
  authentic: fc.integer({ min: 0, max: 9 }).map((n) => n > 0),
  payments: fc.array(payment, { minLength: 1, maxLength: 6 }),
});

/** The rules once more, as plainly as can be: balances in a list, keys in a set. */
function createModel() {
  const balances = Array.from({ length: 8 }, () => 100_000_000);
  const spent = Array.from({ length: 8 }, () => ({ day: -1, total: 0 }));
  const keys = new Set<string>();
  const judge = (institution: number, day: number, p: Required<PaymentFields>): string => {
    if (p.debtor >= 8) return "unknown-debtor";
    if (p.creditor >= 8) return "unknown-creditor";
    if (Math.floor(p.debtor / 2) !== institution) return "not-the-owner";
    if (p.debtor === p.creditor) return "same-account";
    if (currencyOf(p.debtor) !== p.currency || currencyOf(p.creditor) !== p.currency) return "wrong-currency";
    if (p.amount === 0) return "zero-amount";
    const dollars = p.currency === 840;
    if (dollars && p.amount > 1_000_000) return "payment-limit";
    const today = spent[p.debtor]?.day === day ? (spent[p.debtor]?.total ?? 0) : 0;
    if (dollars && today + p.amount > 1_500_000) return "day-limit";
    if ((balances[p.debtor] ?? 0) - p.amount < (dollars ? -50_000 : 0)) return "insufficient-funds";
    return "settled";
  };
  const move = (day: number, p: Required<PaymentFields>) => {
    const today = spent[p.debtor]?.day === day ? (spent[p.debtor]?.total ?? 0) : 0;
    spent[p.debtor] = { day, total: today + p.amount };
    balances[p.debtor] = (balances[p.debtor] ?? 0) - p.amount;
    balances[p.creditor] = (balances[p.creditor] ?? 0) + p.amount;
  };
  const each = (institution: number, day: number, payments: readonly Required<PaymentFields>[]) =>
    payments.map((p) => {
      const verdict = judge(institution, day, p);
      if (verdict !== "settled") return verdict;
      const key = `${institution} ${p.id}`;
      if (keys.has(key)) return "duplicate-payment";
      keys.add(key);
      move(day, p);
      return verdict;
    });
  return {
    balances,
    each,
    /** Tries on copies; keeps them only when all settle. */
    all(institution: number, day: number, payments: readonly Required<PaymentFields>[]) {
      const before = { balances: [...balances], spent: [...spent], keys: new Set(keys) };
      const names = each(institution, day, payments);
      const failed = names.findIndex((name) => name !== "settled");
      if (failed < 0) return names;
      before.balances.forEach((balance, i) => {
        balances[i] = balance;
      });
      before.spent.forEach((was, i) => {
        spent[i] = was;
      });
      keys.clear();
      for (const key of before.keys) keys.add(key);
      // The ledger asks for a duplicate before it judges: the name of the first failure may differ, not its place.
      return names.map((_, i) => (i === failed ? "failed" : "atomic-abort"));
    },
  };
}

test("random messages end as the plain model says, money is conserved, and a second ledger agrees", () => {
  fc.assert(
    fc.property(fc.array(fc.array(submitted, { maxLength: 5 }), { minLength: 1, maxLength: 6 }), (blocks) => {
      const [chain, twin] = [testChain(), testChain()];
      const model = createModel();
      const executedIds = new Set<string>();
      const rejected = new Set<string>();
      const signatures = new Map<string, boolean>();
      for (const messages of blocks) {
        // What is authentic is a fact of the message's bytes: equal ones have one answer.
        const made = messages.map((m) => ({ ...m, made: message(chain, `m${m.id}`, m.payments, m) }));
        const batches = made.map((m) => {
          const bytes = Buffer.from(m.made.bytes).toString("hex");
          const authentic = signatures.get(bytes) ?? m.authentic;
          signatures.set(bytes, authentic);
          return { ...m, bytes, authentic };
        });
        for (const m of batches) {
          const day = Math.floor((chain.genesis.time + (chain.blocks.length + 1) * 60_000) / 86_400_000);
          const { messages: outcomes, root } = chain.execute([batchOf(m.made)], {}, { authentic: m.authentic });
          expect(twin.execute([batchOf(m.made)], {}, { authentic: m.authentic }).root).toBe(root);
          const name = `${m.institution} ${m.id}`;
          if (executedIds.has(name) || rejected.has(m.bytes)) {
            expect(outcomes).toEqual([]);
            continue;
          }
          const names = [...(outcomes[0]?.codes ?? [])].map((code) => receiptOf(code)?.name ?? "");
          if (m.institution > 3) expect(new Set(names)).toEqual(new Set(["unknown-institution"]));
          else if (!m.authentic) expect(new Set(names)).toEqual(new Set(["bad-signature"]));
          else {
            const payments = m.payments.map((p) => p as Required<PaymentFields>);
            const expected = m.atomic
              ? model.all(m.institution, day, payments)
              : model.each(m.institution, day, payments);
            expect(names.map((each, i) => (expected[i] === "failed" && each !== "settled" ? "failed" : each))).toEqual(
              expected,
            );
            if (names.includes("settled")) executedIds.add(name);
            else rejected.add(m.bytes);
          }
          expect([...chain.ledger.accounts.balance.subarray(0, 8)]).toEqual(model.balances);
        }
      }
    }),
    { numRuns: 80 },
  );
});

describe("what was answered stays answered", () => {
  test("a rejected message never executes later, even when money has come; another of its id may", () => {
    const chain = testChain();
    const poor = message(chain, "m", [{ id: 1, amount: 100_000_001 }]);
    expect(chain.execute([batchOf(poor)]).messages).toMatchObject([{ settled: 0 }]);
    chain.execute([batchOf(message(chain, "gift", [{ id: 1, debtor: 2, creditor: 0 }], { institution: 1 }))]);
    expect(chain.execute([batchOf(poor)]).messages).toEqual([]);
    const again = message(chain, "m", [{ id: 1, amount: 100_000_001 }], { expiry: chain.genesis.time + 7_200_000 });
    expect(chain.execute([batchOf(again)]).messages).toMatchObject([{ settled: 1 }]);
  });

  test("somebody else's forgery of a message does not use it up", () => {
    const chain = testChain();
    const one = message(chain, "m", [{ id: 1 }]);
    expect(chain.execute([batchOf(one)], {}, { authentic: false }).messages).toMatchObject([{ settled: 0 }]);
    expect(chain.execute([batchOf(one)]).messages).toMatchObject([{ settled: 1 }]);
  });

  test("a failing payment of an all-or-none message adds no key at all", () => {
    const added: number[] = [];
    const inner = createMemoryKeys();
    const keys: ExecutedKeys = {
      ...inner,
      add(kind, ...rest) {
        added.push(kind);
        return inner.add(kind, ...rest);
      },
    };
    const chain = testChain({}, { keys });
    chain.execute([batchOf(message(chain, "m", [{ id: 1 }, { id: 1 }], { atomic: true }))]);
    // Only that these bytes were answered, and the block's receipts root.
    expect(added).toEqual([0x41, 0x20, 0x20]);
    const codes = [...(chain.execute([batchOf(message(chain, "n", [{ id: 1 }]))]).messages[0]?.codes ?? [])];
    expect(codes).toEqual([receiptCode("settled")]);
  });
});
