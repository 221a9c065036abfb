/**
 * Settlement accounts (institution × currency) in flat arrays, and their Merkle tree: an account is one 64-byte leaf,
 * and only what a block touched is hashed again.
 */
import { hashInto } from "@chainsafe/hashtree";
import { bytesEqual, readU64, viewOf, writeU64 } from "../codec/bytes.ts";
import { mixedRoot } from "../codec/merkle.ts";

export interface AccountFields {
  readonly institution: number;
  /** ISO 4217 numeric. */
  readonly currency: number;
  /** Minor units; down to −debitCap. */
  readonly balance: number;
  readonly debitCap: number;
  /** Infinity: none. */
  readonly perPaymentLimit: number;
  readonly perDayLimit: number;
  /** Day of `dayTotal`: whole days since the Unix epoch. */
  readonly day: number;
  /** Debited on that day. */
  readonly dayTotal: number;
}

/** One array a field; fields as in `AccountFields`. Longer than the count. */
export interface AccountColumns {
  readonly institution: Uint32Array;
  readonly currency: Uint16Array;
  readonly balance: Float64Array;
  readonly debitCap: Float64Array;
  readonly perPaymentLimit: Float64Array;
  readonly perDayLimit: Float64Array;
  readonly day: Uint32Array;
  readonly dayTotal: Float64Array;
}

export interface Accounts extends AccountColumns {
  readonly count: number;
  /** The arrays themselves, for loops: others after `open`. */
  readonly columns: AccountColumns;
  /** Marks a leaf for the next `root`. */
  touch(index: number): void;
  open(fields: AccountFields): number;
  fields(index: number): AccountFields;
  /** Hashes what was touched; 32 bytes. */
  root(): Uint8Array;
}

/** Balances stay safe integers: no account may go beyond this. */
export const maxBalance = Number.MAX_SAFE_INTEGER;

export function createAccounts(initial: readonly AccountFields[]): Accounts {
  let capacity = 16;
  while (capacity < initial.length) capacity *= 2;
  let count = 0;
  let columns = allocate(capacity);
  let leaves = new Uint8Array(64 * capacity);
  /** All levels, leaf hashes first. */
  let nodes = new Uint8Array((2 * capacity - 1) * 32);
  let dirty = new Uint8Array(capacity);
  let dirtyList: number[] = [];

  function touch(index: number): void {
    if (dirty[index]) return;
    dirty[index] = 1;
    dirtyList.push(index);
  }

  function grow(): void {
    const old = columns;
    capacity *= 2;
    columns = allocate(capacity);
    for (const key of Object.keys(columns) as (keyof AccountColumns)[]) columns[key].set(old[key]);
    const oldLeaves = leaves;
    leaves = new Uint8Array(64 * capacity);
    leaves.set(oldLeaves);
    nodes = new Uint8Array((2 * capacity - 1) * 32);
    dirty = new Uint8Array(capacity);
    dirtyList = [];
    for (let i = 0; i < capacity; i++) touch(i);
  }

  function open(fields: AccountFields): number {
    if (count === capacity) grow();
    const index = count++;
    columns.institution[index] = fields.institution;
    columns.currency[index] = fields.currency;
    columns.balance[index] = fields.balance;
    columns.debitCap[index] = fields.debitCap;
    columns.perPaymentLimit[index] = fields.perPaymentLimit;
    columns.perDayLimit[index] = fields.perDayLimit;
    columns.day[index] = fields.day;
    columns.dayTotal[index] = fields.dayTotal;
    touch(index);
    return index;
  }

  function root(): Uint8Array {
    if (dirtyList.length > 0) rehash();
    return mixedRoot(nodes.subarray(nodes.length - 32), count);
  }

  /** A level at a time: the touched chunks side by side in one buffer, hashed in one call, put back. */
  function rehash(): void {
    let level = dirtyList.sort((a, b) => a - b);
    for (const index of level) {
      dirty[index] = 0;
      if (index < count) writeAccount(leaves.subarray(64 * index, 64 * index + 64), fieldsOf(columns, index));
    }
    dirtyList = [];
    hashLevel(level, (i) => leaves.subarray(64 * i, 64 * i + 64), 0);
    let from = 0;
    for (let width = capacity; width > 1; width /= 2) {
      const parents: number[] = [];
      for (const index of level) if (parents.at(-1) !== index >> 1) parents.push(index >> 1);
      const below = from;
      from += width * 32;
      hashLevel(parents, (i) => nodes.subarray(below + 64 * i, below + 64 * i + 64), from);
      level = parents;
    }
  }

  function hashLevel(indexes: readonly number[], chunk: (index: number) => Uint8Array, into: number): void {
    const input = new Uint8Array(64 * indexes.length);
    for (let i = 0; i < indexes.length; i++) input.set(chunk(indexes[i] as number), 64 * i);
    const output = new Uint8Array(32 * indexes.length);
    hashInto(input, output);
    for (let i = 0; i < indexes.length; i++)
      nodes.set(output.subarray(32 * i, 32 * i + 32), into + 32 * (indexes[i] as number));
  }

  for (let i = 0; i < capacity; i++) touch(i);
  for (const fields of initial) open(fields);
  return {
    get count() {
      return count;
    },
    get columns() {
      return columns;
    },
    get institution() {
      return columns.institution;
    },
    get currency() {
      return columns.currency;
    },
    get balance() {
      return columns.balance;
    },
    get debitCap() {
      return columns.debitCap;
    },
    get perPaymentLimit() {
      return columns.perPaymentLimit;
    },
    get perDayLimit() {
      return columns.perDayLimit;
    },
    get day() {
      return columns.day;
    },
    get dayTotal() {
      return columns.dayTotal;
    },
    touch,
    open,
    fields: (index) => fieldsOf(columns, index),
    root,
  };
}

