/** A pacs.008 as read: what settlement needs as fields, everything else as XML to be delivered unchanged. */
import type { Finding } from "./reasons.ts";

/** `pacs.008.001.NN`: 2 … 13. */
export type Version = number;

/** The group header, as written. */
export interface GroupHeader {
  messageId: string | undefined;
  creationTime: string | undefined;
  numberOfTransactions: string | undefined;
  controlSum: string | undefined;
  totalAmount: string | undefined;
  totalCurrency: string | undefined;
  settlementDate: string | undefined;
  settlementMethod: string | undefined;
  instructingAgent: string | undefined;
  instructedAgent: string | undefined;
  /** `PmtTpInf` of the group as XML: it holds for every payment that has none of its own. */
  paymentType: string;
}

/** One `CdtTrfTxInf`, as written. */
export interface Transaction {
  instructionId: string | undefined;
  endToEndId: string | undefined;
  transactionId: string | undefined;
  uetr: string | undefined;
  clearingSystemReference: string | undefined;
  amount: string | undefined;
  currency: string | undefined;
  settlementDate: string | undefined;
  instructingAgent: string | undefined;
  instructedAgent: string | undefined;
  debtorName: string | undefined;
  debtorIban: string | undefined;
  debtorAgent: string | undefined;
  creditorAgent: string | undefined;
  creditorName: string | undefined;
  creditorIban: string | undefined;
  /** XML of `PmtTpInf`, without namespace prefixes. */
  paymentType: string;
  /** XML of the elements between the settlement date and the instructing agent: priorities, instructed amount, charges. */
  terms: string;
  /** XML of the elements after the instructed agent: intermediaries, parties, accounts, purpose, remittance. */
  parties: string;
  /** Which required elements were seen, as bits of `SEEN`. */
  seen: number;
  /** What was wrong with its shape. */
  findings: Finding[];
}

/** Required children of `CdtTrfTxInf`, and the parts of `PmtId`. */
export const SEEN = {
  chargeBearer: 1,
  debtor: 2,
  debtorAgent: 4,
  creditorAgent: 8,
  creditor: 16,
} as const;

/** A file whose XML is well-formed and whose elements are where the schema wants them. */
export interface CreditTransfer {
  readonly version: Version;
  readonly group: GroupHeader;
  readonly transactions: readonly Transaction[];
  /** What was wrong with the group header's shape: the whole file is refused. */
  readonly findings: readonly Finding[];
}

/** The namespace of a version of pacs.008. */
export function namespaceOf(version: Version): string {
  return `urn:iso:std:iso:20022:tech:xsd:${nameOf(version)}`;
}

/** The message name of a version, e.g. `pacs.008.001.08`. */
export function nameOf(version: Version): string {
  return `pacs.008.001.${String(version).padStart(2, "0")}`;
}

/** The first version whose payments carry a UETR. */
export const FIRST_VERSION_WITH_UETR = 8;
