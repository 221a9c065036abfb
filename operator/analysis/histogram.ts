/**
 * Histograms compared by ranks. Inside a bucket values are taken as evenly spread, and what is above the last bound as
 * below twice that bound: nothing is assumed of the shape beyond it.
 */
import type { Histogram } from "./window.ts";

/** Number of values. */
export const sizeOf = ({ counts }: Histogram): number => counts.reduce((sum, count) => sum + count, 0);

/** Values of both; undefined when their bounds differ. */
export function merged(a: Histogram, b: Histogram): Histogram | undefined {
  const alike = a.bounds.length === b.bounds.length && a.bounds.every((bound, i) => bound === b.bounds[i]);
  if (!alike) return undefined;
  return { bounds: a.bounds, counts: a.counts.map((count, i) => count + (b.counts[i] ?? 0)) };
}

/**
 * Mann and Whitney's estimate over buckets: how probable it is that a value of `a` is above `scale` times a value of
 * `b`, ties counted half. 0.5 when neither is; undefined when one of them is empty.
 */
export function probabilityAbove(a: Histogram, b: Histogram, scale: number): number | undefined {
  const [sizeA, sizeB] = [sizeOf(a), sizeOf(b)];
  if (sizeA === 0 || sizeB === 0) return undefined;
  const [edgesA, edgesB] = [edgesOf(a, 1), edgesOf(b, scale)];
  const edges = [...new Set([...edgesA, ...edgesB])].toSorted((x, y) => x - y);
  let above = 0;
  let belowB = 0;
  for (const [i, to] of edges.entries()) {
    const from = edges[i - 1];
    if (from === undefined) continue;
    const shareB = within(b, edgesB, from, to) / sizeB;
    above += (within(a, edgesA, from, to) / sizeA) * (belowB + shareB / 2);
    belowB += shareB;
  }
  return above;
}

/** The value below which a share of the values lies; undefined when there are none. */
export function quantile(histogram: Histogram, share: number): number | undefined {
  const wanted = sizeOf(histogram) * share;
  if (wanted === 0) return undefined;
  const edges = edgesOf(histogram, 1);
  let below = 0;
  for (const [i, count] of histogram.counts.entries()) {
    const [from = 0, to = from] = [edges[i], edges[i + 1]];
    if (count > 0 && below + count >= wanted) return from + ((to - from) * (wanted - below)) / count;
    below += count;
  }
  return edges.at(-1);
}

/** Bounds of every bucket, one more than there are buckets. */
function edgesOf({ bounds }: Histogram, scale: number): readonly number[] {
  const last = bounds.at(-1) ?? 1;
  return [0, ...bounds, 2 * last].map((edge) => edge * scale);
}

/** Values in an interval that crosses no bound. */
function within({ counts }: Histogram, edges: readonly number[], from: number, to: number): number {
  const i = edges.findLastIndex((edge) => edge <= from);
  const [low, high] = [edges[i], edges[i + 1]];
  if (low === undefined || high === undefined) return 0;
  return ((counts[i] ?? 0) * (to - from)) / (high - low);
}
