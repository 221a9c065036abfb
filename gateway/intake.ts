/**
 * What this gateway knows of every file it signed: written down before anything is submitted, so that a retry gets the
 * same answer and a status can be told after a restart. Nothing private is in it: references, hashes and outcomes.
 */
import { z } from "zod";
import { type Journal, openJournal } from "./journal.ts";

const reference = z.string().max(140).optional();

const paymentSchema = z.object({
  instructionId: reference,
  endToEndId: reference,
  transactionId: reference,
  /** Given or derived; absent when the payment was refused before it had one. */
  uetr: reference,
  /** True when the file itself carried the UETR. */
  uetrGiven: z.boolean(),
  /** Why it was refused and is in no message. */
  refused: z.object({ code: z.string(), message: z.string() }).optional(),
});

const fileSchema = z.object({
  kind: z.literal("file"),
  /** Index of the institution that sent it. */
  institution: z.int(),
  messageId: z.string(),
  /** SHA-256 of the file's bytes, hexadecimal. */
  digest: z.string(),
  version: z.int(),
  /** ms since the Unix epoch. */
  received: z.number(),
  expiry: z.number(),
  original: z.object({ creationTime: reference, numberOfTransactions: reference, controlSum: reference }),
  payments: z.array(paymentSchema),
  /** The signed messages in order; the payments that are not refused are theirs in order. */
  messages: z.array(z.object({ key: z.string(), hash: z.string(), count: z.int() })),
});

const answerSchema = z.object({
  kind: z.literal("answer"),
  institution: z.int(),
  messageId: z.string(),
  /** Messages a validator refused, by position. */
  refusals: z.array(z.object({ part: z.int(), code: z.string(), message: z.string() })),
});

const blockSchema = z.object({
  kind: z.literal("block"),
  height: z.int(),
  /** Block time, ms. */
  time: z.number(),
  /** Per message: institution, message key in hexadecimal, one reason byte per payment in base64 (empty: all settled). */
  outcomes: z.array(z.tuple([z.int(), z.string(), z.string()])),
  /** Messages that this block's time has outlived: institution, message key. */
  expired: z.array(z.tuple([z.int(), z.string()])),
});

const lineSchema = z.discriminatedUnion("kind", [fileSchema, answerSchema, blockSchema]);

/** A file as it was recorded. */
export type FileRecord = Omit<z.infer<typeof fileSchema>, "kind">;
export type FilePayment = z.infer<typeof paymentSchema>;
type BlockRecord = Omit<z.infer<typeof blockSchema>, "kind">;
export type Refusal = z.infer<typeof answerSchema>["refusals"][number];

/** Where one message of a file stands. */
export type PartState =
  | { readonly kind: "pending" }
  | { readonly kind: "refused"; readonly code: string; readonly message: string }
  | { readonly kind: "settled"; readonly height: number; readonly time: number; readonly reasons: Uint8Array }
  | { readonly kind: "expired"; readonly height: number; readonly time: number };

/** A file with the state of its messages. */
export interface FileState {
  readonly institution: number;
  readonly messageId: string;
  readonly digest: string;
  readonly expiry: number;
  /** True once every message was accepted or refused: the answer to the sender is fixed. */
  readonly answered: boolean;
  readonly parts: readonly PartState[];
}

/** One message's outcome: institution, message key in hexadecimal, one reason byte per payment (none: all settled). */
export type Outcome = readonly [institution: number, messageKey: string, reasons: Uint8Array];

export interface Intake {
  /** The newest block whose outcomes are recorded; 0 at first. */
  readonly height: number;
  find(institution: number, messageId: string): FileState | undefined;
  /** The file's record, from memory or disk. */
  record(institution: number, messageId: string): Promise<FileRecord | undefined>;
  /** The file of one of its payments, while its details are in memory. */
  findByUetr(
    uetr: string,
  ): { readonly institution: number; readonly messageId: string; readonly payment: number } | undefined;
  /** True when a message of this key is of a file of this gateway. */
  knows(institution: number, messageKey: string): boolean;
  add(record: FileRecord): Promise<void>;
  answer(institution: number, messageId: string, refusals: readonly Refusal[]): Promise<void>;
  /**
   * Records a block's outcomes, and as expired every message its time has outlived. Before that, `finished` is told of
   * the files whose messages all have an outcome now: after a crash in between it is told again.
   */
  settle(
    height: number,
    time: number,
    outcomes: readonly Outcome[],
    finished: (files: readonly FileState[]) => Promise<void>,
  ): Promise<void>;
  close(): Promise<void>;
}

