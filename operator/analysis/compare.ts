/**
 * One window as one number per metric: by how much the changed seats are worse than the others plus the margin. Below
 * zero they are not worse. The seats went through the same views, so that what shakes all of them cancels.
 */
import { merged, probabilityAbove, quantile, sizeOf } from "./histogram.ts";
import type { Analysis, Histogram, Metric, SeatWindow, Share, Window } from "./window.ts";

/** One side of a comparison. */
export interface Side {
  readonly samples: number;
  /** A share's events; of other metrics, the window's own figure. */
  readonly figure: number;
}

export interface Difference {
  readonly value: number;
  readonly changed: Side;
  readonly others: Side;
}

/** What a share may be higher by in any case, for a rise of a share near zero has no percentage. */
export const shareFloor = 0.01;
/** What a lag may be higher by in any case, blocks. */
export const lagFloor = 1;
/** The quantile of latencies that people are shown. */
const shownQuantile = 0.95;

/** Metrics whose samples are trials that did or did not go wrong. */
export type ShareMetric = Extract<Metric, "ViewTimeouts" | "MissedVotes" | "Rejections">;

const shareOf: Readonly<Record<ShareMetric, (seat: SeatWindow) => Share | undefined>> = {
  ViewTimeouts: ({ timeouts }) => timeouts,
  MissedVotes: ({ missed }) => missed,
  Rejections: ({ rejections }) => rejections,
};

export const isShare = (metric: Metric): metric is ShareMetric => metric in shareOf;

/** `1 + m`: what the others' figure is multiplied by. */
export const allowed = ({ maxIncreasePercent }: Analysis): number => 1 + maxIncreasePercent / 100;

/** Undefined when one side was not observed whole: a changed seat without data is no seat that did well. */
export function differenceIn(window: Window, analysis: Analysis, changed: ReadonlySet<string>): Difference | undefined {
  const seats = (isChanged: boolean) => window.seats.filter(({ seat }) => changed.has(seat) === isChanged);
  const [mine, others] = [seats(true), seats(false)];
  if (mine.length < changed.size || others.length === 0) return undefined;
  const { metric } = analysis;
  if (isShare(metric)) return shareDifference(mine.map(shareOf[metric]), others.map(shareOf[metric]), analysis);
  if (metric === "FinalityLatency")
    return latencyDifference(
      mine.map(({ finality }) => finality),
      others.map(({ finality }) => finality),
      analysis,
    );
  return lagDifference(mine.map(lagOf), others.map(lagOf), analysis);
}

type Maybe<T> = readonly (T | undefined)[];

/** All of the changed seats' values, and those of the others that have one; undefined when a side has none. */
function both<T>(mine: Maybe<T>, others: Maybe<T>): readonly [readonly T[], readonly T[]] | undefined {
  const known = (values: Maybe<T>) => values.flatMap((value) => (value === undefined ? [] : [value]));
  const [a, b] = [known(mine), known(others)];
  return a.length < mine.length || b.length === 0 ? undefined : [a, b];
}

function shareDifference(mine: Maybe<Share>, others: Maybe<Share>, analysis: Analysis): Difference | undefined {
  const [a, b] = both(mine, others)?.map(total) ?? [];
  if (!a || !b || a.trials === 0 || b.trials === 0) return undefined;
  const limit = (allowed(analysis) * b.events) / b.trials + shareFloor;
  const side = ({ trials, events }: Share): Side => ({ samples: trials, figure: events });
  return { value: a.events / a.trials - limit, changed: side(a), others: side(b) };
}

const total = (shares: readonly Share[]): Share =>
  shares.reduce(
    (sum, { trials, events }) => ({ trials: sum.trials + trials, events: sum.events + Math.min(events, trials) }),
    { trials: 0, events: 0 },
  );

/** How far above one half the probability is that a changed seat's value exceeds another's with its margin. */
function latencyDifference(mine: Maybe<Histogram>, others: Maybe<Histogram>, analysis: Analysis) {
  const [a, b] = both(mine, others)?.map(sum) ?? [];
  const above = a && b && probabilityAbove(a, b, allowed(analysis));
  if (!a || !b || above === undefined) return undefined;
  const side = (of: Histogram): Side => ({ samples: sizeOf(of), figure: quantile(of, shownQuantile) ?? 0 });
  return { value: above - 0.5, changed: side(a), others: side(b) };
}

function sum(all: readonly Histogram[]): Histogram | undefined {
  const [first, ...rest] = all;
  return rest.reduce<Histogram | undefined>((so, each) => so && merged(so, each), first);
}

interface Lag {
  readonly blocks: number;
  /** That passed meanwhile: what it stands for. */
  readonly views: number;
}

const lagOf = ({ lag, timeouts }: SeatWindow): Lag | undefined =>
  lag === undefined || timeouts === undefined ? undefined : { blocks: lag, views: timeouts.trials };

function lagDifference(mine: Maybe<Lag>, others: Maybe<Lag>, analysis: Analysis): Difference | undefined {
  const [a, b] = both(mine, others)?.map(meanLag) ?? [];
  if (!a || !b) return undefined;
  return { value: a.figure - allowed(analysis) * b.figure - lagFloor, changed: a, others: b };
}

const meanLag = (lags: readonly Lag[]): Side => ({
  samples: lags.reduce((so, { views }) => so + views, 0),
  figure: lags.reduce((so, { blocks }) => so + blocks, 0) / lags.length,
});
