/** What is compared: what seats did in one stretch of time, each seat beside the others in the same views. */

/** A metric of `spec.canary.analysis` and `spec.rollout.promotion.analysis`. */
export type Metric = "FinalityLatency" | "ViewTimeouts" | "MissedVotes" | "ExecutionLag" | "Rejections";

/** One comparison that is asked for, as the API has it. */
export interface Analysis {
  readonly metric: Metric;
  /** How much worse the changed seats may be, percent. */
  readonly maxIncreasePercent: number;
  /** Least number of samples on either side. */
  readonly minSamples: number;
}

/** Of so many trials, so many were events. */
export interface Share {
  readonly trials: number;
  readonly events: number;
}

/** Counts of values by bucket; the last one holds what is above every bound, so it has one more than there are bounds. */
export interface Histogram {
  /** Upper bounds, ascending. */
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
}

/** What one seat did in a window. A metric that was not observed is absent: it is never read as zero. */
export interface SeatWindow {
  readonly seat: string;
  /** Views that its peers say it timed out of, of those they entered. */
  readonly timeouts?: Share | undefined;
  /** Final blocks whose proposal its peers have no vote of it for. */
  readonly missed?: Share | undefined;
  /** Messages submitted to it that it did not accept. */
  readonly rejections?: Share | undefined;
  /** From a proposal to its finality, seconds. */
  readonly finality?: Histogram | undefined;
  /** Blocks between the newest final height its peers know and what it has executed, at the window's end. */
  readonly lag?: number | undefined;
}

/** One stretch of time, the same for every seat in it. */
export interface Window {
  /** ms since the Unix epoch. */
  readonly from: number;
  readonly to: number;
  readonly seats: readonly SeatWindow[];
}