interface Entry {
  readonly institution: number;
  readonly messageId: string;
  readonly digest: string;
  readonly expiry: number;
  readonly keys: readonly string[];
  readonly position: number;
  answered: boolean;
  parts: PartState[];
  record: FileRecord | undefined;
}

/** Files are forgotten this long after their messages expired, ms. */
const RETENTION = 7 * 24 * 60 * 60 * 1000;
/** Blocks without outcomes are written down once per so many. */
const QUIET_BLOCKS = 256;

/** Opens the record in a folder and reads it back. */
export async function openIntake(folder: string, maxRetainedPayments: number): Promise<Intake> {
  const journal = await openJournal(folder);
  const intake = new JournalledIntake(journal, maxRetainedPayments);
  await intake.replay();
  return intake;
}

class JournalledIntake implements Intake {
  private readonly journal: Journal;
  private readonly maxRetained: number;
  /** By institution and MsgId, oldest first. */
  private readonly files = new Map<string, Entry>();
  /** By institution and message key: the entry and the part. */
  private readonly messages = new Map<string, { readonly entry: Entry; readonly part: number }>();
  private readonly open = new Set<Entry>();
  private readonly uetrs = new Map<string, { readonly entry: Entry; readonly payment: number }>();
  /** Entries with their record in memory, oldest first. */
  private readonly retained: Entry[] = [];
  private retainedPayments = 0;
  private recordedHeight = 0;
  height = 0;

  constructor(journal: Journal, maxRetained: number) {
    this.journal = journal;
    this.maxRetained = maxRetained;
  }

  async replay(): Promise<void> {
    let position = this.journal.start;
    while (position < this.journal.end) {
      const entries = (await this.journal.read(position, 4 * 1024 * 1024)) ?? [];
      for (const { text, position: at, next } of entries) {
        const line = lineSchema.parse(JSON.parse(text));
        if (line.kind === "file") this.keep(line, at);
        else if (line.kind === "answer") this.applyAnswer(line.institution, line.messageId, line.refusals);
        else this.applyBlock(line);
        position = next;
      }
    }
    this.recordedHeight = this.height;
  }

  find(institution: number, messageId: string): FileState | undefined {
    return this.files.get(fileKey(institution, messageId));
  }

  async record(institution: number, messageId: string): Promise<FileRecord | undefined> {
    const entry = this.files.get(fileKey(institution, messageId));
    if (entry === undefined) return undefined;
    if (entry.record !== undefined) return entry.record;
    const [line] = (await this.journal.read(entry.position, 1)) ?? [];
    return line === undefined ? undefined : fileSchema.parse(JSON.parse(line.text));
  }

  findByUetr(uetr: string): { institution: number; messageId: string; payment: number } | undefined {
    const found = this.uetrs.get(uetr);
    if (found === undefined) return undefined;
    return { institution: found.entry.institution, messageId: found.entry.messageId, payment: found.payment };
  }

  knows(institution: number, messageKey: string): boolean {
    return this.messages.has(fileKey(institution, messageKey));
  }

  async add(record: FileRecord): Promise<void> {
    const position = await this.journal.append([JSON.stringify({ kind: "file", ...record })]);
    this.keep(record, position);
    await this.forget(record.received);
  }

  async answer(institution: number, messageId: string, refusals: readonly Refusal[]): Promise<void> {
    await this.journal.append([JSON.stringify({ kind: "answer", institution, messageId, refusals })]);
    this.applyAnswer(institution, messageId, refusals);
  }

  async settle(
    height: number,
    time: number,
    outcomes: readonly Outcome[],
    finished: (files: readonly FileState[]) => Promise<void>,
  ): Promise<void> {
    if (height <= this.height) return;
    const known = outcomes.filter(([institution, key]) => this.knows(institution, key));
    const block: BlockRecord = {
      height,
      time,
      outcomes: known.map(([institution, key, reasons]) => [institution, key, Buffer.from(reasons).toString("base64")]),
      expired: this.expiredAt(time, new Set(known.map(([institution, key]) => fileKey(institution, key)))),
    };
    const next = this.nextStates(block);
    await finished(
      [...next].filter(([, parts]) => isDone(parts)).map(([entry, parts]) => ({ ...stateOf(entry), parts })),
    );
    const quiet = block.outcomes.length === 0 && block.expired.length === 0;
    if (!quiet || height - this.recordedHeight >= QUIET_BLOCKS) {
      await this.journal.append([JSON.stringify({ kind: "block", ...block })]);
      this.recordedHeight = height;
    }
    this.applyBlock(block);
  }

  close(): Promise<void> {
    return this.journal.close();
  }

