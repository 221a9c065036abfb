/**
 * Everything a file must satisfy before anything is signed (settlement.md 1). A fault of the group refuses the file;
 * a fault of a payment refuses that payment when the group is otherwise fine.
 */
import { isValidIBAN } from "ibantools";
import { type Currency, currencyOf } from "./currencies.ts";
import { isDateTime, isText, normalizeBic, parseDate } from "./fields.ts";
import type { CreditTransfer, GroupHeader, Transaction } from "./message.ts";
import { FIRST_VERSION_WITH_UETR, SEEN } from "./message.ts";
import { parseDecimal, type Scaled, toMinorUnits } from "./money.ts";
import type { Finding, ReasonCode } from "./reasons.ts";
import { deriveUetr, isUetr } from "./uetr.ts";

/** Who takes part and with which settlement accounts: the chain's directory. */
export interface Participants {
  /** The institution's index by its eleven-letter BIC. */
  institution(bic: string): number | undefined;
  /** The index of its settlement account in a currency. */
  account(institution: number, currency: string): number | undefined;
}

/** A payment that may be signed. */
export interface Payment {
  /** Position in the file, from 0. */
  readonly index: number;
  readonly uetr: string;
  readonly debtorAccount: number;
  readonly creditorAccount: number;
  /** Minor units. */
  readonly amount: bigint;
  /** ISO 4217 numeric. */
  readonly currency: number;
  /** yyyymmdd. */
  readonly valueDate: number;
  readonly transaction: Transaction;
}

/** A payment that is refused, with its first fault. */
export interface RefusedPayment {
  readonly index: number;
  readonly finding: Finding;
}

export type Checked =
  | { readonly kind: "refused"; readonly findings: readonly Finding[] }
  | {
      readonly kind: "checked";
      readonly messageId: string;
      readonly payments: readonly Payment[];
      readonly refused: readonly RefusedPayment[];
    };

/** Checks a file that the institution with this BIC sent; `fits` says whether a payment's details fit a private payload. */
export function validate(
  transfer: CreditTransfer,
  sender: string,
  participants: Participants,
  fits: (transaction: Transaction) => boolean = () => true,
): Checked {
  const context = contextOf(transfer, sender, participants, fits);
  const payments: Payment[] = [];
  const refused: RefusedPayment[] = [];
  for (const [index, transaction] of transfer.transactions.entries()) {
    const outcome = checkTransaction(context, transaction, index);
    if ("finding" in outcome) refused.push(outcome);
    else payments.push(outcome);
  }
  const findings = [...transfer.findings, ...checkGroup(context)];
  if (findings.length > 0) return { kind: "refused", findings };
  return { kind: "checked", messageId: context.messageId, payments, refused };
}

interface Sum {
  readonly currency: string;
  total: Scaled;
}

interface Context {
  readonly transfer: CreditTransfer;
  readonly group: GroupHeader;
  readonly sender: string;
  readonly participants: Participants;
  readonly fits: (transaction: Transaction) => boolean;
  readonly messageId: string;
  readonly groupDate: number | undefined;
  readonly uetrs: Set<string>;
  readonly dates: Map<string, number | undefined>;
  readonly sums: Sum[];
  /** Payments whose amount cannot be read: the sums cannot be judged then. */
  unreadableAmounts: number;
}

function contextOf(
  transfer: CreditTransfer,
  sender: string,
  participants: Participants,
  fits: (transaction: Transaction) => boolean,
): Context {
  const { group } = transfer;
  return {
    transfer,
    group,
    sender,
    participants,
    fits,
    messageId: group.messageId ?? "",
    groupDate: group.settlementDate === undefined ? undefined : parseDate(group.settlementDate.trim()),
    uetrs: new Set(),
    dates: new Map(),
    sums: [],
    unreadableAmounts: 0,
  };
}

const SETTLEMENT_METHODS = new Set(["INDA", "INGA", "COVE", "CLRG"]);

