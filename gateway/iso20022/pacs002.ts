/** Status reports: pacs.002 for a file and its payments. */
import { escapeXml, xmlText } from "./escape.ts";
import { nameOf, type Version } from "./message.ts";

/**
 * ISO external status codes this gateway reports: ACTC accepted (its batches are durable), ACSP ordered, ACSC settled,
 * PART some payments refused or rejected, RJCT rejected.
 */
export type Status = "ACTC" | "ACSP" | "ACSC" | "PART" | "RJCT";

/** A code of `ExternalStatusReason1Code` and a sentence, cut to what the schema holds. */
export interface StatusReason {
  readonly code: string;
  readonly message: string;
}

/** One payment of the report. */
export interface TransactionStatus {
  readonly instructionId: string | undefined;
  readonly endToEndId: string | undefined;
  readonly transactionId: string | undefined;
  /** Only a reference the original carried: the schema admits no derived (version 5) one. */
  readonly uetr: string | undefined;
  readonly status: Exclude<Status, "PART">;
  readonly reason: StatusReason | undefined;
}

/** What a report says. */
export interface StatusReport {
  /** At most 35 characters; the same report has the same id. */
  readonly messageId: string;
  /** ms since the Unix epoch. */
  readonly time: number;
  /** Version of the original pacs.008; undefined when it could not be read. */
  readonly version: Version | undefined;
  readonly original: {
    readonly messageId: string | undefined;
    readonly creationTime: string | undefined;
    readonly numberOfTransactions: string | undefined;
    readonly controlSum: string | undefined;
  };
  readonly status: Status;
  /** Why the whole file is rejected. */
  readonly reasons: readonly StatusReason[];
  readonly transactions: readonly TransactionStatus[];
}

/** The version of pacs.002 that answers a version of pacs.008: .12 from pacs.008.001.10 on, else .10. */
export function reportVersionFor(version: Version | undefined): string {
  return version !== undefined && version >= 10 ? "pacs.002.001.12" : "pacs.002.001.10";
}

/** Writes a report as XML. */
export function writeStatusReport(report: StatusReport): string {
  const { original } = report;
  const parts = [
    '<?xml version="1.0" encoding="UTF-8"?>\n',
    `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:${reportVersionFor(report.version)}"><FIToFIPmtStsRpt>`,
    `<GrpHdr><MsgId>${xmlText(report.messageId, 35)}</MsgId><CreDtTm>${new Date(report.time).toISOString()}</CreDtTm></GrpHdr>`,
    "<OrgnlGrpInfAndSts>",
    `<OrgnlMsgId>${xmlText(original.messageId?.trim() || "NOTPROVIDED", 35)}</OrgnlMsgId>`,
    `<OrgnlMsgNmId>${report.version === undefined ? "pacs.008.001" : nameOf(report.version)}</OrgnlMsgNmId>`,
    optional("OrgnlCreDtTm", original.creationTime),
    optional("OrgnlNbOfTxs", original.numberOfTransactions),
    optional("OrgnlCtrlSum", original.controlSum),
    `<GrpSts>${report.status}</GrpSts>`,
    ...report.reasons.map(reasonXml),
    "</OrgnlGrpInfAndSts>",
    ...report.transactions.map(transactionXml),
    "</FIToFIPmtStsRpt></Document>\n",
  ];
  return parts.join("");
}

function transactionXml(transaction: TransactionStatus): string {
  const { instructionId, endToEndId, transactionId, uetr, status, reason } = transaction;
  return `<TxInfAndSts>${optional("OrgnlInstrId", instructionId)}${optional("OrgnlEndToEndId", endToEndId)}${optional("OrgnlTxId", transactionId)}${optional("OrgnlUETR", uetr)}<TxSts>${status}</TxSts>${reason === undefined ? "" : reasonXml(reason)}</TxInfAndSts>`;
}

/** The additional information is 105 characters a line; a longer sentence takes several. */
function reasonXml(reason: StatusReason): string {
  const lines: string[] = [];
  for (let at = 0; at < reason.message.length && lines.length < 4; at += 105) {
    lines.push(`<AddtlInf>${xmlText(reason.message.slice(at, at + 105), 105)}</AddtlInf>`);
  }
  return `<StsRsnInf><Rsn><Cd>${escapeXml(reason.code)}</Cd></Rsn>${lines.join("")}</StsRsnInf>`;
}

function optional(name: string, value: string | undefined): string {
  return value === undefined ? "" : `<${name}>${escapeXml(value)}</${name}>`;
}
