/** The ledger's receipt codes as ISO reasons: the ledger owns the table, this is how it is told to institutions. */
import { receiptOf } from "../validator/ledger/receipts.ts";
import type { StatusReason } from "./iso20022/pacs002.ts";

/** The reason of a receipt that is not 0. */
export function reasonOf(code: number): StatusReason {
  const receipt = receiptOf(code);
  if (receipt === undefined || receipt.reason === "")
    return { code: "NARR", message: `the ledger rejected the payment with code ${code}` };
  return { code: receipt.reason, message: receipt.help };
}
