/** Reading pacs.008: every version and spelling of it, and everything that is none. */
import { expect, test } from "vitest";
import { uetrAt, writeFile } from "../testing/files.ts";
import { creditTransferParser, type Parsed, parseCreditTransfer } from "./parse.ts";

function parse(document: string | Uint8Array): Parsed {
  return parseCreditTransfer(typeof document === "string" ? Buffer.from(document) : document);
}

function parsed(document: string | Uint8Array) {
  const result = parse(document);
  if (result.kind === "refused") throw new Error(result.finding.message);
  return result.transfer;
}

function refusal(document: string | Uint8Array): { code: string; message: string } {
  const result = parse(document);
  return result.kind === "refused" ? result.finding : { code: "none", message: "it was parsed" };
}

/** The same document under a prefix. */
function prefixed(xml: string): string {
  return xml.replace(/<(\/?)(?=[A-Za-z])/g, "<$1p:").replace("xmlns=", "xmlns:p=");
}

test.each([2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])("pacs.008.001 version %i is read", (version) => {
  const transfer = parsed(writeFile({ version }));
  expect(transfer.version).toBe(version);
  expect(transfer.findings).toEqual([]);
  expect(transfer.group).toMatchObject({
    messageId: "FILE-1",
    numberOfTransactions: "1",
    settlementMethod: "CLRG",
    instructingAgent: "QSWADEFFXXX",
  });
  expect(transfer.transactions[0]).toMatchObject({
    uetr: version >= 8 ? uetrAt(1) : undefined,
    amount: "100.00",
    currency: "EUR",
    debtorAgent: "QSWADEFFXXX",
    creditorAgent: "QSWDSESSXXX",
    debtorName: "Erika Mustermann",
    creditorName: "Astrid & Co",
    debtorIban: "DE89370400440532013000",
    findings: [],
  });
});

test.each([1, 14])("version %i is refused", (version) => {
  expect(refusal(writeFile({ version }))).toMatchObject({ code: "FF01" });
});

test("prefix, byte order mark, UTF-16, header and envelope change nothing", () => {
  const plain = writeFile();
  const expected = parsed(plain);
  const sixteen = (text: string): string => text.replace("UTF-8", "UTF-16");
  const big = (text: string): Buffer => Buffer.from(text, "utf16le").swap16();
  const body = plain.replace(/^<\?xml.*\?>\n/, "");
  const header =
    '<h:AppHdr xmlns:h="urn:iso:std:iso:20022:tech:xsd:head.001.001.02"><h:MsgDefIdr>pacs.008.001.08</h:MsgDefIdr></h:AppHdr>';
  const variants: Record<string, string | Uint8Array> = {
    prefix: prefixed(plain),
    mark: `\ufeff${plain}`,
    "little-endian": Buffer.from(`\ufeff${sixteen(plain)}`, "utf16le"),
    "big-endian": big(`\ufeff${sixteen(plain)}`),
    "little-endian, no mark": Buffer.from(sixteen(plain), "utf16le"),
    "big-endian, no mark": big(sixteen(plain)),
    header: `<Envelope xmlns="urn:bank:envelope">${header}<Body>${body}</Body></Envelope>`,
    cdata: plain.replace("Erika Mustermann", "<![CDATA[Erika]]> <!-- c -->Mustermann"),
  };
  for (const [name, document] of Object.entries(variants))
    expect({ name, transfer: parsed(document) }).toEqual({ name, transfer: expected });
});

test("chunks of any size give the same result", () => {
  const document = Buffer.from(writeFile({ payments: [{ debtorName: "Jürgen Çelik 日本" }, {}] }));
  for (const size of [1, 2, 3, 7, 64]) {
    const parser = creditTransferParser();
    for (let at = 0; at < document.length; at += size) parser.push(document.subarray(at, at + size));
    expect(parser.end()).toEqual(parse(document));
  }
});

test("what is not interpreted is kept as XML without prefixes, other namespaces included", () => {
  const after =
    '<Purp><Cd>SALA</Cd></Purp><RmtInf><Strd><CdtrRefInf><Ref>A&amp;B &lt;1&gt;</Ref></CdtrRefInf></Strd></RmtInf><SplmtryData><Envlp><x:Own xmlns:x="urn:own" k="v&quot;"><x:V>1</x:V></x:Own></Envlp></SplmtryData>';
  const [payment] = parsed(
    writeFile({ payments: [{ before: '<ChrgsInf><Amt Ccy="EUR">1.00</Amt></ChrgsInf>', after }] }),
  ).transactions;
  expect(payment!.terms).toBe('<ChrgBr>SHAR</ChrgBr><ChrgsInf><Amt Ccy="EUR">1.00</Amt></ChrgsInf>');
  expect(payment!.parties).toContain("<Ref>A&amp;B &lt;1&gt;</Ref>");
  expect(payment!.parties).toContain('<Own xmlns="urn:own" k="v&quot;"><V>1</V></Own>');
  const [again] = parsed(prefixed(writeFile())).transactions;
  expect(again!.parties).toContain("<Dbtr><Nm>Erika Mustermann</Nm></Dbtr>");
});

