/**
 * Whether changed seats do as well as the others. Both answers need evidence: `Promote` that no metric is worse than its
 * margin allows, `Abort` that one is; whatever is neither, above all no data, is `Inconclusive`. It may be asked after
 * every window: the evidence is valid at every look. A wrong `Abort` has a probability of at most 5 % over the whole
 * comparison (shared among the metrics), a wrong `Promote` of at most 5 %, for every metric has to pass.
 */
import { allowed, type Difference, differenceIn, isShare, lagFloor, type Side, shareFloor } from "./compare.ts";
import { type Evidence, evidenceOf, type Moments, minWindows, noMoments, type Scatter, withValue } from "./evidence.ts";
import type { Analysis, Metric, Window } from "./window.ts";

/** What is kept of all windows so far, for one metric. */
export interface Tally {
  readonly metric: Metric;
  /** Of the differences with the margin taken off. */
  readonly moments: Moments;
  /** Sums over the windows. */
  readonly changed: Side;
  readonly others: Side;
}

export interface Finding {
  readonly metric: Metric;
  readonly verdict: "NotWorse" | "Worse" | "Unclear";
  readonly windows: number;
  readonly changedSamples: number;
  readonly othersSamples: number;
  /** A share, seconds (95 % of latencies are below), or blocks. */
  readonly changedFigure: number;
  readonly othersFigure: number;
  /** Mean of what the changed seats are worse by beyond the margin: below zero they are not. */
  readonly excess: number;
  /** Student's t of that mean. */
  readonly t: number;
  /** Always-valid p for the side that `t` points to. */
  readonly p: number;
  /** A sentence. */
  readonly message: string;
}

export interface Verdict {
  readonly kind: "Promote" | "Abort" | "Inconclusive";
  /** In the order of the analysis. */
  readonly findings: readonly Finding[];
  /** A sentence for people. */
  readonly message: string;
}

/** Probability of a wrong `Promote`, and of a wrong `Abort`, at most. */
export const errorRate = 0.05;
/** Least standard deviation of a lag taken at one moment, blocks: it is a whole number. */
const lagDeviation = 0.5;

/** A bad stretch that comes now and then is not seen in fewer windows: they are no ground to promote. */
const promotingWindows = 15;
/** More events of a share than these show by themselves how it scatters. */
const fewEvents = 3;

const none: Side = { samples: 0, figure: 0 };

/** The tallies with one more window, one for each analysis. A window in which a metric was not observed does not count for it. */
export function withWindow(
  tallies: readonly Tally[],
  analysis: readonly Analysis[],
  window: Window,
  changed: ReadonlySet<string>,
): readonly Tally[] {
  return analysis.map((each) => {
    const { metric } = each;
    const before = tallies.find((tally) => tally.metric === metric) ?? {
      metric,
      moments: noMoments,
      changed: none,
      others: none,
    };
    const difference = differenceIn(window, each, changed);
    return difference ? added(before, difference) : before;
  });
}

function added({ metric, moments, changed, others }: Tally, difference: Difference): Tally {
  const plus = (a: Side, b: Side): Side => ({ samples: a.samples + b.samples, figure: a.figure + b.figure });
  return {
    metric,
    moments: withValue(moments, difference.value),
    changed: plus(changed, difference.changed),
    others: plus(others, difference.others),
  };
}

/** Total: whatever the tallies, there is a verdict. */
export function judge(analysis: readonly Analysis[], tallies: readonly Tally[]): Verdict {
  const findings = analysis.map((each) =>
    findingOf(
      each,
      tallies.find(({ metric }) => metric === each.metric),
      errorRate / analysis.length,
    ),
  );
  const worse = findings.find(({ verdict }) => verdict === "Worse");
  if (worse) return { kind: "Abort", findings, message: worse.message };
  const unclear = findings.find(({ verdict }) => verdict === "Unclear");
  if (unclear) return { kind: "Inconclusive", findings, message: unclear.message };
  if (findings.length === 0)
    return { kind: "Inconclusive", findings, message: "Nothing is analysed: nothing can be shown." };
  return { kind: "Promote", findings, message: findings.map(({ message }) => message).join(" ") };
}

