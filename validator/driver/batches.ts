/** Batches on this validator: durable by digest, the recent ones in memory too, with what was found out about their signatures. */
import { type Batch, parseBatch } from "../codec/batch.ts";
import type { BatchReference, Digest } from "../consensus/types.ts";
import type { Entry, Store } from "../storage/types.ts";
import type { DiskGuard } from "./disk-guard.ts";

/** A message's private payload, already checked against the message. */
export interface PrivatePart {
  /** messageHash, hexadecimal. */
  readonly message: string;
  readonly content: Uint8Array;
}

export interface StoredBatch {
  readonly batch: Batch;
  /** Per message: the institution's key under which its signature was found good; undefined while not checked, or bad. */
  readonly authenticUnder: (Uint8Array | undefined)[];
}

export interface Batches {
  isHeld(digest: Digest): boolean;
  /** Durable, with the private parts, in one commit; two calls for one digest share it. */
  store(stored: StoredBatch, privates: readonly PrivatePart[]): Promise<void>;
  /** From memory or disk; undefined when it is not held. */
  load(digest: Digest): Promise<StoredBatch | undefined>;
  /** In memory, if it still is. */
  recent(digest: Digest): StoredBatch | undefined;
  /** Newest last. */
  recentDigests(): Iterable<Digest>;
  whenHeld(digest: Digest): Promise<void>;
}

/** `held` is called once for every batch that becomes durable. */
export function createBatches(
  store: Store,
  guard: DiskGuard,
  cacheBytes: number,
  held: (batch: Batch) => void,
): Batches {
  const cache = new Map<Digest, StoredBatch>();
  const storing = new Map<Digest, Promise<void>>();
  const waiting = new Map<Digest, (() => void)[]>();
  let cached = 0;

  function remember(stored: StoredBatch): void {
    const { digest, bytes } = stored.batch;
    if (cache.has(digest)) return;
    cache.set(digest, stored);
    cached += bytes.length;
    for (const [oldest, { batch }] of cache) {
      if (cached <= cacheBytes || oldest === digest) break;
      cache.delete(oldest);
      cached -= batch.bytes.length;
    }
  }

  async function persist(stored: StoredBatch, privates: readonly PrivatePart[]): Promise<void> {
    const { digest, bytes } = stored.batch;
    const entries: Entry[] = privates.map(({ message, content }) => ({ kind: "private", message, content }));
    await guard.persist([...entries, { kind: "batch", digest, bytes }]);
    remember(stored);
    held(stored.batch);
    for (const resume of waiting.get(digest) ?? []) resume();
    waiting.delete(digest);
  }

  return {
    isHeld: (digest) => store.hasBatch(digest) && !storing.has(digest),
    async store(stored, privates) {
      const { digest } = stored.batch;
      if (store.hasBatch(digest) && !storing.has(digest)) return;
      const pending = storing.get(digest) ?? persist(stored, privates).finally(() => storing.delete(digest));
      storing.set(digest, pending);
      return pending;
    },
    async load(digest) {
      const known = cache.get(digest);
      if (known) return known;
      const bytes = await store.batch(digest);
      if (!bytes) return undefined;
      const parsed = parseBatch(bytes);
      if (parsed.kind === "refused") throw new Error(`stored batch ${digest}: ${parsed.error.reason}`);
      const stored = { batch: parsed.value, authenticUnder: parsed.value.messages.map(() => undefined) };
      return stored;
    },
    recent: (digest) => cache.get(digest),
    recentDigests: () => cache.keys(),
    whenHeld(digest) {
      if (store.hasBatch(digest) && !storing.has(digest)) return Promise.resolve();
      return new Promise((resolve) => {
        const others = waiting.get(digest) ?? [];
        others.push(resolve);
        waiting.set(digest, others);
      });
    },
  };
}

/** What a block says of a batch. `zone` is the zone's name, "" for none. */
export function referenceOf(batch: Batch, zone: string): BatchReference {
  return { digest: batch.digest, payments: batch.payments, bytes: batch.bytes.length, zone };
}
