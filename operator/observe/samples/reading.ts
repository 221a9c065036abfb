/** What one validator's metrics said at one moment, in the analysis' own words. Counters run since the process began. */
import type { Histogram } from "../../analysis/window.ts";
import type { Sample } from "./exposition.ts";

/** One seat's counters. What is absent was not served. */
export interface Reading {
  readonly seat: string;
  readonly podUid: string;
  /** When its process began, seconds since the Unix epoch. */
  readonly began: number;
  /** Views that it entered, by member and by what became of them there. */
  readonly views: ReadonlyMap<string, MemberViews>;
  readonly finality: Histogram | undefined;
  readonly messages: { readonly accepted: number; readonly rejected: number };
  /** Final blocks that it has not executed. */
  readonly lag: number | undefined;
}

export interface MemberViews {
  readonly voted: number;
  readonly gaveUp: number;
  readonly missed: number;
}

const began = "process_start_time_seconds";
const buckets = "finality_latency_seconds_bucket";
const views = "consensus_member_views_total";
const heights = "consensus_height";
const messages = "ingress_messages_total";
const voting = "consensus_voting";

/** The names of the metrics that are read. */
export const metricsRead: readonly string[] = [began, voting, buckets, views, heights, messages];

/** Answers of a validator by which it did not take a message that it could have taken. */
const rejections = new Set(["refused", "overloaded", "not-ready"]);
/** Bounds of a histogram, and members: more are nobody's. */
const most = 1_000;

/** Sums of counts have to fit a status: no validator counts further than this. */
const mostCounted = 1e11;
const isCount = (value: number) => Number.isInteger(value) && value >= 0 && value <= mostCounted;

/** Undefined when the samples are not those of a validator that votes. */
export function readingOf(seat: string, podUid: string, samples: readonly Sample[]): Reading | undefined {
  const start = samples.find(({ name }) => name === began)?.value;
  if (start === undefined || samples.some(({ name, value }) => name !== began && !isCount(value))) return undefined;
  // A successor on its way holds the same seat.
  if (samples.find(({ name }) => name === voting)?.value !== 1) return undefined;
  const of = (metric: string) => samples.filter(({ name }) => name === metric);
  const sum = (some: readonly Sample[]) => some.reduce((total, { value }) => total + value, 0);
  const height = (state: string) => of(heights).find(({ labels }) => labels["state"] === state)?.value;
  const [final, executed] = [height("final"), height("executed")];
  return {
    seat,
    podUid,
    began: start,
    views: viewsOf(of(views)),
    finality: histogramOf(of(buckets)),
    messages: {
      accepted: sum(of(messages).filter(({ labels }) => labels["outcome"] === "accepted")),
      rejected: sum(of(messages).filter(({ labels }) => rejections.has(labels["outcome"] ?? ""))),
    },
    lag: final === undefined || executed === undefined ? undefined : Math.max(0, final - executed),
  };
}

function viewsOf(samples: readonly Sample[]): ReadonlyMap<string, MemberViews> {
  const found = new Map<string, MemberViews>();
  for (const { labels, value } of samples.slice(0, 3 * most)) {
    const { peer = "", outcome } = labels;
    const before = found.get(peer) ?? { voted: 0, gaveUp: 0, missed: 0 };
    if (outcome === "voted") found.set(peer, { ...before, voted: value });
    if (outcome === "gave-up") found.set(peer, { ...before, gaveUp: value });
    if (outcome === "missed") found.set(peer, { ...before, missed: value });
  }
  return found;
}

/** Buckets are served as sums of all below; undefined when they do not grow. */
function histogramOf(samples: readonly Sample[]): Histogram | undefined {
  const cumulative = samples
    .slice(0, most)
    .map(({ labels, value }) => ({ bound: labels["le"] === "+Inf" ? Infinity : Number(labels["le"]), value }))
    .toSorted((a, b) => a.bound - b.bound);
  if (cumulative.length < 2 || cumulative.at(-1)?.bound !== Infinity) return undefined;
  const counts = cumulative.map(({ value }, i) => value - (cumulative[i - 1]?.value ?? 0));
  const bounds = cumulative.slice(0, -1).map(({ bound }) => bound);
  const wellFormed = counts.every((count) => count >= 0) && bounds.every((bound) => bound > 0);
  return wellFormed ? { bounds, counts } : undefined;
}
