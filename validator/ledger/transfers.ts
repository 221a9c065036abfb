/** Payments: the rules in their order, on words read in place. The hot path: nothing is allocated for a payment. */
import type { PaymentMessage } from "../codec/payment-message.ts";
import { recordLength } from "../codec/payment-message.ts";
import type { AccountColumns, Accounts } from "./accounts.ts";
import { maxBalance } from "./accounts.ts";
import { createMemoryKeys } from "./memory-keys.ts";
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

/** The message's records as words in place, or copied once when they do not stand at a word's boundary. */
export function recordWords({ records }: PaymentMessage): Uint32Array {
  // Not `slice()`: a Buffer's is no copy, and would stand where the records do.
  const aligned = records.byteOffset % 4 === 0 ? records : new Uint8Array(records);
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
}

/** What `judge` reads, taken out of the context once a message. */
interface Judged {
  readonly count: number;
  readonly columns: AccountColumns;
  readonly suspended: Uint8Array;
  readonly day: number;
}

const judged = ({ accounts, suspended: stopped, day }: TransferContext): Judged => ({
  count: accounts.count,
  columns: accounts.columns,
  suspended: stopped,
  day,
});

/** What a payment would end in on the accounts as they are; duplicates are not its matter. */
function judge(
  { count, columns, suspended: stopped, day }: Judged,
  institution: number,
  record: Uint32Array,
  at: number,
): number {
  const debtor = record[at + debtorWord] as number;
  const creditor = record[at + creditorWord] as number;
  if (debtor >= count) return unknownDebtor;
  if (creditor >= count) return unknownCreditor;
  if (columns.institution[debtor] !== institution) return notTheOwner;
  if (debtor === creditor) return sameAccount;
  if (stopped[columns.institution[creditor] as number] === 1) return suspended;
  const currency = (record[at + currencyWord] as number) & 0xffff;
  if (columns.currency[debtor] !== currency || columns.currency[creditor] !== currency) return wrongCurrency;
  const high = record[at + amountHighWord] as number;
  if (high > 0x1f_ffff) return amountTooLarge;
  const amount = high * 0x1_0000_0000 + (record[at + amountLowWord] as number);
  if (amount === 0) return zeroAmount;
  if (amount > (columns.perPaymentLimit[debtor] as number)) return paymentLimit;
  const spent = columns.day[debtor] === day ? (columns.dayTotal[debtor] as number) : 0;
  if (spent + amount > (columns.perDayLimit[debtor] as number)) return dayLimit;
  if ((columns.balance[debtor] as number) - amount < -(columns.debitCap[debtor] as number)) return insufficientFunds;
  if ((columns.balance[creditor] as number) + amount > maxBalance || spent + amount > maxBalance) return amountTooLarge;
  return settled;
}

function move({ columns, day }: Judged, context: TransferContext, record: Uint32Array, at: number): void {
  const debtor = record[at + debtorWord] as number;
  const creditor = record[at + creditorWord] as number;
  const amount = (record[at + amountHighWord] as number) * 0x1_0000_0000 + (record[at + amountLowWord] as number);
  const { balance, dayTotal } = columns;
  balance[debtor] = (balance[debtor] as number) - amount;
  balance[creditor] = (balance[creditor] as number) + amount;
  dayTotal[debtor] = (columns.day[debtor] === day ? (dayTotal[debtor] as number) : 0) + amount;
  columns.day[debtor] = day;
  context.accounts.touch(debtor);
  context.accounts.touch(creditor);
  context.credited[columns.institution[creditor] as number] = 1;
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
  const rules = judged(context);
  for (let i = 0; i < count; i++) {
    let code = judge(rules, institution, record, i * words);
    // Only an executed payment consumes its key, so it is asked for last.
    if (code === settled && !keys.add(kind, institution, message.records, i * recordLength, height, position + i))
      code = duplicatePayment;
    if (code === settled) move(rules, context, record, i * words);
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
  const rules = judged(context);
  const before = snapshotOf(accounts, record, count);
  const credited = context.credited.slice();
  const seen = createMemoryKeys(4_096);
  let failed = -1;
  for (let i = 0; i < count && failed < 0; i++) {
    const start = i * recordLength;
    const repeated =
      !seen.add(kind, institution, message.records, start, height, i) ||
      keys.find(kind, institution, message.records, start) !== undefined;
    const code = repeated ? duplicatePayment : judge(rules, institution, record, i * words);
    if (code === settled) move(rules, context, record, i * words);
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