  private expiredAt(time: number, except: ReadonlySet<string>): [number, string][] {
    const expired: [number, string][] = [];
    for (const entry of this.open) {
      if (entry.expiry >= time) continue;
      for (const [part, key] of entry.keys.entries()) {
        const executed = except.has(fileKey(entry.institution, key));
        if (entry.parts[part]?.kind === "pending" && !executed) expired.push([entry.institution, key]);
      }
    }
    return expired;
  }

  private keep(record: FileRecord, position: number): void {
    const entry: Entry = {
      institution: record.institution,
      messageId: record.messageId,
      digest: record.digest,
      expiry: record.expiry,
      keys: record.messages.map(({ key }) => key),
      position,
      answered: false,
      parts: record.messages.map(() => ({ kind: "pending" })),
      record,
    };
    this.files.set(fileKey(entry.institution, entry.messageId), entry);
    for (const [part, key] of entry.keys.entries()) this.messages.set(fileKey(entry.institution, key), { entry, part });
    this.open.add(entry);
    this.retained.push(entry);
    this.retainedPayments += record.payments.length;
    for (const [payment, { uetr, refused }] of record.payments.entries()) {
      if (uetr !== undefined && refused === undefined) this.uetrs.set(uetr, { entry, payment });
    }
    while (this.retainedPayments > this.maxRetained && this.retained.length > 1) this.release(this.retained.shift()!);
  }

  private release(entry: Entry): void {
    const { record } = entry;
    if (record === undefined) return;
    this.retainedPayments -= record.payments.length;
    for (const { uetr } of record.payments) {
      if (uetr !== undefined && this.uetrs.get(uetr)?.entry === entry) this.uetrs.delete(uetr);
    }
    entry.record = undefined;
  }

  /** Drops files whose messages expired long ago, and the segments only they are in. */
  private async forget(now: number): Promise<void> {
    let dropped = false;
    for (const [key, entry] of this.files) {
      if (entry.expiry + RETENTION > now || this.open.has(entry)) break;
      this.release(entry);
      this.files.delete(key);
      for (const message of entry.keys) this.messages.delete(fileKey(entry.institution, message));
      dropped = true;
    }
    if (!dropped) return;
    // The height must outlive the segments that named it.
    await this.journal.append([
      JSON.stringify({ kind: "block", height: this.height, time: 0, outcomes: [], expired: [] }),
    ]);
    const [oldest] = this.files.values();
    if (oldest !== undefined) await this.journal.dropBefore(oldest.position);
  }

  private applyAnswer(institution: number, messageId: string, refusals: readonly Refusal[]): void {
    const entry = this.files.get(fileKey(institution, messageId));
    if (entry === undefined) return;
    entry.answered = true;
    for (const { part, code, message } of refusals) {
      if (entry.parts[part]?.kind === "pending") entry.parts[part] = { kind: "refused", code, message };
    }
    this.closeWhenDone(entry);
  }

  private applyBlock(block: BlockRecord): void {
    for (const [entry, parts] of this.nextStates(block)) {
      entry.parts = parts;
      this.closeWhenDone(entry);
    }
    this.height = Math.max(this.height, block.height);
  }

  /** What a block changes, without changing it. */
  private nextStates({ height, time, outcomes, expired }: BlockRecord): Map<Entry, PartState[]> {
    const next = new Map<Entry, PartState[]>();
    const change = (institution: number, key: string, state: PartState): void => {
      const found = this.messages.get(fileKey(institution, key));
      if (found === undefined) return;
      const parts = next.get(found.entry) ?? [...found.entry.parts];
      const before = parts[found.part]?.kind;
      // A refused part that another validator took after all has settled: the ledger has the last word.
      if (before === "settled" || (before !== "pending" && state.kind === "expired")) return;
      parts[found.part] = state;
      next.set(found.entry, parts);
    };
    for (const [institution, key, reasons] of outcomes) {
      change(institution, key, { kind: "settled", height, time, reasons: Buffer.from(reasons, "base64") });
    }
    for (const [institution, key] of expired) change(institution, key, { kind: "expired", height, time });
    return next;
  }

  private closeWhenDone(entry: Entry): void {
    if (isDone(entry.parts)) this.open.delete(entry);
  }
}

function isDone(parts: readonly PartState[]): boolean {
  return parts.every(({ kind }) => kind !== "pending");
}

function stateOf({ institution, messageId, digest, expiry, answered, parts }: Entry): FileState {
  return { institution, messageId, digest, expiry, answered, parts };
}

function fileKey(institution: number, name: string): string {
  return `${institution}/${name}`;
}
