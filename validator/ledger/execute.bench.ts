/**
 * What execution costs: `node validator/ledger/execute.bench.ts [blocks] [batches a block] [payments a message] [atomic]`.
 * Messages of 1,000 payments, batches of at most 8,000, 1,000 accounts, every payment settles; apply and end are timed,
 * building the messages is not. `--cpu-prof` says where the time goes.
 */
import { randomFillSync } from "node:crypto";
import { type Batch, buildBatch } from "../codec/batch.ts";
import { sealBlock } from "../codec/block.ts";
import { buildMessage, checkMessage, creditTransfer, messageKey, recordLength } from "../codec/payment-message.ts";
import { epoch, height, seatIndex, view } from "../consensus/types.ts";
import { createLedger } from "./execute.ts";
import { createMemoryKeys } from "./memory-keys.ts";
import { testGenesis } from "./testing/chain.ts";

const blocks = Number(process.argv[2] ?? 60);
const batchesPerBlock = Number(process.argv[3] ?? 4);
const payments = Number(process.argv[4] ?? 1_000);
/** As many messages as a batch of 512 KiB holds. */
const messagesPerBatch = Math.floor(Math.min(8_000 / payments, (512 * 1024 - 16) / (224 + 64 * payments)));
const institutions = 50;
const accountsEach = 20;
const currencies = "AED AUD BGN BHD BRL CAD CHF CNY CZK DKK EUR GBP HKD HUF INR ISK JPY KRW KWD MXN".split(" ");
const bicOf = (i: number) => `BANK${String.fromCharCode(65 + Math.floor(i / 26), 65 + (i % 26))}22XXX`;

const { genesis, chainId } = testGenesis({
  institutions: Array.from({ length: institutions }, (_, i) => ({
    bic: bicOf(i),
    key: (i + 1).toString(16).padStart(64, "0"),
  })),
  accounts: Array.from({ length: institutions * accountsEach }, (_, i) => ({
    institution: bicOf(i % institutions),
    currency: currencies[Math.floor(i / institutions)] ?? "EUR",
    openingBalance: 1_000_000_000,
    perPaymentLimit: 1_000_000,
    perDayLimit: 1_000_000_000_000,
  })),
});
const keys = createMemoryKeys(1 << 22);
const crypto = { verifyEd25519: () => true, verifyBls: () => true, provesPossession: () => true };
const ledger = createLedger({ genesis, chainId, keys, crypto });
const numeric = Array.from(ledger.accounts.currency);

let made = 0;
function batch(): Batch {
  const messages = Array.from({ length: messagesPerBatch }, () => {
    const institution = made++ % institutions;
    const records = new Uint8Array(payments * recordLength);
    randomFillSync(records);
    const fields = new DataView(records.buffer);
    for (let i = 0; i < payments; i++) {
      const row = fields.getUint32(64 * i + 16, true) % accountsEach;
      const debtor = row * institutions + institution;
      const other = (institution + 1 + (fields.getUint32(64 * i + 20, true) % (institutions - 1))) % institutions;
      fields.setUint32(64 * i + 16, debtor, true);
      fields.setUint32(64 * i + 20, row * institutions + other, true);
      fields.setUint32(64 * i + 24, 1 + (made % 7), true);
      fields.setUint32(64 * i + 28, 0, true);
      fields.setUint16(64 * i + 32, numeric[debtor] ?? 0, true);
    }
    const header = {
      kind: creditTransfer,
      institution,
      zone: 0,
      atomic: process.argv[5] === "atomic",
      messageKey: messageKey(`m${made}`),
      chainId,
      expiry: genesis.time + 3_600_000,
      privateRoot: new Uint8Array(32),
    };
    const checked = checkMessage(buildMessage(header, records, () => new Uint8Array(64)));
    if (checked.kind === "refused") throw new Error(checked.error.reason);
    return checked.value;
  });
  return buildBatch(0, messages);
}

const perBlock = batchesPerBlock * messagesPerBatch * payments;
const times: { readonly apply: number; readonly end: number }[] = [];
for (let i = 1; i <= blocks; i++) {
  const batches = Array.from({ length: batchesPerBlock }, batch);
  const header = {
    chainId,
    epoch: epoch(0),
    view: view(i),
    height: height(i),
    parentView: view(i - 1),
    parent: chainId,
    time: genesis.time + i,
    proposer: seatIndex(0),
    closing: false,
    rootHeight: height(0),
    root: chainId,
  };
  const references = batches.map(({ digest, payments, bytes }) => ({
    digest,
    payments,
    bytes: bytes.length,
    zone: "",
  }));
  const body = { batches: references, governance: [], coverage: [] };
  const block = sealBlock(header, body, undefined);
  const start = performance.now();
  ledger.begin(block);
  for (const { bytes } of batches) ledger.apply(bytes, () => true);
  const applied = performance.now();
  const { messages } = ledger.end();
  const done = performance.now();
  if (messages.some((message) => message.payments !== message.settled)) throw new Error("a payment did not settle");
  times.push({ apply: (1e3 * (applied - start)) / perBlock, end: (1e3 * (done - applied)) / perBlock });
}
const warm = times.slice(Math.floor(blocks / 3));
const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
const row = (name: string, values: readonly number[]) =>
  console.log(
    `${name.padEnd(12)} ${Math.min(...values).toFixed(3)} ${median(values).toFixed(3)} ${Math.max(...values).toFixed(3)}`,
  );
console.log(`µs per payment (min, median, max of ${warm.length} blocks of ${perBlock})`);
row(
  "apply",
  warm.map(({ apply }) => apply),
);
row(
  "end",
  warm.map(({ end }) => end),
);
row(
  "all",
  warm.map(({ apply, end }) => apply + end),
);
