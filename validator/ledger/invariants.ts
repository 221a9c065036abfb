/** What must hold after every block, whatever was executed. A violation is a bug: the process ends before it signs anything more. */
import type { BatchReference } from "../consensus/types.ts";
import type { Accounts } from "./accounts.ts";
import type { ChainState } from "./chain-state.ts";
import { currencyByNumeric } from "./currencies.ts";
import type { ReceiptSource } from "./receipt-tree.ts";
import type { MessageOutcome } from "./types.ts";

const half = 2 ** 26;
/** ISO 4217 numeric codes are below. */
const codes = 1_000;

/** Throws when money was made or lost in a currency, or a balance is below its debit cap. Reads every account: 2 ns each. */
export function checkInvariants(state: ChainState, accounts: Accounts): void {
  // Two sums a currency, so that what is added up on the way stays exact beyond 2^53.
  const high = new Float64Array(codes);
  const low = new Float64Array(codes);
  const { count } = accounts;
  const { currency, balance, debitCap } = accounts.columns;
  for (let i = 0; i < count; i++) {
    const units = balance[i] as number;
    if (units < -(debitCap[i] as number) || !Number.isSafeInteger(units))
      throw new Error(`account ${i} holds ${units}, below its cap of ${debitCap[i]}`);
    const code = currency[i] as number;
    const upper = Math.trunc(units / half);
    high[code] = (high[code] as number) + upper;
    low[code] = (low[code] as number) + (units - upper * half);
  }
  for (let code = 0; code < codes; code++) {
    const held = (high[code] as number) * half + (low[code] as number);
    const alpha = currencyByNumeric(code)?.alpha ?? "";
    const issued = alpha === "" ? 0 : (state.issued[alpha] ?? 0);
    if (held !== issued) throw new Error(`currency ${code} ${alpha}: accounts hold ${held}, issued were ${issued}`);
  }
}

/** Throws when receipts were lost or made: a payment ordered has one receipt, or its message had them before. */
export function checkCounts(
  batches: readonly Pick<BatchReference, "payments">[],
  sources: readonly ReceiptSource[],
  outcomes: readonly MessageOutcome[],
): void {
  const ordered = batches.reduce((sum, { payments }) => sum + payments, 0);
  const receipts = sources.reduce((sum, { codes: each }) => sum + each.length, 0);
  const reported = outcomes.reduce((sum, { payments }) => sum + payments, 0);
  if (receipts !== reported || receipts > ordered)
    throw new Error(`${receipts} receipts, ${reported} reported outcomes, ${ordered} payments ordered`);
}
