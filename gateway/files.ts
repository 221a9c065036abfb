/**
 * The way of one file: duplicate, validation, record, submission, answer. The order is what makes a retry safe: a file
 * is recorded with its messages' hashes before the first is submitted, and made again to the same bytes when retried.
 */
import type { Directory } from "./directory.ts";
import type { FilePayment, FileRecord, FileState, Intake, Refusal } from "./intake.ts";
import { isText } from "./iso20022/fields.ts";
import type { CreditTransfer } from "./iso20022/message.ts";
import { FIRST_VERSION_WITH_UETR } from "./iso20022/message.ts";
import type { StatusReport, TransactionStatus } from "./iso20022/pacs002.ts";
import type { Parsed } from "./iso20022/parse.ts";
import { type Finding, isReasonCode, type ReasonCode } from "./iso20022/reasons.ts";
import { type Checked, type RefusedPayment, validate } from "./iso20022/validate.ts";
import { buildMessages, fitsPrivateContent, type SignedMessage } from "./messages.ts";
import type { Metrics } from "./metrics.ts";
import type { Salts, Signer } from "./signing.ts";
import { refusalReport, reportOn } from "./status.ts";
import { withSpan } from "./telemetry.ts";
import { type Submission, submit, type Validator } from "./validators.ts";

/** What a sender is told. */
type FileAnswer =
  /** Every message of the file is accepted (or refused by a validator, then its payments are rejected). */
  | { readonly kind: "accepted"; readonly messageId: string; readonly report: StatusReport }
  | { readonly kind: "rejected"; readonly report: StatusReport }
  | { readonly kind: "busy"; readonly retryAfterMs: number }
  | { readonly kind: "unavailable"; readonly reason: string };

/** A file as it came in. */
interface ReceivedFile {
  readonly parsed: Parsed;
  /** SHA-256 of its bytes, hexadecimal. */
  readonly digest: string;
  /** All payments of the file or none: possible for a file that fits one message. */
  readonly atomic: boolean;
}

/** An institution this gateway signs for. */
export interface Client {
  readonly bic: string;
  readonly signer: Signer;
  readonly zone: string | undefined;
}

export interface FileOptions {
  readonly validators: readonly Validator[];
  readonly directory: () => Directory | undefined;
  readonly intake: Intake;
  readonly salts: Salts;
  readonly metrics: Metrics;
  /** ms. */
  readonly messageLifetime: number;
  readonly submitTimeout: number;
  readonly now: () => number;
}

/** Takes files of the institutions of this gateway. */
export interface Files {
  receive(client: Client, file: ReceivedFile): Promise<FileAnswer>;
}

/** Submissions of one file under way at once. */
const PARALLEL = 4;

export function createFiles(options: FileOptions): Files {
  /** Files being accepted now, by institution and MsgId: a retry that overtakes its first attempt shares its fate. */
  const running = new Map<string, { readonly digest: string; readonly answer: Promise<FileAnswer> }>();
  let turn = 0;

  return {
    async receive(client, file) {
      const { parsed } = file;
      const directory = options.directory();
      const institution = directory?.institution(client.bic);
      if (directory === undefined) return { kind: "unavailable", reason: "the chain's directory is not known yet" };
      if (institution === undefined)
        return { kind: "unavailable", reason: "the institution is not in the chain's directory yet" };
      if (parsed.kind === "refused") return refuse(options, parsed.group, parsed.version, [parsed.finding]);

      const messageId = parsed.transfer.group.messageId ?? "";
      const key = `${institution}/${messageId}`;
      const current = running.get(key);
      if (current !== undefined)
        return current.digest === file.digest ? current.answer : duplicate(options, parsed.transfer);
      const answer = accept({ options, client, directory, institution, transfer: parsed.transfer, file, turn: turn++ });
      running.set(key, { digest: file.digest, answer });
      try {
        return await answer;
      } finally {
        running.delete(key);
      }
    },
  };
}

interface Attempt {
  readonly options: FileOptions;
  readonly client: Client;
  readonly directory: Directory;
  readonly institution: number;
  readonly transfer: CreditTransfer;
  readonly file: ReceivedFile;
  /** Spreads first submissions over the validators. */
  readonly turn: number;
}

