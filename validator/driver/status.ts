/** What this validator says of itself: readiness with its reason, counters, peers. */
import { powerOf } from "../consensus/power.ts";
import { roundOf, type State } from "../consensus/state.ts";
import type { Block, Digest, Height } from "../consensus/types.ts";
import { zeroDigest } from "../consensus/types.ts";
import { createHearing } from "./hearing.ts";
import type { Membership } from "./membership.ts";
import type { PeerName } from "./ports.ts";
import type { ValidatorStatus } from "./services.ts";
import type { Settlement } from "./settlement.ts";
import type { Submissions } from "./submissions.ts";

export interface Status {
  current(): ValidatorStatus;
  watch(changed: () => void): () => void;
  changed(): void;
  /** The view's leader did not deliver in time. */
  timedOut(): void;
  peer(peer: PeerName, connected: boolean): void;
  roundTrip(peer: PeerName, milliseconds: number): void;
  final(block: Block): void;
  /** `previous`: as it was when its epoch ended. */
  epochChanged(previous: State): void;
  /** Why no message can be accepted now; "" when it can. */
  cannotAccept(): string;
  /** Do members with F + 1 power hold the batch, as far as is known here? */
  isAvailable(digest: Digest): boolean;
}

export interface StatusOptions {
  readonly membership: () => Membership;
  readonly state: () => State;
  readonly executed: () => { readonly height: Height; readonly root: Digest };
  readonly settlement: Settlement;
  readonly submissions: Submissions;
  /** Highest finalized height that a peer named. */
  readonly target: () => Height;
  /** What keeps this validator from voting: volume or clock; "" when nothing does. */
  readonly fault: () => string;
  /** Own execution computed another root than a final header names. */
  readonly diverged: () => boolean;
}

/** A validator this many blocks behind its peers, or this many behind in execution, is not ready. */
const readyLag = 64;
/** Weight of a new round trip in the smoothed one (RFC 6298 §2). */
const smoothing = 1 / 8;

export function createStatus(options: StatusOptions): Status {
  const { membership, state, settlement, submissions } = options;
  const connected = new Set<PeerName>();
  const roundTrips = new Map<PeerName, number>();
  const watchers = new Set<() => void>();
  const hearing = createHearing();
  let timeouts = 0;
  let newest: Block | undefined;

  const isQuarantined = () => state().quarantined || options.diverged();

  function reachable(): number {
    const { config, self, others } = membership();
    const seats = others.filter(({ peer }) => connected.has(peer)).map(({ seat }) => seat);
    return powerOf(config, self === undefined ? seats : [...seats, self]);
  }

  function notReady(): string {
    const { totals, self } = membership();
    const { finalized } = state();
    if (options.fault() !== "") return options.fault();
    if (isQuarantined()) return "quarantined: a quorum certified another state root than this validator's";
    if (self === undefined) return "a learner: its key is not in the validator set";
    const power = reachable();
    if (power < totals.quorum) return `members with ${power} power are connected, a quorum needs ${totals.quorum}`;
    if (options.target() > finalized.height + readyLag)
      return `catching up: block ${finalized.height} of ${options.target()}`;
    const { height } = options.executed();
    if (finalized.height > height + readyLag) return `executing: block ${height} of ${finalized.height}`;
    return "";
  }

  function changed(): void {
    for (const watcher of watchers) watcher();
  }

  return {
    changed,
    timedOut() {
      timeouts += 1;
      changed();
    },
    watch(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    peer(peer, isConnected) {
      if (isConnected) connected.add(peer);
      else connected.delete(peer);
      changed();
    },
    roundTrip(peer, milliseconds) {
      const known = roundTrips.get(peer) ?? milliseconds;
      roundTrips.set(peer, known + (milliseconds - known) * smoothing);
    },
    final(block) {
      newest = block;
      changed();
    },
    epochChanged: hearing.epochChanged,
    cannotAccept() {
      if (options.fault() !== "") return options.fault();
      if (isQuarantined()) return "quarantined: a quorum certified another state root than this validator's";
      return membership().self === undefined ? "a learner accepts no messages" : "";
    },
    isAvailable(digest) {
      const { payload, finalBatches } = state();
      const holders = payload.get(digest)?.holders ?? [];
      const { config, totals } = membership();
      return finalBatches.has(digest) || powerOf(config, holders) > totals.fault;
    },
    current() {
      const { config, self, others, seats } = membership();
      const now = state();
      const own = self === undefined ? undefined : seats[self]?.member;
      const { height, root } = options.executed();
      const reason = notReady();
      const block = newest ?? now.blocks.get(now.finalized.hash);
      return {
        seat: own?.id ?? "",
        region: own?.region ?? "",
        epoch: config.epoch,
        view: now.view,
        finalizedHeight: now.finalized.height,
        settledHeight: settlement.height,
        executedHeight: height,
        stateRoot: root,
        role: isQuarantined() ? "quarantined" : self === undefined ? "learner" : "validator",
        voting: self !== undefined && !isQuarantined() && options.fault() === "",
        notReady: reason,
        queuedPayments: submissions.payments,
        settledPayments: settlement.payments,
        degradedRegions: now.executed.at(-1)?.coverage.degraded ?? [],
        peers: others.map(({ peer, member }) => ({
          seat: member.id,
          region: member.region,
          connected: connected.has(peer),
          rttMs: roundTrips.get(peer) ?? 0,
        })),
        leader: seats[roundOf(now, now.view).leader]?.member.id ?? "",
        timeouts,
        blockTime: block?.header.time ?? now.finalized.time,
        block: block?.hash ?? zeroDigest,
        blockView: block?.header.view ?? 0,
        blockPayments: block?.body.batches.reduce((sum, batch) => sum + batch.payments, 0) ?? 0,
        heard: hearing.heard(now),
      };
    },
  };
}
