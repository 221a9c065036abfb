/**
 * An own batch on its way: made durable here and pushed to every other member, accepted once members with F + 1 power (and,
 * for a residency zone, more than a third of its power) hold it, then announced to those it did not reach.
 */
import { encodeBatchPush } from "../codec/exchange.ts";
import { encodeGossip } from "../codec/peer.ts";
import { powerOf } from "../consensus/power.ts";
import type { Digest, Input, SeatIndex } from "../consensus/types.ts";
import { type Batches, referenceOf } from "./batches.ts";
import type { Limits } from "./limits.ts";
import { measured } from "./measure.ts";
import type { Membership } from "./membership.ts";
import type { Clock, Network } from "./ports.ts";
import type { Sealed } from "./sealing.ts";
import type { Observer } from "./services.ts";

export interface Dissemination {
  /** Resolves when the batch is accepted; never rejects. */
  spread(sealed: Sealed): Promise<void>;
  /** A member came back: what it misses is pushed again. */
  connected(seat: SeatIndex): void;
  /** A final block has it. */
  done(digest: Digest): void;
  /** Own batches that no final block has. */
  readonly size: number;
  /** Seats have new numbers: who holds what is asked again. */
  epochChanged(): void;
}

export interface DisseminationOptions {
  readonly clock: Clock;
  readonly network: Pick<Network, "request" | "broadcast">;
  readonly batches: Batches;
  readonly membership: () => Membership;
  readonly feed: (input: Input) => void;
  readonly observe: Observer;
  readonly limits: Pick<Limits, "requestTimeoutMs">;
  readonly onFatal: (error: unknown) => void;
}

interface Travelling {
  readonly sealed: Sealed;
  readonly started: number;
  readonly holders: Set<SeatIndex>;
  readonly pushing: Set<SeatIndex>;
  readonly accepted: () => void;
  done: boolean;
}

/** A push that failed is tried again after this long, doubling, while no final block has the batch. */
const firstRetryMs = 200;
const longestRetryMs = 5_000;
/** Members that did not answer by then learn of the batch by its announcement. */
const announceAfterMs = 50;

export function createDissemination(options: DisseminationOptions): Dissemination {
  const { clock, network, batches, membership, feed, observe, limits } = options;
  const travelling = new Map<Digest, Travelling>();

  function isAccepted({ holders, sealed: { zone } }: Travelling): boolean {
    const { config, totals, inZone } = membership();
    if (powerOf(config, holders) <= totals.fault) return false;
    if (zone === "") return true;
    const inside = config.members.map((_, seat) => seat as SeatIndex).filter((seat) => inZone(seat, zone));
    const held = inside.filter((seat) => holders.has(seat));
    return 3 * powerOf(config, held) > powerOf(config, inside);
  }

  function held(entry: Travelling, seat: SeatIndex): void {
    const { digest } = entry.sealed.batch;
    entry.holders.add(seat);
    feed({ kind: "batch-hinted", digest, holders: [seat] });
    if (entry.done || !isAccepted(entry)) return;
    entry.done = true;
    observe({ kind: "batch-available", digest, milliseconds: clock.now().monotonic - entry.started });
    entry.accepted();
    clock.after(announceAfterMs, () => announce(entry));
  }

  function announce({ sealed, holders }: Travelling): void {
    const { batch, zone } = sealed;
    const everyone = membership().others.every(({ seat }) => holders.has(seat));
    if (everyone || !travelling.has(batch.digest)) return;
    const announcement = { ...referenceOf(batch, zone), holders: [...holders].sort((a, b) => a - b) };
    network.broadcast(encodeGossip({ kind: "batch", batch: announcement }));
  }

  async function push(entry: Travelling, seat: SeatIndex, bytes: () => Uint8Array, delay: number): Promise<void> {
    const { digest } = entry.sealed.batch;
    const peer = membership().peerOf(seat);
    if (peer === undefined || !travelling.has(digest) || entry.holders.has(seat)) return;
    if (entry.pushing.has(seat)) return;
    entry.pushing.add(seat);
    const reply = await network.request(peer, "batch", bytes(), limits.requestTimeoutMs);
    entry.pushing.delete(seat);
    if (reply.kind === "ok") return held(entry, seat);
    clock.after(delay, () => void push(entry, seat, bytes, Math.min(2 * delay, longestRetryMs)));
  }

  /** The push for members of the zone carries the private payloads, the others' does not; each is encoded once. */
  function encodings({ batch, entries }: Sealed): (inside: boolean) => Uint8Array {
    const made = new Map<boolean, Uint8Array>();
    return (inside) => {
      const known = made.get(inside);
      if (known) return known;
      const privates = entries.flatMap(({ submission }) =>
        inside && submission.private ? [{ message: submission.hash, content: submission.private.content }] : [],
      );
      const bytes = measured(clock, observe, "dissemination", () => encodeBatchPush({ batch: batch.bytes, privates }));
      made.set(inside, bytes);
      return bytes;
    };
  }

  function pushToAll(entry: Travelling): void {
    const { others, inZone } = membership();
    const bytes = encodings(entry.sealed);
    for (const { seat } of others) void push(entry, seat, () => bytes(inZone(seat, entry.sealed.zone)), firstRetryMs);
  }

  return {
    async spread(sealed) {
      const { batch, zone, entries } = sealed;
      const started = clock.now().monotonic;
      const privates = entries.flatMap(({ submission }) => submission.private ?? []);
      const stored = { batch, authenticUnder: entries.map(({ submission }) => submission.key) };
      const { self } = membership();
      await new Promise<void>((accepted) => {
        const entry: Travelling = { sealed, started, holders: new Set(), pushing: new Set(), accepted, done: false };
        travelling.set(batch.digest, entry);
        // Sent while it is made durable here: whoever answers, holds it.
        pushToAll(entry);
        void batches.store(stored, privates).then(() => {
          observe({ kind: "batch-stored", bytes: batch.bytes.length, payments: batch.payments, source: "own" });
          feed({ kind: "batch-held", batch: referenceOf(batch, zone), creator: self });
          if (self !== undefined) held(entry, self);
        }, options.onFatal);
      });
    },
    connected(seat) {
      for (const entry of travelling.values()) {
        const bytes = encodings(entry.sealed);
        void push(entry, seat, () => bytes(membership().inZone(seat, entry.sealed.zone)), firstRetryMs);
      }
    },
    get size() {
      return travelling.size;
    },
    done(digest) {
      const entry = travelling.get(digest);
      travelling.delete(digest);
      if (!entry || entry.done) return;
      // A final block holds it: a quorum has it, whoever answered.
      entry.done = true;
      entry.accepted();
    },
    epochChanged() {
      const { self } = membership();
      for (const entry of travelling.values()) {
        entry.holders.clear();
        if (self !== undefined) entry.holders.add(self);
        pushToAll(entry);
      }
    },
  };
}

/** For the log of a sealed batch. */
export function tracesOf({ entries }: Sealed): readonly string[] {
  return entries.map(({ submission }) => submission.traceparent).filter((trace) => trace !== "");
}
