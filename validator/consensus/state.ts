/** The core's state of one epoch, and the draft a step works on. */
import type { CoverageTracker } from "./coverage.ts";
import { leader } from "./leader.ts";
import type { Pacemaker } from "./pacemaker.ts";
import type { Totals } from "./power.ts";
import { emptyRound, type Round } from "./round.ts";
import type {
  BatchReference,
  Block,
  Certificate,
  CoverageState,
  Digest,
  Effect,
  EpochConfig,
  GovernanceTransaction,
  Height,
  SeatIndex,
  Time,
  Verified,
  View,
} from "./types.ts";

/** Rounds this far below the finalized view still take finalize votes: slow regions' signatures arrive late. */
export const lateViews = 64;
/** Votes and proposals this far above the current view are kept; beyond it a certificate has to come first. */
export const earlyViews = 32;
/** Most batches the index holds: the data plane stops taking new ones before. */
export const maxPayload = 4_096;

/** A batch that a leader may propose or a block needs. */
export interface PayloadEntry {
  readonly batch: BatchReference;
  readonly held: boolean;
  readonly holders: ReadonlySet<SeatIndex>;
  /** Monotonic time from which it is proposable: at once with F + 1 power of holders, else `hintTimeout` after it was held. */
  readonly readyAt: number;
  /** It was asked for. */
  readonly fetching: boolean;
}

export interface ExecutedState {
  readonly height: Height;
  readonly root: Digest;
  readonly coverage: CoverageState;
}

export interface Finalized {
  readonly view: View;
  readonly height: Height;
  readonly hash: Digest;
  readonly time: number;
  /** The closing block, or a carrier behind it, is final: the epoch has ended. */
  readonly closed: boolean;
  /** Undefined for the anchor. */
  readonly certificate: Verified<Certificate> | undefined;
}

export interface State {
  readonly config: EpochConfig;
  readonly totals: Totals;
  /** This member's seat; undefined for a learner, which follows and signs nothing. */
  readonly self: SeatIndex | undefined;
  readonly started: boolean;
  readonly view: View;
  /** Monotonic time of entering the view. */
  readonly enteredAt: number;
  readonly rounds: ReadonlyMap<View, Round>;
  /** Blocks above the finalized one, and final ones as far down as `lateViews`. */
  readonly blocks: ReadonlyMap<Digest, Block>;
  readonly finalized: Finalized;
  /** The newest finalization whose chain down to `finalized` is not whole yet. */
  readonly pendingTip: Verified<Certificate> | undefined;
  /** Block hashes asked for, so that each is asked once until something changes. */
  readonly fetchingBlocks: ReadonlySet<Digest>;
  readonly payload: ReadonlyMap<Digest, PayloadEntry>;
  /** Batches of recently final blocks: a late copy of one is not proposed again. */
  readonly finalBatches: ReadonlyMap<Digest, Height>;
  readonly governance: readonly GovernanceTransaction[];
  /** Newest last; reaches down to what coverage and root checks still need. */
  readonly executed: readonly ExecutedState[];
  readonly coverage: CoverageTracker;
  readonly pacemaker: Pacemaker;
  /** Views whose finalize votes are a quorum and are given a moment for more (`gathering.ts`). */
  readonly gathering: ReadonlySet<View>;
  /** How long after the quorum's last finalize vote each member's last one came, ms; absent while never late. */
  readonly lateness: ReadonlyMap<SeatIndex, number>;
  /** The `share` timer runs (`sharing.ts`). */
  readonly sharing: boolean;
  /** When each member last said anything: monotonic time, and the newest view it spoke of. */
  readonly heard: ReadonlyMap<SeatIndex, { readonly at: number; readonly view: View }>;
  /** Members that nobody reaches, as the network tells. */
  readonly gone: ReadonlySet<SeatIndex>;
  readonly diskHealthy: boolean;
  readonly quarantined: boolean;
  /** Since when the view's leader has had reason to propose; undefined while the swarm may idle. */
  readonly busyFrom: number | undefined;
  /** The deadline the `view` timer was last set to, and the pending `idle` deadline. */
  readonly viewDeadline: number | undefined;
  readonly idleDeadline: number | undefined;
  /** Delay of the next resend; doubles while the view lasts. */
  readonly resendDelay: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** One step under way: a shallow copy of the state whose fields rules replace, and the effects so far. */
export interface Draft {
  readonly state: Mutable<State>;
  readonly effects: Effect[];
  readonly time: Time;
}

export function roundOf(state: State, view: View): Round {
  return state.rounds.get(view) ?? emptyRound(view, leader(state.config, view));
}

/** Replaces parts of a round. */
export function updateRound(draft: Draft, view: View, patch: Partial<Round>): Round {
  const round = { ...roundOf(draft.state, view), ...patch };
  draft.state.rounds = new Map(draft.state.rounds).set(view, round);
  return round;
}

export function ignore(draft: Draft, reason: string): void {
  draft.effects.push({ kind: "observe", event: { kind: "ignored", reason } });
}

/** May this process sign anything now? Which ballots is the rules' matter. */
export function maySign(state: State): boolean {
  return (
    state.started && state.self !== undefined && state.diskHealthy && !state.quarantined && !state.finalized.closed
  );
}

/** The state executed at a height; undefined when execution has not come there, or it is below the window. */
export function executedAt(state: State, height: Height): ExecutedState | undefined {
  return state.executed.find((entry) => entry.height === height);
}

export function newestExecuted(state: State): ExecutedState | undefined {
  return state.executed.at(-1);
}
