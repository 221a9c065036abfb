/** Batches from other members: checked, made durable, told to the core. The answer to a push means that it is durable. */

import { type Batch, checkBatch } from "../codec/batch.ts";
import { toHex } from "../codec/bytes.ts";
import { type BatchPush, decodeBatchPush } from "../codec/exchange.ts";
import { decodePrivatePayload, matchesMessage } from "../codec/private-payload.ts";
import type { Digest, Input, SeatIndex } from "../consensus/types.ts";
import { sha256 } from "../crypto/hash.ts";
import { isAuthentic } from "./authenticity.ts";
import { type Batches, type PrivatePart, referenceOf, type StoredBatch } from "./batches.ts";
import type { ChainView } from "./chain-view.ts";
import { batchesOfOneMember, type Limits } from "./limits.ts";
import { measured } from "./measure.ts";
import type { Membership } from "./membership.ts";
import type { Clock } from "./ports.ts";
import type { Observer } from "./services.ts";

type Received =
  | { readonly kind: "held" }
  /** `dishonest`: no honest member sends this. */
  | { readonly kind: "refused"; readonly reason: string; readonly dishonest: boolean };

export interface Receiving {
  /** A push by the member that made the batch. */
  pushed(from: SeatIndex, bytes: Uint8Array): Promise<Received>;
  /** A batch that was asked for. */
  fetched(push: BatchPush, wanted: (digest: Digest) => boolean): Promise<Received>;
  /** A final block has these: their makers may send more. */
  done(digests: readonly Digest[]): void;
}

export interface ReceivingOptions {
  readonly clock: Clock;
  readonly batches: Batches;
  readonly membership: () => Membership;
  readonly chain: () => ChainView;
  readonly feed: (input: Input) => void;
  readonly observe: Observer;
  readonly limits: Pick<Limits, "pendingBytesPerPeer">;
}

const dishonest = (reason: string): Received => ({ kind: "refused", reason, dishonest: true });
const later = (reason: string): Received => ({ kind: "refused", reason, dishonest: false });

/** Signatures checked before everything else gets a turn. */
const signaturesAtOnce = 32;

export function createReceiving(options: ReceivingOptions): Receiving {
  const { clock, batches, membership, chain, feed, observe, limits } = options;
  /** Batches of each maker that no final block has yet. */
  const pending = new Map<Digest, { readonly maker: SeatIndex; readonly bytes: number }>();
  const load = new Map<SeatIndex, { count: number; bytes: number }>();

  type Accepted = { readonly batch: Batch; readonly zone: string; readonly privates: readonly PrivatePart[] };

  function check({ batch: bytes, privates }: BatchPush): Accepted | Received {
    const checked = measured(clock, observe, "batch-verify", () => checkBatch(bytes));
    if (checked.kind === "refused") return dishonest(checked.error.reason);
    const batch = checked.value;
    const zone = chain().zoneName(batch.zone);
    // The maker may have executed more than this member: not its fault.
    if (zone === undefined) return later("a residency zone that is not known here");
    const { self, inZone } = membership();
    const inside = self === undefined ? zone === "" : inZone(self, zone);
    if (!inside) return { batch, zone, privates: [] };
    const parts = matchPrivates(batch, privates);
    return parts ? { batch, zone, privates: parts } : dishonest("private payloads that are not those committed to");
  }

  async function keep({ batch, zone, privates }: Accepted, creator: SeatIndex | undefined): Promise<Received> {
    const stored: StoredBatch = { batch, authenticUnder: batch.messages.map(() => undefined) };
    const durable = batches.store(stored, privates);
    const [, source] = [await Promise.all([durable, checkSignatures(stored)]), creator === undefined] as const;
    observe({
      kind: "batch-stored",
      bytes: batch.bytes.length,
      payments: batch.payments,
      source: source ? "fetched" : "pushed",
    });
    feed({ kind: "batch-held", batch: referenceOf(batch, zone), creator });
    return { kind: "held" };
  }

  /** Finds genuine signatures now, while the disk works; those that are not are judged again by execution. */
  async function checkSignatures(stored: StoredBatch): Promise<void> {
    for (let i = 0; i < stored.batch.messages.length; i += signaturesAtOnce) {
      if (i > 0) await clock.yield();
      measured(clock, observe, "batch-verify", () => {
        const end = Math.min(i + signaturesAtOnce, stored.batch.messages.length);
        for (let j = i; j < end; j++) isAuthentic(stored, j, chain());
      });
    }
  }

  return {
    async pushed(from, bytes) {
      const push = decodeBatchPush(bytes);
      if (push.kind === "refused") return dishonest(push.error.reason);
      const used = load.get(from) ?? { count: 0, bytes: 0 };
      if (
        used.count >= batchesOfOneMember(membership().seats.length) ||
        used.bytes + bytes.length > limits.pendingBytesPerPeer
      )
        return later("too many batches of this member wait for a block");
      const accepted = check(push.value);
      if ("kind" in accepted) return accepted;
      const { digest } = accepted.batch;
      if (batches.isHeld(digest)) {
        feed({ kind: "batch-hinted", digest, holders: [from] });
        return { kind: "held" };
      }
      if (!pending.has(digest)) {
        const size = accepted.batch.bytes.length;
        pending.set(digest, { maker: from, bytes: size });
        load.set(from, { count: used.count + 1, bytes: used.bytes + size });
      }
      return keep(accepted, from);
    },
    async fetched(push, wanted) {
      const accepted = check(push);
      if ("kind" in accepted) return accepted;
      if (!wanted(accepted.batch.digest)) return dishonest("a batch that was not asked for");
      return keep(accepted, undefined);
    },
    done(digests) {
      for (const digest of digests) {
        const entry = pending.get(digest);
        if (!entry) continue;
        pending.delete(digest);
        const used = load.get(entry.maker);
        if (used) load.set(entry.maker, { count: used.count - 1, bytes: used.bytes - entry.bytes });
      }
    },
  };
}

/** The private payload of every message that commits to one, checked; undefined when one is missing or wrong. */
function matchPrivates(batch: Batch, privates: BatchPush["privates"]): readonly PrivatePart[] | undefined {
  const given = new Map(privates.map(({ message, content }) => [toHex(message), content]));
  const parts: PrivatePart[] = [];
  for (const [i, message] of batch.messages.entries()) {
    if (!message.header.privateRoot.some((byte) => byte !== 0)) continue;
    const name = toHex(batch.hashes[i] as Uint8Array);
    const content = given.get(name);
    const items = content && decodePrivatePayload(content);
    if (!content || items?.kind !== "ok" || !matchesMessage(message, items.value, sha256)) return undefined;
    parts.push({ message: name, content });
  }
  return parts;
}