const bomb = `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">${Array.from({ length: 20 }, (_, at) => `<!ENTITY a${at} "&a;&a;&a;&a;&a;">`).join("")}]>`;

test.each([
  ["an empty body", ""],
  ["no XML", "hello"],
  ["cut off", writeFile().slice(0, 400)],
  ["two roots", `${writeFile()}<x/>`],
  ["an unknown entity", writeFile().replace("Erika", "&erika;")],
  ["a document type", writeFile({ head: "<!DOCTYPE Document>" })],
  ["an entity bomb", writeFile({ head: bomb }).replace("Erika", "&a19;")],
  [
    "an external entity",
    writeFile({ head: '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>' }).replace("Erika", "&f;"),
  ],
  ["an undeclared prefix", writeFile().replace("<GrpHdr>", "<q:GrpHdr>").replace("</GrpHdr>", "</q:GrpHdr>")],
  ["another message", writeFile().replaceAll("pacs.008.001.08", "pacs.009.001.08")],
  ["two documents", `<E>${writeFile({ head: "" })}${writeFile({ head: "" })}</E>`],
  ["another header", `<E><AppHdr><MsgDefIdr>pacs.008.001.10</MsgDefIdr></AppHdr>${writeFile({ head: "" })}</E>`],
  ["another encoding", writeFile({ head: '<?xml version="1.0" encoding="ISO-8859-1"?>' })],
  ["XML 1.1", writeFile({ head: '<?xml version="1.1"?>' })],
  ["no payment", writeFile({ payments: [] })],
  ["no group header", writeFile().replace(/<GrpHdr>[\s\S]*<\/GrpHdr>/, "")],
  ["depth", writeFile().replace("Invoice 7", `${"<a>".repeat(100)}${"</a>".repeat(100)}`)],
  ["a control character", writeFile().replace("Erika", "Eri\u0001ka")],
] as const)("%s is refused as a file", (_, document) => {
  expect(refusal(document)).toMatchObject({ code: "FF01" });
});

test("bytes that are not their encoding are refused, at any place", () => {
  const good = Buffer.from(writeFile());
  const at = good.indexOf("Erika");
  for (const bad of [[0xc3], [0xff], [0xed, 0xa0, 0x80], [0xf8, 0x88], [0xc0, 0xaf]]) {
    expect(refusal(Buffer.concat([good.subarray(0, at), Buffer.from(bad), good.subarray(at)]))).toMatchObject({
      code: "FF01",
    });
  }
  expect(refusal(Buffer.concat([good, Buffer.from([0xc3])]))).toMatchObject({ code: "FF01" });
  expect(refusal(Buffer.from(`\ufeff${writeFile()}`, "utf16le").subarray(0, -1))).toMatchObject({ code: "FF01" });
});

test("messages about broken XML repeat nothing of the document", () => {
  for (const document of [writeFile().replace("</Nm>", "</Nm"), writeFile().replace("Erika", "&Erika;")]) {
    expect(refusal(document).message).not.toMatch(/Erika|Mustermann/);
  }
});

test("a 50 MB file is read in bounded slices", { timeout: 60_000 }, () => {
  const payment = writeFile({ payments: [{ after: `<RmtInf><Ustrd>${"x".repeat(8_000)}</Ustrd></RmtInf>` }] });
  const [head, body, tail] = [
    payment.indexOf("  <CdtTrfTxInf>"),
    payment.slice(payment.indexOf("  <CdtTrfTxInf>"), payment.indexOf("</FIToFICstmrCdtTrf>")),
    "</FIToFICstmrCdtTrf></Document>",
  ];
  const parser = creditTransferParser();
  parser.push(Buffer.from(payment.slice(0, head)));
  const count = Math.ceil((50 * 1024 * 1024) / body.length);
  for (let at = 0; at < count; at++) parser.push(Buffer.from(body));
  parser.push(Buffer.from(tail));
  const result = parser.end();
  expect(result.kind === "parsed" && result.transfer.transactions.length).toBe(count);
});

test("limits of bytes and payments refuse at once", () => {
  const document = Buffer.from(writeFile({ payments: [{}, {}, {}] }));
  expect(parseCreditTransfer(document, { maxBytes: 100, maxTransactions: 10 })).toMatchObject({
    kind: "refused",
    finding: { code: "FF01" },
  });
  expect(parseCreditTransfer(document, { maxBytes: 1e6, maxTransactions: 2 })).toMatchObject({
    kind: "refused",
    finding: { code: "AM18" },
  });
  const parser = creditTransferParser({ maxBytes: 100, maxTransactions: 10 });
  expect(parser.push(document)).toBe(false);
});