function checkGroup(context: Context): Finding[] {
  const { group, transfer } = context;
  const findings: Finding[] = [];
  const find = (code: ReasonCode, element: string, message: string): void => {
    findings.push({ code, element: `GrpHdr/${element}`, message });
  };

  if (group.messageId === undefined) find("FF01", "MsgId", "the message id is missing");
  else if (!isText(group.messageId, 35) || group.messageId.trim() === "")
    find("FF01", "MsgId", "the message id is empty or longer than 35 characters");
  if (group.creationTime === undefined) find("FF01", "CreDtTm", "the creation time is missing");
  else if (!isDateTime(group.creationTime.trim()))
    find("DT01", "CreDtTm", "the creation time is not an ISO date and time");
  if (group.settlementMethod === undefined) find("FF01", "SttlmInf/SttlmMtd", "the settlement method is missing");
  else if (!SETTLEMENT_METHODS.has(group.settlementMethod))
    find("FF01", "SttlmInf/SttlmMtd", "the settlement method is unknown");
  if (group.settlementDate !== undefined && context.groupDate === undefined)
    find("DT01", "IntrBkSttlmDt", "there is no such date");

  checkCount(group, transfer.transactions.length, find);
  checkSums(context, find);
  if (group.instructingAgent !== undefined) {
    const bic = normalizeBic(group.instructingAgent);
    if (bic === undefined) find("RC01", "InstgAgt/FinInstnId", "the BIC is malformed");
    else if (bic !== context.sender)
      find("AGNT", "InstgAgt/FinInstnId", "the instructing agent is not the institution that sent the file");
  }
  if (group.instructedAgent !== undefined && normalizeBic(group.instructedAgent) === undefined) {
    find("RC01", "InstdAgt/FinInstnId", "the BIC is malformed");
  }
  return findings;
}

type Find = (code: ReasonCode, element: string, message: string) => void;

function checkCount(group: GroupHeader, count: number, find: Find): void {
  const text = group.numberOfTransactions?.trim();
  if (text === undefined) find("FF01", "NbOfTxs", "the number of transactions is missing");
  else if (!/^\d{1,15}$/.test(text)) find("FF01", "NbOfTxs", "the number of transactions is not a number");
  else if (Number(text) !== count)
    find("AM18", "NbOfTxs", `the header says ${Number(text)}, the file has ${count} payments`);
}

function checkSums(context: Context, find: Find): void {
  const { group, sums } = context;
  const control = group.controlSum === undefined ? undefined : parseDecimal(group.controlSum);
  const total = group.totalAmount === undefined ? undefined : parseDecimal(group.totalAmount);
  if (group.controlSum !== undefined && control === undefined)
    find("AM10", "CtrlSum", "the control sum is not an amount");
  if (group.totalAmount !== undefined && total === undefined)
    find("AM12", "TtlIntrBkSttlmAmt", "the total is not an amount");
  // A payment whose amount cannot be read refuses itself; what the sums should be is then unknown.
  if (context.unreadableAmounts > 0) return;

  const sum = sums.reduce((all, { total: one }) => all + one, 0n);
  if (control !== undefined && control !== sum)
    find("AM10", "CtrlSum", "the control sum is not the sum of the payments");
  if (total === undefined) return;
  if (group.totalCurrency === undefined || sums.length !== 1 || sums[0]!.currency !== group.totalCurrency) {
    find("AM03", "TtlIntrBkSttlmAmt", "the total is not in the currency of the payments");
  } else if (total !== sum) {
    find("AM09", "TtlIntrBkSttlmAmt", "the total is not the sum of the payments");
  }
}

type Amount = { readonly scaled: Scaled; readonly minor: bigint; readonly currency: Currency };