async function accept(attempt: Attempt): Promise<FileAnswer> {
  const { options, client, directory, institution, transfer, file } = attempt;
  const messageId = transfer.group.messageId ?? "";
  const before = options.intake.find(institution, messageId);
  if (before !== undefined && before.digest !== file.digest) return duplicate(options, transfer);
  if (before !== undefined && (before.answered || before.parts.some(({ kind }) => kind !== "pending")))
    return again(attempt, before);

  const fits = (transaction: CreditTransfer["transactions"][number]): boolean =>
    fitsPrivateContent(transfer.version, messageId, transfer.group.paymentType, transaction);
  const checked = validate(transfer, client.bic, directory, fits);
  if (checked.kind === "refused") return refuse(options, transfer.group, transfer.version, checked.findings);
  if (checked.payments.length === 0) return refusePayments(options, transfer, checked.refused);

  const record = before === undefined ? undefined : await options.intake.record(institution, messageId);
  const expiry =
    record?.expiry ?? options.now() + Math.min(options.messageLifetime, Math.floor(directory.expiryWindow * 0.9));
  const messages = await build(attempt, checked, expiry);
  if (file.atomic && (messages.length > 1 || checked.refused.length > 0))
    return refuseAtomic(options, transfer, checked.refused);
  if (record === undefined) {
    await options.intake.add(recordOf(attempt, checked, messages, expiry));
  } else if (
    messages.length !== record.messages.length ||
    messages.some(({ hash }, at) => hex(hash) !== record.messages[at]?.hash)
  ) {
    return {
      kind: "unavailable",
      reason: "the directory changed since the file was first tried: send it under a new message id",
    };
  }
  return withSpan(
    "gateway.file",
    { "payment.count": checked.payments.length, "message.count": messages.length },
    async (_span, traceparent) => {
      const started = performance.now();
      const answer = await submitAll(attempt, messageId, messages, traceparent);
      if (answer.kind === "accepted") options.metrics.acceptance.observe((performance.now() - started) / 1000);
      return answer;
    },
  );
}

/** The answer of before, to the letter; a file that expired before it was accepted is answered with that. */
async function again({ options, institution, transfer }: Attempt, state: FileState): Promise<FileAnswer> {
  const record = await options.intake.record(institution, state.messageId);
  if (record === undefined) return { kind: "unavailable", reason: "the file's record is no longer kept" };
  options.metrics.files.inc({ result: "repeated" });
  const report = reportOn(
    record,
    state,
    state.answered || state.parts.some(({ kind }) => kind === "settled") ? "accepted" : "now",
  );
  return report.status === "RJCT"
    ? { kind: "rejected", report }
    : { kind: "accepted", messageId: transfer.group.messageId ?? "", report };
}

async function build(
  { options, client, directory, institution, transfer, file }: Attempt,
  checked: Checked & { kind: "checked" },
  expiry: number,
): Promise<SignedMessage[]> {
  const { signer, zone } = client;
  const messages: SignedMessage[] = [];
  const building = { institution, directory, zone, atomic: file.atomic, expiry, signer, salts: options.salts };
  for (const message of buildMessages(transfer, checked.messageId, checked.payments, building)) {
    messages.push(message);
    // A large file must not hold the others up: let their turn come between two messages.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return messages;
}

async function submitAll(
  { options, institution, turn }: Attempt,
  messageId: string,
  messages: readonly SignedMessage[],
  traceparent: string,
): Promise<FileAnswer> {
  const outcomes: Submission[] = new Array(messages.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = next++; at < messages.length; at = next++) {
      const { message, privatePayload } = messages[at]!;
      const outcome = await submit(options.validators, message, privatePayload, {
        traceparent,
        timeoutMs: options.submitTimeout,
        first: turn + at,
      });
      options.metrics.submissions.inc({ outcome: outcome.kind });
      outcomes[at] = outcome;
      // The rest would only add to what is too much already.
      if (outcome.kind === "busy" || outcome.kind === "unavailable") next = messages.length;
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, messages.length) }, worker));

  let retryAfterMs: number | undefined;
  const refusals: Refusal[] = [];
  for (const [part, outcome] of outcomes.entries()) {
    if (outcome === undefined) continue;
    if (outcome.kind === "unavailable") return { kind: "unavailable", reason: outcome.reason };
    if (outcome.kind === "busy") retryAfterMs = Math.max(retryAfterMs ?? 0, outcome.retryAfterMs);
    if (outcome.kind === "refused")
      refusals.push({ part, code: isReasonCode(outcome.code) ? outcome.code : "NARR", message: outcome.reason });
  }
  if (retryAfterMs !== undefined) return { kind: "busy", retryAfterMs };
  await options.intake.answer(institution, messageId, refusals);
  const state = options.intake.find(institution, messageId);
  const record = await options.intake.record(institution, messageId);
  if (state === undefined || record === undefined) throw new Error("a file just recorded is not in the intake");
  const report = reportOn(record, state, "accepted");
  count(options.metrics, report);
  return report.status === "RJCT" ? { kind: "rejected", report } : { kind: "accepted", messageId, report };
}

