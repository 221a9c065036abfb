/** Own submissions from acceptance into the queue until a final block: idempotent by (institution, message key), bounded. */
import { toHex } from "../codec/bytes.ts";
import type { Digest } from "../consensus/types.ts";
import type { Submission } from "./ingress.ts";
import type { SubmitResult } from "./services.ts";

/** Where a submission stands. */
export interface Pending {
  readonly submission: Submission;
  /** Set when its batch is sealed. */
  batch: Digest | undefined;
  /** Monotonic milliseconds. */
  acceptedAt: number | undefined;
  readonly waiting: ((result: SubmitResult) => void)[];
}

export interface Submissions {
  /** Not yet in a final block. */
  readonly payments: number;
  readonly bytes: number;
  find(institution: number, messageKey: Uint8Array): Pending | undefined;
  /** False when the bounds leave no room. */
  add(submission: Submission): Pending | undefined;
  /** Its batch was reported durable by enough members: everyone who waits is answered. */
  accept(pending: Pending, now: number): void;
  /** Its block is final. Returns when it was accepted here, if it was. */
  complete(institution: number, messageKey: Uint8Array): Pending | undefined;
  all(): Iterable<Pending>;
}

export function pendingKey(institution: number, messageKey: Uint8Array): string {
  return `${institution} ${toHex(messageKey)}`;
}

export function createSubmissions(
  bounds: { readonly queuePayments: number; readonly queueBytes: number },
  changed: (payments: number, bytes: number) => void,
): Submissions {
  const pending = new Map<string, Pending>();
  let payments = 0;
  let bytes = 0;
  const sizeOf = ({ message, private: part }: Submission) => message.bytes.length + (part?.content.length ?? 0);

  return {
    get payments() {
      return payments;
    },
    get bytes() {
      return bytes;
    },
    find: (institution, messageKey) => pending.get(pendingKey(institution, messageKey)),
    add(submission) {
      const { header } = submission.message;
      const size = sizeOf(submission);
      if (payments + header.count > bounds.queuePayments || bytes + size > bounds.queueBytes) return undefined;
      payments += header.count;
      bytes += size;
      const entry: Pending = { submission, batch: undefined, acceptedAt: undefined, waiting: [] };
      pending.set(pendingKey(header.institution, header.messageKey), entry);
      changed(payments, bytes);
      return entry;
    },
    accept(entry, now) {
      entry.acceptedAt ??= now;
      for (const answer of entry.waiting.splice(0)) answer({ kind: "accepted", messageHash: entry.submission.hash });
    },
    complete(institution, messageKey) {
      const key = pendingKey(institution, messageKey);
      const entry = pending.get(key);
      if (!entry) return undefined;
      pending.delete(key);
      payments -= entry.submission.message.header.count;
      bytes -= sizeOf(entry.submission);
      changed(payments, bytes);
      return entry;
    },
    all: () => pending.values(),
  };
}