/** The checks of one payment in order; the first fault is the one reported. */
function checkTransaction(context: Context, transaction: Transaction, index: number): Payment | RefusedPayment {
  const refuse = (code: ReasonCode, element: string, message: string): RefusedPayment => ({
    index,
    finding: { code, element: `CdtTrfTxInf[${index + 1}]/${element}`, message },
  });
  const amount = readAmount(context, transaction, refuse);
  const [shape] = transaction.findings;
  if (shape !== undefined) return { index, finding: shape };

  const missing = missingElement(transaction, context.transfer.version);
  if (missing !== undefined) return refuse("CH21", missing, "the element is missing");
  const long = overlongText(transaction);
  if (long !== undefined) return refuse("CH16", long, "the text is empty or too long");
  if ("finding" in amount) return amount;
  if (!context.fits(transaction)) return refuse("CH16", "RmtInf", "the payment's details are too long");

  const uetr = uetrOf(context, transaction);
  if (uetr === undefined) return refuse("CH16", "PmtId/UETR", "the UETR is not a version 4 UUID in lower case");
  if (context.uetrs.has(uetr)) return refuse("DU03", "PmtId/UETR", "another payment of this file has this UETR");
  context.uetrs.add(uetr);

  const valueDate = dateOf(context, transaction.settlementDate);
  if (valueDate === undefined) {
    const given = transaction.settlementDate ?? context.group.settlementDate;
    return given === undefined
      ? refuse("CH21", "IntrBkSttlmDt", "neither the payment nor the group has a settlement date")
      : refuse("DT01", "IntrBkSttlmDt", "there is no such date");
  }
  const accounts = readAccounts(context, transaction, amount.currency, refuse);
  if ("finding" in accounts) return accounts;
  if (transaction.debtorIban !== undefined && !isValidIBAN(transaction.debtorIban)) {
    return refuse("AC01", "DbtrAcct/Id/IBAN", "the IBAN is wrong");
  }
  if (transaction.creditorIban !== undefined && !isValidIBAN(transaction.creditorIban)) {
    return refuse("AC01", "CdtrAcct/Id/IBAN", "the IBAN is wrong");
  }
  return {
    index,
    uetr,
    debtorAccount: accounts.debtor,
    creditorAccount: accounts.creditor,
    amount: amount.minor,
    currency: amount.currency.numeric,
    valueDate,
    transaction,
  };
}

type Refuse = (code: ReasonCode, element: string, message: string) => RefusedPayment;

const MAX_MINOR_UNITS = 2n ** 53n - 1n;

function readAmount(context: Context, transaction: Transaction, refuse: Refuse): Amount | RefusedPayment {
  const scaled = transaction.amount === undefined ? undefined : parseDecimal(transaction.amount);
  if (scaled === undefined) {
    context.unreadableAmounts += 1;
    return transaction.amount === undefined
      ? refuse("CH21", "IntrBkSttlmAmt", "the element is missing")
      : refuse("AM12", "IntrBkSttlmAmt", "the amount is not a number of at most 18 digits");
  }
  addToSums(context.sums, transaction.currency ?? "", scaled);
  if (transaction.currency === undefined) return refuse("CH21", "IntrBkSttlmAmt/@Ccy", "the currency is missing");
  const currency = currencyOf(transaction.currency);
  if (currency === undefined) return refuse("AM03", "IntrBkSttlmAmt/@Ccy", "the currency is unknown");
  const minor = toMinorUnits(scaled, currency);
  if (minor === undefined)
    return refuse("AM12", "IntrBkSttlmAmt", `the amount is finer than the minor unit of ${currency.code}`);
  if (minor === 0n) return refuse("AM01", "IntrBkSttlmAmt", "the amount is zero");
  if (minor > MAX_MINOR_UNITS)
    return refuse("AM02", "IntrBkSttlmAmt", "the amount is above what can be settled at once");
  return { scaled, minor, currency };
}

function addToSums(sums: Sum[], currency: string, amount: Scaled): void {
  for (const sum of sums) {
    if (sum.currency !== currency) continue;
    sum.total += amount;
    return;
  }
  // Files name a handful of currencies; the tail of a hostile one shares a slot.
  if (sums.length < 64) sums.push({ currency, total: amount });
  else sums[63]!.total += amount;
}

const ALL_SEEN = SEEN.chargeBearer | SEEN.debtor | SEEN.debtorAgent | SEEN.creditorAgent | SEEN.creditor;

function missingElement(transaction: Transaction, version: number): string | undefined {
  if (transaction.endToEndId === undefined) return "PmtId/EndToEndId";
  if (version < FIRST_VERSION_WITH_UETR && transaction.transactionId === undefined) return "PmtId/TxId";
  if (transaction.uetr === undefined && transaction.transactionId === undefined) return "PmtId/UETR";
  if ((transaction.seen & ALL_SEEN) !== ALL_SEEN) {
    if ((transaction.seen & SEEN.chargeBearer) === 0) return "ChrgBr";
    if ((transaction.seen & SEEN.debtor) === 0) return "Dbtr";
    if ((transaction.seen & SEEN.debtorAgent) === 0) return "DbtrAgt";
    if ((transaction.seen & SEEN.creditorAgent) === 0) return "CdtrAgt";
    return "Cdtr";
  }
  if (transaction.debtorAgent === undefined) return "DbtrAgt/FinInstnId/BICFI";
  if (transaction.creditorAgent === undefined) return "CdtrAgt/FinInstnId/BICFI";
  return undefined;
}

