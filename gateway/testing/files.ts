/** pacs.008 files for tests, with any part replaced. */
import { nameOf } from "../iso20022/message.ts";

export interface TestPayment {
  readonly uetr?: string | undefined;
  readonly endToEndId?: string;
  readonly transactionId?: string | undefined;
  readonly amount?: string;
  readonly currency?: string;
  readonly date?: string | undefined;
  readonly debtorAgent?: string;
  readonly creditorAgent?: string;
  readonly debtorName?: string;
  readonly debtorIban?: string;
  readonly creditorIban?: string;
  /** XML put before the debtor, and at the end. */
  readonly before?: string;
  readonly after?: string;
}

export interface TestFile {
  readonly version?: number;
  readonly messageId?: string;
  readonly creationTime?: string;
  readonly numberOfTransactions?: string;
  /** XML after NbOfTxs: sums and dates. */
  readonly sums?: string;
  readonly instructingAgent?: string;
  readonly payments?: readonly TestPayment[];
  /** Replaces the XML declaration. */
  readonly head?: string;
}

/** The UETR of the payment at a position. */
export function uetrAt(index: number): string {
  return `7d3c5a10-0000-4000-8000-${String(index).padStart(12, "0")}`;
}

/** Writes a file; by default valid: one payment of 100.00 EUR from Frankfurt to Stockholm. */
export function writeFile(file: TestFile = {}): string {
  const { version = 8, payments = [{}] } = file;
  const bic = version >= 3 ? "BICFI" : "BIC";
  const agent = (name: string, value: string): string =>
    `<${name}><FinInstnId><${bic}>${value}</${bic}></FinInstnId></${name}>`;
  return `${file.head ?? '<?xml version="1.0" encoding="UTF-8"?>'}
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:${nameOf(version)}"><FIToFICstmrCdtTrf>
  <GrpHdr><MsgId>${file.messageId ?? "FILE-1"}</MsgId><CreDtTm>${file.creationTime ?? "2026-11-23T09:00:00Z"}</CreDtTm>
    <NbOfTxs>${file.numberOfTransactions ?? payments.length}</NbOfTxs>${file.sums ?? ""}<SttlmInf><SttlmMtd>CLRG</SttlmMtd></SttlmInf>
    ${agent("InstgAgt", file.instructingAgent ?? "QSWADEFFXXX")}</GrpHdr>
${payments.map((payment, at) => writePayment(payment, at + 1, version, agent)).join("\n")}
</FIToFICstmrCdtTrf></Document>
`;
}

function writePayment(
  payment: TestPayment,
  index: number,
  version: number,
  agent: (name: string, value: string) => string,
): string {
  const given = "uetr" in payment ? payment.uetr : version >= 8 ? uetrAt(index) : undefined;
  const uetr = given === undefined ? "" : `<UETR>${given}</UETR>`;
  const transactionId = "transactionId" in payment ? payment.transactionId : `TX-${index}`;
  const date = "date" in payment ? payment.date : "2026-11-23";
  return `  <CdtTrfTxInf><PmtId><InstrId>I-${index}</InstrId><EndToEndId>${payment.endToEndId ?? "NOTPROVIDED"}</EndToEndId>${transactionId === undefined ? "" : `<TxId>${transactionId}</TxId>`}${uetr}</PmtId>
    <IntrBkSttlmAmt Ccy="${payment.currency ?? "EUR"}">${payment.amount ?? "100.00"}</IntrBkSttlmAmt>${date === undefined ? "" : `<IntrBkSttlmDt>${date}</IntrBkSttlmDt>`}<ChrgBr>SHAR</ChrgBr>${payment.before ?? ""}
    <Dbtr><Nm>${payment.debtorName ?? "Erika Mustermann"}</Nm></Dbtr><DbtrAcct><Id><IBAN>${payment.debtorIban ?? "DE89370400440532013000"}</IBAN></Id></DbtrAcct>${agent("DbtrAgt", payment.debtorAgent ?? "QSWADEFFXXX")}
    ${agent("CdtrAgt", payment.creditorAgent ?? "QSWDSESSXXX")}<Cdtr><Nm>Astrid &amp; Co</Nm></Cdtr><CdtrAcct><Id><IBAN>${payment.creditorIban ?? "SE4550000000058398257466"}</IBAN></Id></CdtrAcct>${payment.after ?? "<RmtInf><Ustrd>Invoice 7</Ustrd></RmtInf>"}</CdtTrfTxInf>`;
}
