/** Random samples with a seed, for tests of how often a verdict is wrong. */
import type { Histogram } from "../window.ts";

export type Random = () => number;

/** mulberry32: uniform in [0, 1). */
export function createRandom(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Standard normal (Box and Muller 1958). */
export const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/** How many of `count` trials came out. */
export function events(random: Random, count: number, probability: number): number {
  let sum = 0;
  for (let i = 0; i < count; i += 1) if (random() < probability) sum += 1;
  return sum;
}

/** The bounds of a validator's latencies, seconds. */
export const bounds: readonly number[] = [
  0.0005, 0.001, 0.002, 0.004, 0.006, 0.008, 0.012, 0.016, 0.024, 0.032, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5,
  10,
];

/** Log-normal values of this median, seconds, in buckets. */
export function latencies(random: Random, count: number, median: number, deviation = 0.4): Histogram {
  const counts = Array.from({ length: bounds.length + 1 }, () => 0);
  for (let i = 0; i < count; i += 1) {
    const value = median * Math.exp(deviation * normal(random));
    const at = bounds.findIndex((bound) => value <= bound);
    const bucket = at < 0 ? bounds.length : at;
    counts[bucket] = (counts[bucket] ?? 0) + 1;
  }
  return { bounds, counts };
}
