/**
 * Why a file or a payment is refused: codes of ISO 20022's external code set `ExternalStatusReason1Code` that this
 * gateway gives out, and the ones that receipts of the ledger map to. `docs/gateway.md` shows this table.
 */
export const REASONS = {
  AB03: "settlement did not happen before the message expired",
  AC01: "account number is missing or its checksum is wrong",
  AC02: "debtor account is unknown",
  AC03: "creditor account is unknown",
  AG01: "transaction is forbidden on this account",
  AG03: "transaction is not supported on these accounts",
  AG10: "agent is suspended",
  AGNT: "agent is not a participant, or not the one that may instruct",
  AM01: "amount is zero",
  AM02: "amount is above what is allowed",
  AM03: "currency is unknown, or the agent has no account in it",
  AM04: "funds are insufficient",
  AM09: "total interbank settlement amount differs from the sum of the payments",
  AM10: "control sum differs from the sum of the payments",
  AM12: "amount is malformed, or finer than the currency's minor unit",
  AM14: "amount is above the account's limit for one payment",
  AM18: "number of transactions differs from the payments in the file, or is above what is allowed",
  AM21: "limit is exceeded",
  CH16: "element's content is formally incorrect",
  CH17: "element is not admitted",
  CH21: "compulsory element is missing",
  DS17: "signature is not genuine",
  DS0H: "signer is not allowed to sign for this account",
  DT01: "date is invalid",
  DU01: "message id was used before with other content",
  DU03: "transaction is a duplicate",
  ED05: "another payment of the same all-or-none message failed",
  FF01: "file format is invalid",
  NARR: "reason is given in words",
  RC01: "bank identifier is malformed",
  TM01: "message came outside its time window",
} as const;

/** One of the codes of `REASONS`. */
export type ReasonCode = keyof typeof REASONS;

/** Something wrong with a file or one of its payments. */
export interface Finding {
  readonly code: ReasonCode;
  /** Path of the element at fault below `Document`, e.g. `CdtTrfTxInf[3]/PmtId/UETR`; empty when it is the file as such. */
  readonly element: string;
  /** A sentence for a person; it quotes nothing private. */
  readonly message: string;
}

/** True for a code of the table: validators may send others, which become `NARR`. */
export function isReasonCode(code: string): code is ReasonCode {
  return Object.hasOwn(REASONS, code);
}