function overlongText(transaction: Transaction): string | undefined {
  const { instructionId, endToEndId, transactionId, clearingSystemReference, debtorName, creditorName } = transaction;
  if (instructionId !== undefined && !isText(instructionId, 35)) return "PmtId/InstrId";
  if (endToEndId !== undefined && !isText(endToEndId, 35)) return "PmtId/EndToEndId";
  if (transactionId !== undefined && !isText(transactionId, 35)) return "PmtId/TxId";
  if (clearingSystemReference !== undefined && !isText(clearingSystemReference, 35)) return "PmtId/ClrSysRef";
  if (debtorName !== undefined && !isText(debtorName, 140)) return "Dbtr/Nm";
  if (creditorName !== undefined && !isText(creditorName, 140)) return "Cdtr/Nm";
  return undefined;
}

function uetrOf(context: Context, { uetr, transactionId }: Transaction): string | undefined {
  if (uetr === undefined) return deriveUetr(context.sender, context.messageId, transactionId ?? "");
  return isUetr(uetr) ? uetr : undefined;
}

function dateOf(context: Context, text: string | undefined): number | undefined {
  if (text === undefined) return context.groupDate;
  const { dates } = context;
  if (dates.has(text)) return dates.get(text);
  const date = parseDate(text.trim());
  if (dates.size < 1024) dates.set(text, date);
  return date;
}

type Accounts = { readonly debtor: number; readonly creditor: number };

/** The two settlement accounts: the sender pays from its own, whoever it instructs must be the creditor's agent. */
function readAccounts(
  context: Context,
  transaction: Transaction,
  currency: Currency,
  refuse: Refuse,
): Accounts | RefusedPayment {
  const { participants, sender } = context;
  const wrong = wrongBic(transaction);
  if (wrong !== undefined) return refuse("RC01", `${wrong}/FinInstnId`, "the BIC is malformed");
  const debtorBic = normalizeBic(transaction.debtorAgent!);
  const creditorBic = normalizeBic(transaction.creditorAgent!);
  if (transaction.instructingAgent !== undefined && normalizeBic(transaction.instructingAgent) !== sender) {
    return refuse("AGNT", "InstgAgt/FinInstnId", "the instructing agent is not the institution that sent the file");
  }
  if (debtorBic !== sender)
    return refuse("AGNT", "DbtrAgt/FinInstnId", "the debtor agent is not the institution that sent the file");
  if (transaction.instructedAgent !== undefined && normalizeBic(transaction.instructedAgent) !== creditorBic) {
    return refuse("AGNT", "InstdAgt/FinInstnId", "the instructed agent is not the creditor agent");
  }
  const debtorAgent = participants.institution(debtorBic);
  const creditorAgent = participants.institution(creditorBic!);
  if (debtorAgent === undefined) return refuse("AGNT", "DbtrAgt/FinInstnId", "the debtor agent is not a participant");
  if (creditorAgent === undefined)
    return refuse("AGNT", "CdtrAgt/FinInstnId", "the creditor agent is not a participant");
  const debtor = participants.account(debtorAgent, currency.code);
  const creditor = participants.account(creditorAgent, currency.code);
  if (debtor === undefined)
    return refuse("AM03", "IntrBkSttlmAmt/@Ccy", `the debtor agent has no settlement account in ${currency.code}`);
  if (creditor === undefined)
    return refuse("AM03", "IntrBkSttlmAmt/@Ccy", `the creditor agent has no settlement account in ${currency.code}`);
  return { debtor, creditor };
}

function wrongBic(transaction: Transaction): string | undefined {
  const { instructingAgent, instructedAgent, debtorAgent, creditorAgent } = transaction;
  if (instructingAgent !== undefined && normalizeBic(instructingAgent) === undefined) return "InstgAgt";
  if (instructedAgent !== undefined && normalizeBic(instructedAgent) === undefined) return "InstdAgt";
  if (normalizeBic(debtorAgent!) === undefined) return "DbtrAgt";
  if (normalizeBic(creditorAgent!) === undefined) return "CdtrAgt";
  return undefined;
}