function allocate(capacity: number): AccountColumns {
  return {
    institution: new Uint32Array(capacity),
    currency: new Uint16Array(capacity),
    balance: new Float64Array(capacity),
    debitCap: new Float64Array(capacity),
    perPaymentLimit: new Float64Array(capacity),
    perDayLimit: new Float64Array(capacity),
    day: new Uint32Array(capacity),
    dayTotal: new Float64Array(capacity),
  };
}

function fieldsOf(columns: AccountColumns, index: number): AccountFields {
  return {
    institution: columns.institution[index] ?? 0,
    currency: columns.currency[index] ?? 0,
    balance: columns.balance[index] ?? 0,
    debitCap: columns.debitCap[index] ?? 0,
    perPaymentLimit: columns.perPaymentLimit[index] ?? 0,
    perDayLimit: columns.perDayLimit[index] ?? 0,
    day: columns.day[index] ?? 0,
    dayTotal: columns.dayTotal[index] ?? 0,
  };
}

export const accountLength = 64;

/**
 * Writes the 64 bytes of an account's leaf: institution u32, currency u16, flags u16 (bit 0 negative balance, bit 1 no
 * payment limit, bit 2 no day limit), |balance| u64, debitCap u64, limits u64 and u64, day u32, zero u32, dayTotal u64, zero 8.
 */
export function writeAccount(target: Uint8Array, fields: AccountFields): void {
  const view = viewOf(target);
  const finite = (limit: number) => (limit === Number.POSITIVE_INFINITY ? 0 : limit);
  const flags =
    (fields.balance < 0 ? 1 : 0) |
    (Number.isFinite(fields.perPaymentLimit) ? 0 : 2) |
    (Number.isFinite(fields.perDayLimit) ? 0 : 4);
  view.setUint32(0, fields.institution, true);
  view.setUint16(4, fields.currency, true);
  view.setUint16(6, flags, true);
  writeU64(view, 8, Math.abs(fields.balance));
  writeU64(view, 16, fields.debitCap);
  writeU64(view, 24, finite(fields.perPaymentLimit));
  writeU64(view, 32, finite(fields.perDayLimit));
  view.setUint32(40, fields.day, true);
  writeU64(view, 48, fields.dayTotal);
}

/** The account of 64 bytes; undefined for any other spelling than `writeAccount`'s. */
export function readAccount(bytes: Uint8Array): AccountFields | undefined {
  const view = viewOf(bytes);
  const flags = view.getUint16(6, true);
  const numbers = [8, 16, 24, 32, 48].map((offset) => readU64(view, offset) ?? Number.NaN);
  const [balance = 0, debitCap = 0, perPaymentLimit = 0, perDayLimit = 0, dayTotal = 0] = numbers;
  const fields = {
    institution: view.getUint32(0, true),
    currency: view.getUint16(4, true),
    balance: flags & 1 ? -balance : balance,
    debitCap,
    perPaymentLimit: flags & 2 ? Number.POSITIVE_INFINITY : perPaymentLimit,
    perDayLimit: flags & 4 ? Number.POSITIVE_INFINITY : perDayLimit,
    day: view.getUint32(40, true),
    dayTotal,
  };
  if (numbers.some(Number.isNaN)) return undefined;
  const again = new Uint8Array(accountLength);
  writeAccount(again, fields);
  return bytesEqual(again, bytes) ? fields : undefined;
}
