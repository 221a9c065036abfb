/**
 * The elements of pacs.008 that this gateway reads, as one tree over versions .02 to .13. Below elements that nothing
 * is read from, names are not checked: those are delivered as they came.
 */
import type { GroupHeader, Transaction } from "./message.ts";
import { SEEN } from "./message.ts";

type TextKey<T> = { [K in keyof T]: T[K] extends string | undefined ? K : never }[keyof T];
type TransactionField = Exclude<TextKey<Transaction>, Part>;
type GroupField = Exclude<TextKey<GroupHeader>, "paymentType">;
/** Where the XML of a child of `CdtTrfTxInf` is kept. */
export type Part = "paymentType" | "terms" | "parties";

/** One element of the tree. */
export interface Element {
  readonly name: string;
  readonly children: ReadonlyMap<string, Element>;
  /** Children are exactly those of the map, in its order. */
  readonly strict: boolean;
  /** Position among its siblings, under a strict parent. */
  readonly order: number;
  readonly repeats: boolean;
  readonly role: "other" | "group" | "transaction" | "group-payment-type";
  readonly groupField: GroupField | undefined;
  readonly transactionField: TransactionField | undefined;
  /** Takes the attribute `Ccy`. */
  readonly currencyOf: "group" | "transaction" | undefined;
  readonly part: Part | undefined;
  /** Bits of `SEEN`. */
  readonly seen: number;
}

type Draft = Partial<Omit<Element, "name" | "children" | "order">> & { children?: readonly Element[] };

function element(name: string, draft: Draft = {}): Element {
  const children = new Map<string, Element>();
  draft.children?.forEach((child, order) => {
    children.set(child.name, { ...child, order });
  });
  return {
    name,
    children,
    strict: draft.strict ?? false,
    order: 0,
    repeats: draft.repeats ?? false,
    role: draft.role ?? "other",
    groupField: draft.groupField,
    transactionField: draft.transactionField,
    currencyOf: draft.currencyOf,
    part: draft.part,
    seen: draft.seen ?? 0,
  };
}

/** Any element that nothing is read from. */
export const OTHER: Element = element("*");

const group = (name: string, groupField: GroupField, more: Draft = {}): Element =>
  element(name, { ...more, groupField });
const text = (name: string, transactionField: TransactionField, more: Draft = {}): Element =>
  element(name, { ...more, transactionField });

function groupAgent(name: string, groupField: GroupField): Element {
  return element(name, {
    children: [element("FinInstnId", { children: [group("BICFI", groupField), group("BIC", groupField)] })],
  });
}

function agent(name: string, field: TransactionField, more: Draft = {}): Element {
  return element(name, {
    ...more,
    children: [element("FinInstnId", { children: [text("BICFI", field), text("BIC", field)] })],
  });
}

const terms = (name: string): Element => element(name, { part: "terms" });
const parties = (name: string): Element => element(name, { part: "parties" });
const repeated = (child: Element): Element => ({ ...child, repeats: true });
const party = (name: string, field: TransactionField, seen: number): Element =>
  element(name, { part: "parties", seen, children: [text("Nm", field)] });
const account = (name: string, field: TransactionField): Element =>
  element(name, { part: "parties", children: [element("Id", { children: [text("IBAN", field)] })] });

const GROUP_HEADER = element("GrpHdr", {
  strict: true,
  role: "group",
  children: [
    group("MsgId", "messageId"),
    group("CreDtTm", "creationTime"),
    element("XpryDtTm"),
    element("BtchBookg"),
    group("NbOfTxs", "numberOfTransactions"),
    group("CtrlSum", "controlSum"),
    group("TtlIntrBkSttlmAmt", "totalAmount", { currencyOf: "group" }),
    group("IntrBkSttlmDt", "settlementDate"),
    element("SttlmInf", { children: [group("SttlmMtd", "settlementMethod")] }),
    element("PmtTpInf", { role: "group-payment-type" }),
    groupAgent("InstgAgt", "instructingAgent"),
    groupAgent("InstdAgt", "instructedAgent"),
  ],
});

const TRANSACTION = element("CdtTrfTxInf", {
  strict: true,
  repeats: true,
  role: "transaction",
  children: [
    element("PmtId", {
      strict: true,
      children: [
        text("InstrId", "instructionId"),
        text("EndToEndId", "endToEndId"),
        text("TxId", "transactionId"),
        text("UETR", "uetr"),
        text("ClrSysRef", "clearingSystemReference"),
      ],
    }),
    element("PmtTpInf", { part: "paymentType" }),
    text("IntrBkSttlmAmt", "amount", { currencyOf: "transaction" }),
    text("IntrBkSttlmDt", "settlementDate"),
    terms("SttlmPrty"),
    terms("SttlmTmIndctn"),
    terms("SttlmTmReq"),
    terms("AddtlDtTm"),
    terms("AccptncDtTm"),
    terms("PoolgAdjstmntDt"),
    terms("InstdAmt"),
    terms("XchgRate"),
    terms("AgrdRate"),
    element("ChrgBr", { part: "terms", seen: SEEN.chargeBearer }),
    repeated(terms("ChrgsInf")),
    terms("MndtRltdInf"),
    terms("PmtSgntr"),
    ...["PrvsInstgAgt", "PrvsInstgAgt1", "PrvsInstgAgt2", "PrvsInstgAgt3"].flatMap((name) => [
      terms(name),
      terms(`${name}Acct`),
    ]),
    agent("InstgAgt", "instructingAgent"),
    agent("InstdAgt", "instructedAgent"),
    ...["IntrmyAgt1", "IntrmyAgt2", "IntrmyAgt3"].flatMap((name) => [parties(name), parties(`${name}Acct`)]),
    parties("UltmtDbtr"),
    parties("InitgPty"),
    party("Dbtr", "debtorName", SEEN.debtor),
    account("DbtrAcct", "debtorIban"),
    agent("DbtrAgt", "debtorAgent", { part: "parties", seen: SEEN.debtorAgent }),
    parties("DbtrAgtAcct"),
    agent("CdtrAgt", "creditorAgent", { part: "parties", seen: SEEN.creditorAgent }),
    parties("CdtrAgtAcct"),
    party("Cdtr", "creditorName", SEEN.creditor),
    account("CdtrAcct", "creditorIban"),
    parties("UltmtCdtr"),
    repeated(parties("InstrForCdtrAgt")),
    repeated(parties("InstrForNxtAgt")),
    parties("Purp"),
    repeated(parties("RgltryRptg")),
    parties("Tax"),
    repeated(parties("RltdRmtInf")),
    parties("RmtInf"),
    repeated(parties("SplmtryData")),
  ],
});

/** `FIToFICstmrCdtTrf`, the root of the message below `Document`. */
export const CREDIT_TRANSFER: Element = element("FIToFICstmrCdtTrf", {
  strict: true,
  children: [GROUP_HEADER, TRANSACTION, element("SplmtryData", { repeats: true })],
});
