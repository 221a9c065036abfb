/** Batches that a block needs and this member lacks: asked of one likely holder after the other until held. */
import { decodeBatches, encodeFetchBatches } from "../codec/exchange.ts";
import type { BatchReference, Digest, SeatIndex } from "../consensus/types.ts";
import type { Batches } from "./batches.ts";
import type { Limits } from "./limits.ts";
import type { Membership } from "./membership.ts";
import type { Clock, Network } from "./ports.ts";
import type { Receiving } from "./receiving.ts";

export interface Fetching {
  /** Asks `from` first, then everyone, until held. Asking for a batch again only adds holders. */
  fetch(batches: readonly Pick<BatchReference, "digest">[], from: readonly SeatIndex[]): void;
  /** A member says that these hold a batch: fetched too if it does not come by itself, but not for ever. */
  announced(by: SeatIndex, digest: Digest, holders: readonly SeatIndex[]): void;
  stop(): void;
}

export interface FetchingOptions {
  readonly clock: Clock;
  readonly network: Pick<Network, "request">;
  readonly batches: Batches;
  readonly membership: () => Membership;
  readonly receiving: () => Receiving;
  readonly penalize: (seat: SeatIndex, reason: string) => void;
  readonly limits: Pick<Limits, "replyBatches" | "requestTimeoutMs">;
}

/** Requests under way at once. */
const parallel = 4;
/** Batches wanted at once; beyond it the one wanted longest is given up, and asked for again by whoever needs it. */
const mostWanted = 4_096;
/** An announced batch is normally on its way by itself; it is asked for after this long, this often. */
const announcedPauseMs = 200;
const announcedAttempts = 6;
/** Announced batches of one member that are waited for. */
const announcedPerMember = 64;
const firstPauseMs = 20;
const longestPauseMs = 2_000;

interface Wanted {
  readonly holders: SeatIndex[];
  /** Counts attempts: the next holder to ask. */
  attempt: number;
  busy: boolean;
  /** Not asked again before, monotonic milliseconds. */
  notBefore: number;
  /** Given up after this many attempts: nothing is known to need it. */
  mostAttempts: number;
}

export function createFetching(options: FetchingOptions): Fetching {
  const { clock, network, batches, membership, receiving, penalize, limits } = options;
  const wanted = new Map<Digest, Wanted>();
  const announcedBy = new Map<SeatIndex, Set<Digest>>();
  let running = 0;
  let stopped = false;
  let cancelWake = () => {};

  /** Whom to ask now: the likely holders first, then every other member, round and round. */
  function nextHolder({ holders, attempt }: Wanted): SeatIndex | undefined {
    const { self, others } = membership();
    const rest = others.map(({ seat }) => seat).filter((seat) => !holders.includes(seat));
    const order = [...holders.filter((seat) => seat !== self), ...rest];
    return order[attempt % Math.max(1, order.length)];
  }

  function run(): void {
    cancelWake();
    const now = clock.now().monotonic;
    let earliest = Number.POSITIVE_INFINITY;
    const groups = new Map<SeatIndex, Digest[]>();
    for (const [digest, entry] of wanted) {
      if (batches.isHeld(digest)) {
        wanted.delete(digest);
        continue;
      }
      if (entry.busy) continue;
      if (entry.notBefore > now) {
        earliest = Math.min(earliest, entry.notBefore);
        continue;
      }
      const seat = nextHolder(entry);
      if (seat === undefined) continue;
      const group = groups.get(seat) ?? [];
      if (group.length < limits.replyBatches) group.push(digest);
      groups.set(seat, group);
    }
    for (const [seat, digests] of groups) {
      if (running >= parallel) return;
      void ask(seat, digests);
    }
    if (Number.isFinite(earliest) && !stopped) cancelWake = clock.after(earliest - now, run);
  }

  async function ask(seat: SeatIndex, digests: readonly Digest[]): Promise<void> {
    running += 1;
    for (const digest of digests) {
      const entry = wanted.get(digest);
      if (entry) entry.busy = true;
    }
    await request(seat, digests);
    running -= 1;
    const now = clock.now().monotonic;
    for (const digest of digests) {
      const entry = wanted.get(digest);
      if (!entry) continue;
      entry.busy = false;
      entry.attempt += 1;
      if (entry.attempt >= entry.mostAttempts) wanted.delete(digest);
      const rounds = Math.floor(entry.attempt / Math.max(1, membership().others.length));
      entry.notBefore = rounds === 0 ? now : now + Math.min(firstPauseMs * 2 ** rounds, longestPauseMs);
    }
    if (!stopped) run();
  }

  async function request(seat: SeatIndex, digests: readonly Digest[]): Promise<void> {
    const peer = membership().peerOf(seat);
    if (peer === undefined) return;
    const bytes = encodeFetchBatches({ digests, private: true });
    const reply = await network.request(peer, "fetch-batches", bytes, limits.requestTimeoutMs);
    if (reply.kind === "failed") return;
    const pushes = decodeBatches(reply.bytes);
    if (pushes.kind === "refused") return penalize(seat, pushes.error.reason);
    for (const push of pushes.value) {
      const received = await receiving().fetched(push, (digest) => digests.includes(digest));
      if (received.kind === "refused" && received.dishonest) penalize(seat, received.reason);
    }
  }

  return {
    fetch(references, from) {
      for (const { digest } of references) {
        if (batches.isHeld(digest)) continue;
        const known = wanted.get(digest);
        if (known) {
          for (const seat of from) if (!known.holders.includes(seat)) known.holders.push(seat);
          known.notBefore = Math.min(known.notBefore, clock.now().monotonic);
          known.mostAttempts = Number.POSITIVE_INFINITY;
          continue;
        }
        const mostAttempts = Number.POSITIVE_INFINITY;
        wanted.set(digest, { holders: [...from], attempt: 0, busy: false, notBefore: 0, mostAttempts });
        if (wanted.size > mostWanted) wanted.delete(wanted.keys().next().value as Digest);
      }
      run();
    },
    announced(by, digest, holders) {
      const waiting = announcedBy.get(by) ?? new Set();
      announcedBy.set(by, waiting);
      if (batches.isHeld(digest) || wanted.has(digest) || waiting.size >= announcedPerMember) return;
      waiting.add(digest);
      clock.after(announcedPauseMs, () => {
        waiting.delete(digest);
        if (stopped || batches.isHeld(digest) || wanted.has(digest) || wanted.size >= mostWanted) return;
        const order = holders.filter((seat) => membership().seats[seat] !== undefined);
        wanted.set(digest, { holders: order, attempt: 0, busy: false, notBefore: 0, mostAttempts: announcedAttempts });
        run();
      });
    },
    stop() {
      stopped = true;
      cancelWake();
    },
  };
}
