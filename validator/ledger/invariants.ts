/** What must hold after every block, whatever was executed. A violation is a bug: the process ends before it signs anything more. */
import type { Accounts } from "./accounts.ts";
import type { ChainState } from "./chain-state.ts";
import { currencyByAlpha } from "./currencies.ts";

const half = 2 ** 26;

/** Throws when money was made or lost in a currency, or a balance is below its debit cap. */
export function checkInvariants(state: ChainState, accounts: Accounts): void {
  // Two sums a currency, so that totals beyond 2^53 stay exact.
  const high = new Map<number, number>();
  const low = new Map<number, number>();
  const { currency, balance, debitCap } = accounts;
  for (let i = 0; i < accounts.count; i++) {
    const units = balance[i] as number;
    if (units < -(debitCap[i] as number) || !Number.isSafeInteger(units))
      throw new Error(`account ${i} holds ${units}, below its cap of ${debitCap[i]}`);
    const code = currency[i] as number;
    high.set(code, (high.get(code) ?? 0) + Math.trunc(units / half));
    low.set(code, (low.get(code) ?? 0) + (units % half));
  }
  for (const [alpha, issued] of Object.entries(state.issued)) {
    const code = currencyByAlpha(alpha)?.numeric ?? 0;
    const held = BigInt(high.get(code) ?? 0) * BigInt(half) + BigInt(low.get(code) ?? 0);
    if (held !== BigInt(issued)) throw new Error(`${alpha}: accounts hold ${held}, issued were ${issued}`);
  }
}