function findingOf(analysis: Analysis, tally: Tally | undefined, abortRate: number): Finding {
  const { metric, minSamples } = analysis;
  if (!tally || tally.moments.count === 0)
    return { ...unseen, metric, message: `${metric}: nothing was observed on both sides.` };
  const { moments, changed, others } = tally;
  const evidence = evidenceOf(moments, scatterOf(analysis, tally));
  const enough = moments.count >= minWindows && Math.min(changed.samples, others.samples) >= minSamples;
  const verdict =
    enough && moments.count >= promotingWindows && evidence.t < 0 && evidence.p <= errorRate
      ? "NotWorse"
      : enough && evidence.t > 0 && evidence.p <= abortRate
        ? "Worse"
        : "Unclear";
  const figures = {
    metric,
    verdict,
    windows: moments.count,
    changedSamples: changed.samples,
    othersSamples: others.samples,
    changedFigure: figureOf(tally, changed),
    othersFigure: figureOf(tally, others),
    excess: moments.mean,
    ...evidence,
  } as const;
  return { ...figures, message: sentence(figures, analysis, enough) };
}

const unseen = {
  verdict: "Unclear",
  windows: 0,
  changedSamples: 0,
  othersSamples: 0,
  changedFigure: 0,
  othersFigure: 0,
  excess: 0,
  t: 0,
  p: 1,
} as const;

/** A share of all trials; of other metrics, the mean of the windows' figures. */
const figureOf = ({ metric, moments }: Tally, { samples, figure }: Side) =>
  isShare(metric) ? figure / Math.max(1, samples) : figure / moments.count;

/**
 * Windows may be alike by luck. A share's variance is at least that of independent trials, with one event more than were
 * seen as long as these are few: none in few trials is not taken for never. And events scatter more the more there are,
 * so that against "no more than allowed" the scatter of as many as are allowed counts (the score test of Farrington and
 * Manning, Statistics in Medicine 9, 1990); how far windows scatter beyond independent trials is kept.
 */
function scatterOf(analysis: Analysis, { metric, moments, changed, others }: Tally): Scatter {
  if (metric === "ExecutionLag") return { least: lagDeviation ** 2, atZero: 1 };
  // Of Mann and Whitney's estimate when both sides are alike, without its small term.
  if (metric === "FinalityLatency")
    return { least: (moments.count / 12) * (1 / changed.samples + 1 / others.samples), atZero: 1 };
  const variance = ({ samples, figure }: Side) => (Math.min(figure, fewEvents) + 1) / samples / (samples + 2);
  const least = moments.count * (variance(changed) + allowed(analysis) ** 2 * variance(others));
  const share = changed.figure / Math.max(1, changed.samples);
  const limit = (allowed(analysis) * others.figure) / Math.max(1, others.samples) + shareFloor;
  return { least, atZero: share > limit ? Math.min(1, (limit * (1 - limit)) / (share * (1 - share))) : 1 };
}

type Figures = Omit<Finding, "message"> & Evidence;

function sentence(figures: Figures, analysis: Analysis, enough: boolean): string {
  const { metric, verdict, changedSamples, othersSamples, windows, t, p } = figures;
  const shown = `${metric}: ${amount(metric, figures.changedFigure)} against ${amount(metric, figures.othersFigure)} (n = ${changedSamples} and ${othersSamples} in ${windows} windows)`;
  const margin = `+${analysis.maxIncreasePercent} %${floorOf(metric)}`;
  const numbers = `t = ${t.toFixed(2)}, p ${p < 0.0001 ? "< 0.0001" : `= ${p.toFixed(4)}`}`;
  if (!enough)
    return `${shown}: too few, ${analysis.minSamples} on either side and ${minWindows} windows are the least.`;
  if (verdict === "NotWorse") return `${shown}, not worse than ${margin}: ${numbers}.`;
  if (verdict === "Worse") return `${shown}, worse than ${margin}: ${numbers}.`;
  return `${shown}, neither shown worse than ${margin} nor not: ${numbers}.`;
}

function amount(metric: Metric, value: number): string {
  if (isShare(metric)) return `${(value * 100).toFixed(2)} %`;
  return metric === "FinalityLatency" ? `${(value * 1_000).toFixed(1)} ms` : `${value.toFixed(1)} blocks`;
}

function floorOf(metric: Metric): string {
  if (isShare(metric)) return ` and ${shareFloor * 100} point`;
  return metric === "ExecutionLag" ? ` and ${lagFloor} block` : "";
}
