/**
 * How many payments a second one core of the gateway turns from XML into signed messages: parse, validate, build, sign.
 * CPU time, not wall time, so that a busy machine does not blur it. Run: `node gateway/xml.bench.ts`.
 */
import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { readDirectory } from "./directory.ts";
import { creditTransferParser } from "./iso20022/parse.ts";
import { validate } from "./iso20022/validate.ts";
import { buildMessages } from "./messages.ts";
import { saltsFrom, signerFromSeed } from "./signing.ts";

const BANKS = ["QSWADEFFXXX", "QSWBUS33XXX", "QSWCSGSGXXX", "QSWDSESSXXX"] as const;

/** A file of so many payments of about 1.3 kB each, as a bank would send it. */
export function benchmarkFile(payments: number, messageId = "BENCH-1"): Uint8Array {
  const body: string[] = [];
  for (let at = 1; at <= payments; at++) {
    const creditor = BANKS[1 + (at % 3)]!;
    body.push(`    <CdtTrfTxInf>
      <PmtId><InstrId>INSTR-${at}</InstrId><EndToEndId>E2E-${at}</EndToEndId><TxId>TX-${at}</TxId><UETR>${randomUUID()}</UETR></PmtId>
      <PmtTpInf><SvcLvl><Cd>G001</Cd></SvcLvl></PmtTpInf>
      <IntrBkSttlmAmt Ccy="EUR">123.45</IntrBkSttlmAmt>
      <IntrBkSttlmDt>2026-11-23</IntrBkSttlmDt>
      <ChrgBr>SHAR</ChrgBr>
      <InstgAgt><FinInstnId><BICFI>${BANKS[0]}</BICFI></FinInstnId></InstgAgt>
      <InstdAgt><FinInstnId><BICFI>${creditor}</BICFI></FinInstnId></InstdAgt>
      <Dbtr>
        <Nm>Muster Maschinenbau GmbH</Nm>
        <PstlAdr><StrtNm>Hauptstrasse</StrtNm><BldgNb>12</BldgNb><PstCd>60311</PstCd><TwnNm>Frankfurt</TwnNm><Ctry>DE</Ctry></PstlAdr>
      </Dbtr>
      <DbtrAcct><Id><IBAN>DE89370400440532013000</IBAN></Id></DbtrAcct>
      <DbtrAgt><FinInstnId><BICFI>${BANKS[0]}</BICFI></FinInstnId></DbtrAgt>
      <CdtrAgt><FinInstnId><BICFI>${creditor}</BICFI></FinInstnId></CdtrAgt>
      <Cdtr>
        <Nm>Example Parts &amp; Co</Nm>
        <PstlAdr><TwnNm>Stockholm</TwnNm><Ctry>SE</Ctry></PstlAdr>
      </Cdtr>
      <CdtrAcct><Id><IBAN>SE4550000000058398257466</IBAN></Id></CdtrAcct>
      <RmtInf><Ustrd>Invoice 2026-${at}</Ustrd></RmtInf>
    </CdtTrfTxInf>`);
  }
  return Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08">
  <FIToFICstmrCdtTrf>
    <GrpHdr><MsgId>${messageId}</MsgId><CreDtTm>2026-11-23T09:00:00Z</CreDtTm><NbOfTxs>${payments}</NbOfTxs>
      <TtlIntrBkSttlmAmt Ccy="EUR">${((12345 * payments) / 100).toFixed(2)}</TtlIntrBkSttlmAmt>
      <SttlmInf><SttlmMtd>CLRG</SttlmMtd></SttlmInf>
      <InstgAgt><FinInstnId><BICFI>${BANKS[0]}</BICFI></FinInstnId></InstgAgt></GrpHdr>
${body.join("\n")}
  </FIToFICstmrCdtTrf>
</Document>
`);
}

/** A directory of the four banks with euro and dollar accounts. */
export function benchmarkDirectory(): ReturnType<typeof readDirectory> {
  return readDirectory({
    $typeName: "validator.v1.GetDirectoryResponse",
    chainId: new Uint8Array(32),
    institutions: BANKS.map((bic, index) => ({
      $typeName: "validator.v1.Institution" as const,
      index,
      bic,
      key: new Uint8Array(32),
      certificateSubject: bic,
      suspended: false,
    })),
    accounts: BANKS.flatMap((_, institution) =>
      ["EUR", "USD"].map((currency, at) => ({
        $typeName: "validator.v1.Account" as const,
        index: institution * 2 + at,
        institution,
        currency,
        balance: 0n,
        debitCap: 0n,
      })),
    ),
    zones: [],
    expiryWindow: 86_400_000n,
    members: [],
    faultPower: 0n,
  });
}

/** CPU microseconds per payment of each stage, once over the file. */
export function benchmarkRun(
  file: Uint8Array,
  directory = benchmarkDirectory(),
): { parse: number; validate: number; build: number; payments: number } {
  const options = {
    institution: 0,
    directory,
    zone: undefined,
    atomic: false,
    expiry: 1_800_000_000_000,
    signer: signerFromSeed(new Uint8Array(32).fill(7)),
    salts: saltsFrom(new Uint8Array(32).fill(9)),
  };
  const start = cpu();
  const parser = creditTransferParser();
  for (let at = 0; at < file.length; at += 65_536) parser.push(file.subarray(at, at + 65_536));
  const parsed = parser.end();
  if (parsed.kind !== "parsed") throw new Error(parsed.finding.message);
  const afterParse = cpu();
  const checked = validate(parsed.transfer, BANKS[0], directory);
  if (checked.kind !== "checked" || checked.refused.length > 0)
    throw new Error(`refused: ${JSON.stringify(checked).slice(0, 500)}`);
  const afterValidate = cpu();
  const messages = [...buildMessages(parsed.transfer, checked.messageId, checked.payments, options)];
  const afterBuild = cpu();
  const payments = messages.reduce((sum, { count }) => sum + count, 0);
  return {
    parse: (afterParse - start) / payments,
    validate: (afterValidate - afterParse) / payments,
    build: (afterBuild - afterValidate) / payments,
    payments,
  };
}

/** CPU time of this process, µs. */
function cpu(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      payments: { type: "string", default: "10000" },
      runs: { type: "string", default: "5" },
      json: { type: "boolean", default: false },
    },
  });
  const file = benchmarkFile(Number(values.payments));
  benchmarkRun(file);
  const runs = Array.from({ length: Number(values.runs) }, () => benchmarkRun(file));
  const rates = runs.map(({ parse, validate: check, build }) => 1e6 / (parse + check + build)).sort((a, b) => a - b);
  const stage = (name: "parse" | "validate" | "build"): number =>
    runs.map((run) => run[name]).sort((a, b) => a - b)[runs.length >> 1]!;
  const result = {
    paymentsPerSecondPerCore: {
      min: Math.round(rates[0]!),
      median: Math.round(rates[rates.length >> 1]!),
      max: Math.round(rates.at(-1)!),
    },
    microsecondsPerPayment: { parse: stage("parse"), validate: stage("validate"), build: stage("build") },
    bytesPerPayment: file.length / Number(values.payments),
    runs: runs.length,
  };
  if (values.json) console.log(JSON.stringify(result));
  else {
    const { min, median, max } = result.paymentsPerSecondPerCore;
    console.log(
      `XML to signed message, one core: ${median} payments/s (min ${min}, max ${max}, ${runs.length} runs of ${values.payments})`,
    );
    for (const [name, micro] of Object.entries(result.microsecondsPerPayment))
      console.log(`  ${name}: ${micro.toFixed(1)} µs CPU per payment`);
  }
}
