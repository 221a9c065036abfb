/** The ledger's reason bytes as ISO codes. The ledger owns the meaning; this is how it is told to institutions. */
import type { StatusReason } from "./iso20022/pacs002.ts";

/** The reason of a receipt that is not 0. */
export function reasonOf(code: number): StatusReason {
  return { code: "NARR", message: `the ledger rejected the payment with code ${code}` };
}
