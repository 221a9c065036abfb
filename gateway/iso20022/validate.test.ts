/** Each kind of bad input gets its reason code, at the file or at the payment. */
import { expect, test } from "vitest";
import { readDirectory } from "../directory.ts";
import { type TestFile, type TestPayment, uetrAt, writeFile } from "../testing/files.ts";
import { testDirectory } from "../testing/swarm.ts";
import { parseCreditTransfer } from "./parse.ts";
import { type Checked, validate } from "./validate.ts";

const directory = readDirectory(testDirectory());

function check(xml: string, sender = "QSWADEFFXXX"): Checked {
  const parsed = parseCreditTransfer(Buffer.from(xml));
  if (parsed.kind === "refused") throw new Error(parsed.finding.message);
  return validate(parsed.transfer, sender, directory);
}

/** What becomes of a file: codes of the file, or per refused payment its position, code and element. */
function story(xml: string, sender?: string): string[] {
  const checked = check(xml, sender);
  if (checked.kind === "refused") return checked.findings.map(({ code, element }) => `file ${code} ${element}`);
  return checked.refused.map(
    ({ index, finding }) =>
      `payment ${index + 1} ${finding.code} ${finding.element.replace(/^CdtTrfTxInf\[\d+\]\//, "")}`,
  );
}

test("a good file becomes payments in minor units with accounts and dates", () => {
  const checked = check(
    writeFile({ payments: [{ amount: "1234.5" }, { currency: "USD", amount: "0.01", creditorAgent: "QSWBUS33" }] }),
  );
  if (checked.kind === "refused") throw new Error(JSON.stringify(checked.findings));
  expect(checked.payments.map(({ transaction, ...rest }) => rest)).toEqual([
    {
      index: 0,
      uetr: uetrAt(1),
      debtorAccount: 0,
      creditorAccount: 6,
      amount: 123_450n,
      currency: 978,
      valueDate: 20_261_123,
    },
    {
      index: 1,
      uetr: uetrAt(2),
      debtorAccount: 1,
      creditorAccount: 3,
      amount: 1n,
      currency: 840,
      valueDate: 20_261_123,
    },
  ]);
});

const files: readonly [string, TestFile, string][] = [
  ["wrong number of transactions", { numberOfTransactions: "2" }, "file AM18 GrpHdr/NbOfTxs"],
  ["number of transactions not a number", { numberOfTransactions: "one" }, "file FF01 GrpHdr/NbOfTxs"],
  ["wrong control sum", { sums: "<CtrlSum>100.01</CtrlSum>" }, "file AM10 GrpHdr/CtrlSum"],
  ["control sum not a number", { sums: "<CtrlSum>1e2</CtrlSum>" }, "file AM10 GrpHdr/CtrlSum"],
  [
    "wrong total",
    { sums: '<TtlIntrBkSttlmAmt Ccy="EUR">99.00</TtlIntrBkSttlmAmt>' },
    "file AM09 GrpHdr/TtlIntrBkSttlmAmt",
  ],
  [
    "total in another currency",
    { sums: '<TtlIntrBkSttlmAmt Ccy="USD">100.00</TtlIntrBkSttlmAmt>' },
    "file AM03 GrpHdr/TtlIntrBkSttlmAmt",
  ],
  [
    "total over two currencies",
    { sums: '<TtlIntrBkSttlmAmt Ccy="EUR">200.00</TtlIntrBkSttlmAmt>', payments: [{}, { currency: "USD" }] },
    "file AM03 GrpHdr/TtlIntrBkSttlmAmt",
  ],
  [
    "no such day in the header",
    { sums: "<IntrBkSttlmDt>2026-02-30</IntrBkSttlmDt>" },
    "file DT01 GrpHdr/IntrBkSttlmDt",
  ],
  ["creation time", { creationTime: "yesterday" }, "file DT01 GrpHdr/CreDtTm"],
  ["message id too long", { messageId: "x".repeat(36) }, "file FF01 GrpHdr/MsgId"],
  ["another's file", { instructingAgent: "QSWBUS33XXX" }, "file AGNT GrpHdr/InstgAgt/FinInstnId"],
  ["a sender's BIC that is none", { instructingAgent: "QSW" }, "file RC01 GrpHdr/InstgAgt/FinInstnId"],
];

test.each(files)("%s refuses the file", (_, file, expected) => {
  expect(story(writeFile(file))).toEqual([expected]);
});

