/** Money is neither made nor lost, and it is where the settled payments put it. */
import type { History, Violation } from "../history.ts";

/** Each member's balances sum to the openings, and follow from the openings and the payments that settled. */
export function checkConservation({ facts, openings, submitted }: History): readonly Violation[] {
  const expected = [...openings];
  const counted = new Set<string>();
  for (const fact of facts) {
    if (fact.kind !== "settled") continue;
    for (const { hash, codes } of fact.messages) {
      if (counted.has(hash)) continue;
      counted.add(hash);
      for (const [i, payment] of (submitted.get(hash) ?? []).entries()) {
        if (codes[i] !== 0) continue;
        expected[payment.debtor] = (expected[payment.debtor] ?? 0n) - BigInt(payment.amount);
        expected[payment.creditor] = (expected[payment.creditor] ?? 0n) + BigInt(payment.amount);
      }
    }
  }
  const sum = (amounts: readonly bigint[]) => amounts.reduce((total, amount) => total + amount, 0n);
  return facts.flatMap((fact) => {
    if (fact.kind !== "balances") return [];
    const { at, node, accounts } = fact;
    if (sum(accounts) !== sum(openings))
      return [
        { rule: "conservation", detail: `${node} holds ${sum(accounts)}, the openings were ${sum(openings)}`, at },
      ];
    const wrong = accounts.findIndex((balance, account) => balance !== expected[account]);
    return wrong < 0
      ? []
      : [
          {
            rule: "conservation",
            detail: `account ${wrong} has ${accounts[wrong]} on ${node}, its settled payments make ${expected[wrong]}`,
            at,
          },
        ];
  });
}
