/** Messages of held batches that no executed block has yet: what a repeated submission joins, and what "pending" means. */

import type { Batch } from "../codec/batch.ts";
import { toHex } from "../codec/bytes.ts";
import type { Digest } from "../consensus/types.ts";
import { pendingKey } from "./submissions.ts";

interface HeldMessage {
  readonly batch: Digest;
  /** messageHash, hexadecimal. */
  readonly hash: string;
}

export interface MessageIndex {
  add(batch: Batch): void;
  find(institution: number, messageKey: Uint8Array): HeldMessage | undefined;
  /** The batch was executed. */
  remove(batch: Batch): void;
  /** Batches in it, oldest first. */
  batches(): Iterable<Digest>;
}

export function createMessageIndex(): MessageIndex {
  const byKey = new Map<string, HeldMessage>();
  const held = new Set<Digest>();
  return {
    add(batch) {
      if (held.has(batch.digest)) return;
      held.add(batch.digest);
      for (const [i, { header }] of batch.messages.entries()) {
        const hash = toHex(batch.hashes[i] as Uint8Array);
        byKey.set(pendingKey(header.institution, header.messageKey), { batch: batch.digest, hash });
      }
    },
    find: (institution, messageKey) => byKey.get(pendingKey(institution, messageKey)),
    remove(batch) {
      if (!held.delete(batch.digest)) return;
      for (const { header } of batch.messages) {
        const key = pendingKey(header.institution, header.messageKey);
        if (byKey.get(key)?.batch === batch.digest) byKey.delete(key);
      }
    },
    batches: () => held.values(),
  };
}