const payments: readonly [string, TestPayment, string][] = [
  ["IBAN checksum", { creditorIban: "SE4550000000058398257467" }, "AC01 CdtrAcct/Id/IBAN"],
  ["debtor IBAN", { debtorIban: "DE00370400440532013000" }, "AC01 DbtrAcct/Id/IBAN"],
  ["BIC", { creditorAgent: "QSWDSES" }, "RC01 CdtrAgt/FinInstnId"],
  ["BIC in lower case", { creditorAgent: "qswdsessxxx" }, "RC01 CdtrAgt/FinInstnId"],
  ["unknown bank", { creditorAgent: "DEUTDEFFXXX" }, "AGNT CdtrAgt/FinInstnId"],
  ["another bank's debtor", { debtorAgent: "QSWBUS33XXX" }, "AGNT DbtrAgt/FinInstnId"],
  ["unknown currency", { currency: "EUX" }, "AM03 IntrBkSttlmAmt/@Ccy"],
  ["no account in the currency", { currency: "JPY", amount: "100" }, "AM03 IntrBkSttlmAmt/@Ccy"],
  ["finer than a cent", { amount: "1.001" }, "AM12 IntrBkSttlmAmt"],
  ["not an amount", { amount: "12,50" }, "AM12 IntrBkSttlmAmt"],
  ["negative", { amount: "-1.00" }, "AM12 IntrBkSttlmAmt"],
  ["zero", { amount: "0.00" }, "AM01 IntrBkSttlmAmt"],
  ["above what can be settled", { amount: "900000000000000000" }, "AM02 IntrBkSttlmAmt"],
  ["no such day", { date: "2026-11-31" }, "DT01 IntrBkSttlmDt"],
  ["no date at all", { date: undefined }, "CH21 IntrBkSttlmDt"],
  ["UETR that is none", { uetr: "7D3C5A10-0000-4000-8000-000000000001" }, "CH16 PmtId/UETR"],
  ["neither UETR nor TxId", { uetr: undefined, transactionId: undefined }, "CH21 PmtId/UETR"],
  ["EndToEndId too long", { endToEndId: "e".repeat(36) }, "CH16 PmtId/EndToEndId"],
  ["name too long", { debtorName: "n".repeat(141) }, "CH16 Dbtr/Nm"],
  ["an element of our own", { before: "<Own/>" }, "CH17 Own"],
  ["out of order", { after: "<ChrgBr>SHAR</ChrgBr>" }, "CH17 ChrgBr"],
  ["given twice", { before: "<SttlmTmReq/>" }, "CH17 SttlmTmReq"],
  ["text between elements", { before: "stray" }, "CH17 "],
];

test.each(payments)("%s refuses the payment and leaves the others", (_, payment, expected) => {
  const told = story(writeFile({ payments: [{}, payment, {}] }));
  expect(told.map((line) => line.replace(/CdtTrfTxInf\[2\]$/, ""))).toEqual([`payment 2 ${expected}`]);
});

test("a UETR twice in a file refuses the second", () => {
  expect(story(writeFile({ payments: [{}, { uetr: uetrAt(1) }] }))).toEqual(["payment 2 DU03 PmtId/UETR"]);
});

test("an EndToEndId may be given any number of times", () => {
  expect(story(writeFile({ payments: [{ endToEndId: "NOTPROVIDED" }, { endToEndId: "NOTPROVIDED" }] }))).toEqual([]);
});

test("sums count refused payments too, and are not judged when an amount cannot be read", () => {
  expect(
    story(writeFile({ sums: "<CtrlSum>300</CtrlSum>", payments: [{}, { creditorAgent: "DEUTDEFFXXX" }, {}] })),
  ).toEqual(["payment 2 AGNT CdtrAgt/FinInstnId"]);
  expect(story(writeFile({ sums: "<CtrlSum>300</CtrlSum>", payments: [{}, { amount: "x" }, {}] }))).toEqual([
    "payment 2 AM12 IntrBkSttlmAmt",
  ]);
});

test.each([
  ["Dbtr", /<Dbtr>.*<\/Dbtr>/],
  ["Cdtr", /<Cdtr>.*<\/Cdtr>/],
  ["ChrgBr", /<ChrgBr>.*<\/ChrgBr>/],
  ["DbtrAgt", /<DbtrAgt>.*<\/DbtrAgt>/],
  ["IntrBkSttlmAmt", /<IntrBkSttlmAmt .*<\/IntrBkSttlmAmt>/],
  ["PmtId/EndToEndId", /<EndToEndId>.*<\/EndToEndId>/],
])("a payment without %s names it", (element, cut) => {
  expect(story(writeFile().replace(cut, ""))).toEqual([`payment 1 CH21 ${element}`]);
});

test("before version 08 the reference is derived from sender, message and transaction, and from nothing else", () => {
  const uetrs = (file: TestFile): string[] => {
    const checked = check(writeFile({ version: 2, ...file }));
    return checked.kind === "checked" ? checked.payments.map(({ uetr }) => uetr) : [];
  };
  const [first, second] = uetrs({ payments: [{}, {}] });
  expect(first).not.toBe(second);
  expect(uetrs({ payments: [{ amount: "5.00", endToEndId: "OTHER" }] })).toEqual([first]);
  expect(uetrs({ messageId: "FILE-2" })).not.toContain(first);
  expect(first).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab]/);
});
