/** The pacs.008 that an instructed institution receives once payments to it have settled. */
import { escapeXml, xmlText } from "./escape.ts";
import { formatDate } from "./fields.ts";
import { FIRST_VERSION_WITH_UETR, namespaceOf, type Version } from "./message.ts";
import { formatMinorUnits } from "./money.ts";
import type { PrivateFields } from "./private-fields.ts";
import { isUetr } from "./uetr.ts";

/** One settled payment, with what its vault kept. */
export interface SettledPayment {
  readonly uetr: string;
  /** Minor units. */
  readonly amount: bigint;
  readonly currency: { readonly code: string; readonly digits: number };
  /** yyyymmdd. */
  readonly valueDate: number;
  /** Undefined when the message had no private payload. */
  readonly fields: PrivateFields | undefined;
}

/** A delivery: payments of one message to one institution, in one version of pacs.008. */
export interface Delivery {
  /** At most 35 characters, the same at every attempt. */
  readonly messageId: string;
  /** Block time of settlement, ms. */
  readonly time: number;
  readonly version: Version;
  readonly instructingAgent: string;
  readonly instructedAgent: string;
  readonly payments: readonly SettledPayment[];
}

/** Writes a delivery as XML in the version its payments came in. */
export function writeDelivery(delivery: Delivery): string {
  const { version, payments, instructingAgent, instructedAgent } = delivery;
  const agents = `${agentXml("InstgAgt", version, instructingAgent)}${agentXml("InstdAgt", version, instructedAgent)}`;
  const head = [
    '<?xml version="1.0" encoding="UTF-8"?>\n',
    `<Document xmlns="${namespaceOf(version)}"><FIToFICstmrCdtTrf>`,
    `<GrpHdr><MsgId>${xmlText(delivery.messageId, 35)}</MsgId><CreDtTm>${new Date(delivery.time).toISOString()}</CreDtTm>`,
    `<NbOfTxs>${payments.length}</NbOfTxs>${totalXml(payments)}`,
    `<SttlmInf><SttlmMtd>CLRG</SttlmMtd></SttlmInf>${agents}</GrpHdr>`,
  ];
  const body = payments.map((payment) => paymentXml(delivery, payment));
  return `${head.join("")}${body.join("")}</FIToFICstmrCdtTrf></Document>\n`;
}

/** A total has one currency; and the schema then wants the date beside it on each payment, where it always is. */
function totalXml(payments: readonly SettledPayment[]): string {
  const first = payments[0];
  if (first === undefined || payments.some(({ currency }) => currency.code !== first.currency.code)) return "";
  const total = payments.reduce((sum, { amount }) => sum + amount, 0n);
  return `<TtlIntrBkSttlmAmt Ccy="${first.currency.code}">${formatMinorUnits(total, first.currency.digits)}</TtlIntrBkSttlmAmt>`;
}

function paymentXml({ version, instructingAgent, instructedAgent }: Delivery, payment: SettledPayment): string {
  const { fields, currency } = payment;
  // The schema admits no derived reference: those travel beside the XML.
  const uetr = version >= FIRST_VERSION_WITH_UETR && isUetr(payment.uetr) ? `<UETR>${payment.uetr}</UETR>` : "";
  const amount = `<IntrBkSttlmAmt Ccy="${currency.code}">${formatMinorUnits(payment.amount, currency.digits)}</IntrBkSttlmAmt><IntrBkSttlmDt>${formatDate(payment.valueDate)}</IntrBkSttlmDt>`;
  const agents = `${agentXml("InstgAgt", version, instructingAgent)}${agentXml("InstdAgt", version, instructedAgent)}`;
  if (fields === undefined) {
    const debtor = agentXml("DbtrAgt", version, instructingAgent);
    const creditor = agentXml("CdtrAgt", version, instructedAgent);
    return `<CdtTrfTxInf><PmtId><EndToEndId>NOTPROVIDED</EndToEndId>${uetr}</PmtId>${amount}<ChrgBr>SHAR</ChrgBr>${agents}<Dbtr/>${debtor}${creditor}<Cdtr/></CdtTrfTxInf>`;
  }
  const ids = `<PmtId>${optional("InstrId", fields.instructionId)}<EndToEndId>${escapeXml(fields.endToEndId)}</EndToEndId>${optional("TxId", fields.transactionId)}${uetr}${optional("ClrSysRef", fields.clearingSystemReference)}</PmtId>`;
  return `<CdtTrfTxInf>${ids}${fields.paymentType}${amount}${fields.terms}${agents}${fields.parties}</CdtTrfTxInf>`;
}

/** The element for a BIC is `BICFI` since version 03. */
function agentXml(name: string, version: Version, bic: string): string {
  const tag = version >= 3 ? "BICFI" : "BIC";
  return `<${name}><FinInstnId><${tag}>${escapeXml(bic)}</${tag}></FinInstnId></${name}>`;
}

function optional(name: string, value: string | undefined): string {
  return value === undefined ? "" : `<${name}>${escapeXml(value)}</${name}>`;
}