function recordOf(
  { options, institution, transfer, file }: Attempt,
  checked: Checked & { kind: "checked" },
  messages: readonly SignedMessage[],
  expiry: number,
): FileRecord {
  const { group, transactions, version } = transfer;
  const refused = new Map(checked.refused.map((one) => [one.index, one.finding]));
  const uetrs = new Map(checked.payments.map((one) => [one.index, one.uetr]));
  const payments = transactions.map((transaction, index): FilePayment => {
    const finding = refused.get(index);
    return {
      instructionId: reference(transaction.instructionId),
      endToEndId: reference(transaction.endToEndId),
      transactionId: reference(transaction.transactionId),
      uetr: uetrs.get(index) ?? reference(transaction.uetr),
      uetrGiven: version >= FIRST_VERSION_WITH_UETR && transaction.uetr !== undefined,
      refused: finding === undefined ? undefined : { code: finding.code, message: sentenceOf(finding) },
    };
  });
  return {
    institution,
    messageId: checked.messageId,
    digest: file.digest,
    version,
    received: options.now(),
    expiry,
    original: {
      creationTime: group.creationTime?.trim(),
      numberOfTransactions: group.numberOfTransactions?.trim(),
      controlSum: group.controlSum?.trim(),
    },
    payments,
    messages: messages.map(({ key, hash, count: payments }) => ({ key: hex(key), hash: hex(hash), count: payments })),
  };
}

function duplicate(options: FileOptions, { group, version }: CreditTransfer): FileAnswer {
  return refuse(options, group, version, [
    { code: "DU01", element: "GrpHdr/MsgId", message: "this message id was used before with other content" },
  ]);
}

function refuseAtomic(options: FileOptions, transfer: CreditTransfer, refused: readonly RefusedPayment[]): FileAnswer {
  if (refused.length > 0) return refuse(options, transfer.group, transfer.version, [refused[0]!.finding]);
  return refuse(options, transfer.group, transfer.version, [
    {
      code: "AM18",
      element: "GrpHdr/NbOfTxs",
      message: "all payments or none is possible for a file that fits one message only",
    },
  ]);
}

/** Every payment is refused: so is the file, with each one's reason. */
function refusePayments(
  options: FileOptions,
  transfer: CreditTransfer,
  refused: readonly RefusedPayment[],
): FileAnswer {
  const transactions = refused.map(({ index, finding }): TransactionStatus => {
    const { instructionId, endToEndId, transactionId, uetr } = transfer.transactions[index]!;
    return {
      instructionId: reference(instructionId),
      endToEndId: reference(endToEndId),
      transactionId: reference(transactionId),
      uetr: finding.element.endsWith("UETR") && finding.code !== "DU03" ? undefined : reference(uetr),
      status: "RJCT",
      reason: reasonOfFinding(finding),
    };
  });
  return refuse(options, transfer.group, transfer.version, [], transactions);
}

type Group = {
  readonly [K in "messageId" | "creationTime" | "numberOfTransactions" | "controlSum"]: string | undefined;
};

function refuse(
  options: FileOptions,
  group: Group,
  version: number | undefined,
  findings: readonly Finding[],
  transactions: readonly TransactionStatus[] = [],
): FileAnswer {
  const original = {
    messageId: reference(group.messageId),
    creationTime: quotable(group.creationTime, /^[\dTZ:.+-]{10,35}$/),
    numberOfTransactions: quotable(group.numberOfTransactions, /^\d{1,15}$/),
    controlSum: quotable(group.controlSum, /^\d{0,17}(\.\d{1,17})?$/),
  };
  const report = refusalReport(original, version, findings.map(reasonOfFinding), transactions, options.now());
  count(options.metrics, report);
  return { kind: "rejected", report };
}

/** Counts a file once, when its answer is known. */
function count(metrics: Metrics, report: StatusReport): void {
  metrics.files.inc({
    result: report.status === "RJCT" ? "rejected" : report.status === "PART" ? "partial" : "accepted",
  });
  for (const { code } of report.reasons) metrics.reasons.inc({ code });
  for (const { status, reason } of report.transactions) {
    metrics.payments.inc({ result: status === "RJCT" ? "rejected" : "accepted" });
    if (reason !== undefined) metrics.reasons.inc({ code: reason.code });
  }
}

function reasonOfFinding(finding: Finding): { code: ReasonCode; message: string } {
  return { code: finding.code, message: sentenceOf(finding) };
}

/** The element first: it is what a person looks for. */
function sentenceOf({ element, message }: Finding): string {
  return element === "" ? message : `${element}: ${message}`;
}

/** A reference as a report may quote it: at most 35 characters, as the schema has it; else not at all. */
function reference(text: string | undefined): string | undefined {
  return text === undefined || !isText(text, 36) ? undefined : text;
}

function quotable(text: string | undefined, shape: RegExp): string | undefined {
  const trimmed = text?.trim();
  return trimmed !== undefined && shape.test(trimmed) ? trimmed : undefined;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
