/** The status of a file: from its record and the state of its messages to what a report says. */
import { createHash } from "node:crypto";
import type { FileRecord, FileState, PartState } from "./intake.ts";
import type { Status, StatusReason, StatusReport, TransactionStatus } from "./iso20022/pacs002.ts";
import { REASONS } from "./iso20022/reasons.ts";
import { reasonOf } from "./receipts.ts";

/** What is asked: the answer to the sender when it was accepted, or where it stands now. */
export type Moment = "accepted" | "now";

/** True when a message waits in a block already: asked of a validator by who needs to know. */
export type IsOrdered = (part: number) => boolean;

const NOT_ORDERED: IsOrdered = () => false;

/** The report on a recorded file. At the moment of acceptance it is the same for ever. */
export function reportOn(
  record: FileRecord,
  state: FileState,
  moment: Moment,
  isOrdered: IsOrdered = NOT_ORDERED,
): StatusReport {
  const transactions = transactionsOf(record, state, moment, isOrdered);
  const status = groupStatus(transactions);
  return {
    messageId: reportId(
      record,
      moment === "accepted" ? "accepted" : JSON.stringify(transactions.map((one) => one.status)),
    ),
    time: moment === "accepted" ? record.received : lastChange(record, state),
    version: record.version,
    original: originalOf(record),
    status,
    reasons: [],
    transactions,
  };
}

function transactionsOf(
  record: FileRecord,
  state: FileState,
  moment: Moment,
  isOrdered: IsOrdered,
): TransactionStatus[] {
  const transactions: TransactionStatus[] = [];
  let part = 0;
  let position = 0;
  for (const payment of record.payments) {
    const { instructionId, endToEndId, transactionId } = payment;
    const reference = { instructionId, endToEndId, transactionId, uetr: payment.uetrGiven ? payment.uetr : undefined };
    if (payment.refused !== undefined) {
      transactions.push({ ...reference, status: "RJCT", reason: payment.refused });
      continue;
    }
    while (position >= (record.messages[part]?.count ?? Number.POSITIVE_INFINITY)) {
      part += 1;
      position = 0;
    }
    transactions.push({ ...reference, ...outcomeOf(state.parts[part], position, moment, () => isOrdered(part)) });
    position += 1;
  }
  return transactions;
}

type Outcome = { readonly status: TransactionStatus["status"]; readonly reason: StatusReason | undefined };

function outcomeOf(part: PartState | undefined, position: number, moment: Moment, ordered: () => boolean): Outcome {
  if (part?.kind === "refused") return { status: "RJCT", reason: { code: part.code, message: part.message } };
  if (part === undefined || moment === "accepted") return { status: "ACTC", reason: undefined };
  switch (part.kind) {
    case "pending":
      return { status: ordered() ? "ACSP" : "ACTC", reason: undefined };
    case "expired":
      return { status: "RJCT", reason: { code: "AB03", message: REASONS.AB03 } };
    case "settled": {
      const reason = part.reasons.length === 0 ? 0 : (part.reasons[position] ?? 0);
      return reason === 0 ? { status: "ACSC", reason: undefined } : { status: "RJCT", reason: reasonOf(reason) };
    }
  }
}

/** Of all alike that; of some rejected `PART`; else what the least far one has. */
export function groupStatus(transactions: readonly TransactionStatus[]): Status {
  const seen = new Set(transactions.map(({ status }) => status));
  const rejected = seen.delete("RJCT");
  if (seen.size === 0) return "RJCT";
  if (rejected) return "PART";
  for (const status of ["ACTC", "ACSP", "ACSC"] as const) if (seen.has(status)) return status;
  return "ACTC";
}

/** The report on a file that was refused before anything was signed. */
export function refusalReport(
  original: StatusReport["original"],
  version: number | undefined,
  reasons: readonly StatusReason[],
  transactions: readonly TransactionStatus[],
  time: number,
): StatusReport {
  const id = createHash("sha256")
    .update(JSON.stringify([original, reasons, time]))
    .digest("hex");
  return { messageId: `R${id.slice(0, 34)}`, time, version, original, status: "RJCT", reasons, transactions };
}

function originalOf({ messageId, original }: FileRecord): StatusReport["original"] {
  const { creationTime, numberOfTransactions, controlSum } = original;
  return { messageId, creationTime, numberOfTransactions, controlSum };
}

/** The same report has the same id. */
function reportId(record: FileRecord, content: string): string {
  const id = createHash("sha256")
    .update(JSON.stringify([record.institution, record.messageId, record.digest, content]))
    .digest("hex");
  return `S${id.slice(0, 34)}`;
}

function lastChange(record: FileRecord, state: FileState): number {
  let time = record.received;
  for (const part of state.parts)
    if (part.kind === "settled" || part.kind === "expired") time = Math.max(time, part.time);
  return time;
}
