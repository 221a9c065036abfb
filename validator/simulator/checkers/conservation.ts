/** Money is neither made nor lost, and it is where the settled payments put it. */
import type { History, Violation } from "../history.ts";

/** Each member's balances sum to the openings, and follow from the openings and the payments that settled up to their height. */
export function checkConservation(history: History): readonly Violation[] {
  const { facts, openings } = history;
  return facts.flatMap((fact) => {
    if (fact.kind !== "balances") return [];
    const { at, node, accounts } = fact;
    if (sum(accounts) !== sum(openings)) {
      const detail = `${node} holds ${sum(accounts)}, the openings were ${sum(openings)}`;
      return [{ rule: "conservation", detail, at }];
    }
    const expected = balancesAt(history, fact.height);
    const wrong = accounts.findIndex((balance, account) => balance !== expected[account]);
    if (wrong < 0) return [];
    const detail = `account ${wrong} has ${accounts[wrong]} on ${node} at ${fact.height}, its settled payments make ${expected[wrong]}`;
    return [{ rule: "conservation", detail, at }];
  });
}

/** What the openings and everything that settled up to the height make, wherever it was told. */
function balancesAt({ facts, openings, submitted }: History, height: number): readonly bigint[] {
  const balances = [...openings];
  const counted = new Set<string>();
  for (const fact of facts) {
    if (fact.kind !== "settled" || fact.height > height) continue;
    for (const { hash, codes } of fact.messages) {
      if (counted.has(hash)) continue;
      counted.add(hash);
      for (const [i, { debtor, creditor, amount }] of (submitted.get(hash) ?? []).entries()) {
        if (codes[i] !== 0) continue;
        balances[debtor] = (balances[debtor] ?? 0n) - BigInt(amount);
        balances[creditor] = (balances[creditor] ?? 0n) + BigInt(amount);
      }
    }
  }
  return balances;
}

function sum(amounts: readonly bigint[]): bigint {
  return amounts.reduce((total, amount) => total + amount, 0n);
}
