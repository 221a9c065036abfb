/**
 * How long a view may take: three policies over the same samples, and the doubling since the last finalization
 * (consensus.md, Pacemaker). All durations are milliseconds.
 */
import { totals } from "./power.ts";
import type { EpochConfig, SeatIndex, TimeoutPolicy } from "./types.ts";

/** Smoothed value and mean deviation (RFC 6298 §2 with α = 1/8, β = 1/4). */
export interface Smoothed {
  readonly mean: number;
  readonly deviation: number;
}

export interface Pacemaker {
  readonly roundTrips: ReadonlyMap<SeatIndex, Smoothed>;
  /** From entering a view with something to propose to its notarization. */
  readonly viewDuration: Smoothed | undefined;
  /** Weights of the quantile regression over `features`. */
  readonly weights: readonly number[];
}

export const initialPacemaker: Pacemaker = { roundTrips: new Map(), viewDuration: undefined, weights: [50, 2, 2, 0] };

export function smooth(previous: Smoothed | undefined, sample: number): Smoothed {
  if (previous === undefined) return { mean: sample, deviation: sample / 2 };
  return {
    deviation: previous.deviation + (Math.abs(sample - previous.mean) - previous.deviation) / 4,
    mean: previous.mean + (sample - previous.mean) / 8,
  };
}

export function observeRoundTrip(pacemaker: Pacemaker, seat: SeatIndex, milliseconds: number): Pacemaker {
  const roundTrips = new Map(pacemaker.roundTrips);
  roundTrips.set(seat, smooth(roundTrips.get(seat), milliseconds));
  return { ...pacemaker, roundTrips };
}

export function observeView(
  pacemaker: Pacemaker,
  config: EpochConfig,
  self: SeatIndex | undefined,
  milliseconds: number,
): Pacemaker {
  const x = features(pacemaker, config, self);
  return {
    ...pacemaker,
    viewDuration: smooth(pacemaker.viewDuration, milliseconds),
    weights: learn(pacemaker.weights, x, milliseconds),
  };
}

/** The round trip within which members with quorum power, this one included, answer. */
export function quorumRoundTrip(
  pacemaker: Pacemaker,
  config: EpochConfig,
  self: SeatIndex | undefined,
  of: (s: Smoothed) => number,
): number {
  const { quorum } = totals(config.members, config.faultModel);
  const known = [...pacemaker.roundTrips]
    .map(([seat, s]) => ({ seat, value: of(s) }))
    .sort((a, b) => a.value - b.value);
  let heard = self === undefined ? 0 : (config.members[self]?.power ?? 0);
  for (const { seat, value } of known) {
    if (heard >= quorum) break;
    heard += config.members[seat]?.power ?? 0;
    if (heard >= quorum) return value;
  }
  return 0;
}

/** Before the first sample: long enough for processes that have just started. */
const untried = 1_000;

const policies: Readonly<
  Record<TimeoutPolicy, (pacemaker: Pacemaker, config: EpochConfig, self: SeatIndex | undefined) => number>
> = {
  /** Twice the moving average of what a view takes. */
  ema: ({ viewDuration }) => (viewDuration === undefined ? untried : 2 * viewDuration.mean),
  /** Jacobson's bound on the slowest member a quorum needs, and on what a view takes beyond the network. */
  jacobson: (pacemaker, config, self) => {
    if (pacemaker.viewDuration === undefined) return untried;
    const bound = (s: Smoothed) => s.mean + 4 * s.deviation;
    return quorumRoundTrip(pacemaker, config, self, bound) + bound(pacemaker.viewDuration);
  },
  /** The 99.9th percentile of a view's duration as a linear function of what was seen lately. */
  learned: (pacemaker, config, self) => {
    if (pacemaker.viewDuration === undefined) return untried;
    const x = features(pacemaker, config, self);
    return x.reduce((sum, value, i) => sum + value * (pacemaker.weights[i] ?? 0), 0);
  },
};

/** The timeout of a view that begins `sinceFinal` views after the finalized one; two of those are the pipeline's own. */
export function viewTimeout(
  pacemaker: Pacemaker,
  config: EpochConfig,
  self: SeatIndex | undefined,
  sinceFinal: number,
): number {
  const { minTimeout, maxTimeout, timeoutPolicy } = config.parameters;
  const base = clamp(policies[timeoutPolicy](pacemaker, config, self), minTimeout, maxTimeout);
  const doublings = Math.min(30, Math.max(0, sinceFinal - 2));
  return Math.min(maxTimeout, base * 2 ** doublings);
}

const quantile = 0.999;
const learningRate = 0.05;

function features(pacemaker: Pacemaker, config: EpochConfig, self: SeatIndex | undefined): readonly number[] {
  const { viewDuration } = pacemaker;
  return [
    1,
    quorumRoundTrip(pacemaker, config, self, (s) => s.mean),
    viewDuration?.mean ?? 0,
    viewDuration?.deviation ?? 0,
  ];
}

/** One subgradient step of the pinball loss, normalized by the features' length (Koenker & Bassett 1978). */
function learn(weights: readonly number[], x: readonly number[], observed: number): readonly number[] {
  const predicted = x.reduce((sum, value, i) => sum + value * (weights[i] ?? 0), 0);
  const gradient = observed > predicted ? quantile : quantile - 1;
  const norm = x.reduce((sum, value) => sum + value * value, 0);
  // The step scales with the error when under-predicting, so that a slower network is learned in a few views.
  const size = (learningRate * Math.max(1, Math.abs(observed - predicted))) / norm;
  return weights.map((weight, i) => weight + size * gradient * (x[i] ?? 0));
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
