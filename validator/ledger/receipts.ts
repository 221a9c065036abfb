/** What a payment's execution can end in: one byte, its name, and the ISO external status reason code a gateway answers with. */
export interface Receipt {
  readonly code: number;
  readonly name: string;
  /** ISO 20022 external status reason code; "" for a settled payment. */
  readonly reason: string;
  readonly help: string;
}

export const receiptTable = [
  { code: 0, name: "settled", reason: "", help: "The money has moved." },
  { code: 1, name: "unknown-debtor", reason: "AC02", help: "The debtor's settlement account does not exist." },
  { code: 2, name: "unknown-creditor", reason: "AC03", help: "The creditor's settlement account does not exist." },
  { code: 3, name: "not-the-owner", reason: "DS0H", help: "The debtor's account belongs to another institution." },
  { code: 4, name: "wrong-currency", reason: "AM03", help: "The accounts are not both in the payment's currency." },
  { code: 5, name: "zero-amount", reason: "AM01", help: "The amount is zero." },
  { code: 6, name: "amount-too-large", reason: "AM02", help: "The amount is above what the ledger can hold." },
  { code: 7, name: "payment-limit", reason: "AM14", help: "The amount is above the account's limit for one payment." },
  { code: 8, name: "day-limit", reason: "AM21", help: "The day's limit of the account would be passed." },
  { code: 9, name: "insufficient-funds", reason: "AM04", help: "The balance would fall below the debit cap." },
  {
    code: 10,
    name: "duplicate-payment",
    reason: "DU03",
    help: "A payment of this institution with this UETR was executed.",
  },
  { code: 11, name: "expired", reason: "TM01", help: "The message's expiry has passed, or lies beyond the window." },
  { code: 12, name: "suspended", reason: "AG10", help: "The institution, or the creditor's, is suspended." },
  { code: 13, name: "bad-signature", reason: "DS17", help: "The message is not signed by its institution." },
  { code: 14, name: "unknown-institution", reason: "RC01", help: "No such institution on this chain." },
  { code: 15, name: "atomic-abort", reason: "ED05", help: "Another payment of the same all-or-none message failed." },
  { code: 16, name: "same-account", reason: "AG03", help: "Debtor and creditor are one account." },
] as const satisfies readonly Receipt[];

export type ReceiptName = (typeof receiptTable)[number]["name"];

const codes = new Map<string, number>(receiptTable.map((row) => [row.name, row.code]));

export function receiptCode(name: ReceiptName): number {
  return codes.get(name) ?? 0;
}

export function receiptOf(code: number): Receipt | undefined {
  return receiptTable[code];
}
