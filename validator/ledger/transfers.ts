/** Payments: the rules in their order, on words read in place. The hot path: nothing is allocated for a payment. */
import type { PaymentMessage } from "../codec/payment-message.ts";
import { recordLength } from "../codec/payment-message.ts";
import type { Accounts } from "./accounts.ts";
import { maxBalance } from "./accounts.ts";
import { receiptCode } from "./receipts.ts";
import type { ExecutedKeys } from "./types.ts";

const settled = receiptCode("settled");
const unknownDebtor = receiptCode("unknown-debtor");
const unknownCreditor = receiptCode("unknown-creditor");
const notTheOwner = receiptCode("not-the-owner");
const wrongCurrency = receiptCode("wrong-currency");
const zeroAmount = receiptCode("zero-amount");
const amountTooLarge = receiptCode("amount-too-large");
const paymentLimit = receiptCode("payment-limit");
const dayLimit = receiptCode("day-limit");
const insufficientFunds = receiptCode("insufficient-funds");
const duplicatePayment = receiptCode("duplicate-payment");
const suspended = receiptCode("suspended");
const sameAccount = receiptCode("same-account");
const atomicAbort = receiptCode("atomic-abort");

/** 32-bit words of a record: debtor, creditor, amount low and high, currency with purpose above it. */
const words = recordLength / 4;
const debtorWord = 4;
const creditorWord = 5;
const amountLowWord = 6;
const amountHighWord = 7;
const currencyWord = 8;

export interface TransferContext {
  readonly accounts: Accounts;
  readonly keys: ExecutedKeys;
  /** 1 for each suspended institution, by index. */
  readonly suspended: Uint8Array;
  /** Whole days since the Unix epoch, of the block's time. */
  readonly day: number;
  readonly height: number;
  /** Marks institutions credited by the message: set to 1 by index. */
  readonly credited: Uint8Array;
}

/** The message's records as aligned words: `records` may stand at any byte, so they are copied once. */
export function recordWords(message: PaymentMessage): Uint32Array {
  const copy = new Uint8Array(message.records.length);
  copy.set(message.records);
  return new Uint32Array(copy.buffer);
}

/** What a payment would end in on the accounts as they are; duplicates are not its matter. */
function judge(context: TransferContext, institution: number, record: Uint32Array, at: number): number {
  const { accounts } = context;
  const debtor = record[at + debtorWord] as number;
  const creditor = record[at + creditorWord] as number;
  if (debtor >= accounts.count) return unknownDebtor;
  if (creditor >= accounts.count) return unknownCreditor;
  if (accounts.institution[debtor] !== institution) return notTheOwner;
  if (debtor === creditor) return sameAccount;
  if (context.suspended[accounts.institution[creditor] as number] === 1) return suspended;
  const currency = (record[at + currencyWord] as number) & 0xffff;
  if (accounts.currency[debtor] !== currency || accounts.currency[creditor] !== currency) return wrongCurrency;
  const high = record[at + amountHighWord] as number;
  if (high > 0x1f_ffff) return amountTooLarge;
  const amount = high * 0x1_0000_0000 + (record[at + amountLowWord] as number);
  if (amount === 0) return zeroAmount;
  if (amount > (accounts.perPaymentLimit[debtor] as number)) return paymentLimit;
  const spent = accounts.day[debtor] === context.day ? (accounts.dayTotal[debtor] as number) : 0;
  if (spent + amount > (accounts.perDayLimit[debtor] as number)) return dayLimit;
  if ((accounts.balance[debtor] as number) - amount < -(accounts.debitCap[debtor] as number)) return insufficientFunds;
  if ((accounts.balance[creditor] as number) + amount > maxBalance || spent + amount > maxBalance)
    return amountTooLarge;
  return settled;
}

function move({ accounts, day, credited }: TransferContext, record: Uint32Array, at: number): void {
  const debtor = record[at + debtorWord] as number;
  const creditor = record[at + creditorWord] as number;
  const amount = (record[at + amountHighWord] as number) * 0x1_0000_0000 + (record[at + amountLowWord] as number);
  accounts.balance[debtor] = (accounts.balance[debtor] as number) - amount;
  accounts.balance[creditor] = (accounts.balance[creditor] as number) + amount;
  accounts.dayTotal[debtor] = (accounts.day[debtor] === day ? (accounts.dayTotal[debtor] as number) : 0) + amount;
  accounts.day[debtor] = day;
  accounts.touch(debtor);
  accounts.touch(creditor);
  credited[accounts.institution[creditor] as number] = 1;
}

/** Executes the payments one by one, each for itself; writes a code for each. `position`: that of the first in its block. */
export function transferEach(
  context: TransferContext,
  message: PaymentMessage,
  record: Uint32Array,
  position: number,
  codes: Uint8Array,
): void {
  const { keys, height } = context;
  const { kind, institution, count } = message.header;
  for (let i = 0; i < count; i++) {
    let code = judge(context, institution, record, i * words);
    // Only an executed payment consumes its key, so it is asked for last.
    if (code === settled && !keys.add(kind, institution, message.records, i * recordLength, height, position + i))
      code = duplicatePayment;
    if (code === settled) move(context, record, i * words);
    codes[i] = code;
  }
}

/** All or none: tried on the accounts, taken back at the first failure, with no key consumed. */
export function transferAll(
  context: TransferContext,
  message: PaymentMessage,
  record: Uint32Array,
  position: number,
  codes: Uint8Array,
): void {
  const { accounts, keys, height } = context;
  const { kind, institution, count } = message.header;
  const before = snapshotOf(accounts, record, count);
  const credited = context.credited.slice();
  const seen = new Set<string>();
  let failed = -1;
  for (let i = 0; i < count && failed < 0; i++) {
    const start = i * recordLength;
    const uetr = String.fromCharCode(...message.records.subarray(start, start + 16));
    const repeated = seen.has(uetr) || keys.find(kind, institution, message.records, start) !== undefined;
    seen.add(uetr);
    const code = repeated ? duplicatePayment : judge(context, institution, record, i * words);
    if (code === settled) move(context, record, i * words);
    else {
      failed = i;
      codes.fill(atomicAbort);
      codes[i] = code;
    }
  }
  if (failed < 0) {
    for (let i = 0; i < count; i++)
      keys.add(kind, institution, message.records, i * recordLength, height, position + i);
    codes.fill(settled);
    return;
  }
  for (const [index, balance, day, dayTotal] of before) {
    accounts.balance[index] = balance;
    accounts.day[index] = day;
    accounts.dayTotal[index] = dayTotal;
  }
  context.credited.set(credited);
}

function snapshotOf(
  accounts: Accounts,
  record: Uint32Array,
  count: number,
): readonly (readonly [number, number, number, number])[] {
  const touched = new Set<number>();
  for (let i = 0; i < count; i++)
    for (const word of [debtorWord, creditorWord]) touched.add(record[i * words + word] as number);
  return [...touched]
    .filter((index) => index < accounts.count)
    .map(
      (index) =>
        [
          index,
          accounts.balance[index] as number,
          accounts.day[index] as number,
          accounts.dayTotal[index] as number,
        ] as const,
    );
}
