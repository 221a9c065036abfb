/** The payments of a settled block, as the chain knows them: accounts and amounts, no names. */
import type { ConsolePayment } from "../console/source.ts";
import { currencyByNumber } from "../gateway/iso20022/currencies.ts";
import { formatMinorUnits } from "../gateway/iso20022/money.ts";
import { uuidFromBytes } from "../gateway/iso20022/uetr.ts";
import type { GetDirectoryResponse, SettledBlock } from "../proto/validator/v1/validator_pb.js";
import { checkMessage, readRecord } from "../validator/codec/payment-message.ts";
import { receiptOf } from "../validator/ledger/receipts.ts";
import type { ValidatorLink } from "./embedded/validator-link.ts";

/** Under load nobody reads a list: of each block only this many messages, and of each only this many payments. */
const most = { messages: 3, payments: 12 };
const callMs = 2_000;
/** Blocks whose payments are being read; more are left out. */
const mostAtOnce = 4;
let reading = 0;

/** The last payments of the block's first messages, in the order of the chain. */
export async function readPayments(block: SettledBlock, link: ValidatorLink): Promise<readonly ConsolePayment[]> {
  if (reading >= mostAtOnce || block.messages.length === 0) return [];
  reading++;
  try {
    const directory = await link.settlement.getDirectory({}, { timeoutMs: callMs });
    const read = await Promise.all(
      block.messages.slice(0, most.messages).map(async ({ message, reasons }) => {
        const { signed } = await link.settlement.getPrivate({ message }, { timeoutMs: callMs });
        return paymentsOf(signed, reasons, block, directory);
      }),
    );
    return read.flat();
  } finally {
    reading--;
  }
}

function paymentsOf(
  signed: Uint8Array,
  reasons: Uint8Array,
  block: SettledBlock,
  directory: GetDirectoryResponse,
): readonly ConsolePayment[] {
  const message = checkMessage(signed);
  if (message.kind === "refused") return [];
  const { header, records } = message.value;
  const bicOf = (account: number) => {
    const institution = directory.accounts.find(({ index }) => index === account)?.institution;
    return directory.institutions.find(({ index }) => index === institution)?.bic ?? "–";
  };
  return Array.from({ length: Math.min(header.count, most.payments) }, (_, i) => {
    const record = readRecord(records, i);
    const currency = currencyByNumber(record.currency);
    const code = reasons[i] ?? 0;
    const receipt = receiptOf(code);
    return {
      uetr: uuidFromBytes(record.uetr),
      from: bicOf(record.debtor),
      to: bicOf(record.creditor),
      amount: formatMinorUnits(BigInt(record.amount), currency?.digits ?? 0),
      currency: currency?.code ?? String(record.currency),
      settled: code === 0,
      reason: code === 0 ? "" : `${receipt?.reason ?? ""} ${receipt?.name ?? `code ${code}`}`.trim(),
      height: Number(block.height),
      time: Number(block.time),
    };
  });
}
