import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { percentiles, quantile, slope, spread } from "./statistics.ts";

const numbers = fc.array(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), { minLength: 1 });

describe("percentiles", () => {
  test("are samples that were seen, by nearest rank", () => {
    const samples = Array.from({ length: 200 }, (_, at) => 200 - at);
    expect(percentiles(samples)).toEqual({ count: 200, p50: 100, p90: 180, p99: 198, max: 200 });
    expect(percentiles([7])).toEqual({ count: 1, p50: 7, p90: 7, p99: 7, max: 7 });
  });

  test("of nothing are no numbers", () => {
    expect(percentiles([])).toEqual({ count: 0, p50: Number.NaN, p90: Number.NaN, p99: Number.NaN, max: Number.NaN });
  });

  test("leave at least their share at or below them, and less than it strictly below", () => {
    fc.assert(
      fc.property(numbers, fc.double({ noNaN: true, min: 0.001, max: 1 }), (samples, q) => {
        const sorted = [...samples].sort((a, b) => a - b);
        const value = quantile(sorted, q);
        expect(sorted.filter((sample) => sample <= value).length).toBeGreaterThanOrEqual(q * sorted.length);
        expect(sorted.filter((sample) => sample < value).length).toBeLessThan(q * sorted.length);
      }),
    );
  });
});

describe("the slope", () => {
  test("of a straight line is its own, whatever the order", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: -1000, max: 1000 }), { minLength: 2 }),
        fc.integer({ min: -50, max: 50 }),
        fc.integer({ min: -1000, max: 1000 }),
        (xs, rise, start) => {
          expect(slope(xs.map((x) => [x, start + rise * x]))).toBeCloseTo(rise, 6);
        },
      ),
    );
  });

  test("of noise around a level is nearly none; of too few points none", () => {
    expect(slope([0, 1, 2, 3].map((x) => [x, x % 2 === 0 ? 10 : 11]))).toBeCloseTo(0.2, 9);
    expect(slope([[5, 9]])).toBe(0);
    expect(slope([])).toBe(0);
  });
});

test("a spread keeps the runs in their order; the median of an even number is between the middle two", () => {
  expect(spread([3, 1, 2])).toEqual({ min: 1, median: 2, max: 3, runs: [3, 1, 2] });
  expect(spread([4, 1, 2, 3]).median).toBe(2.5);
  expect(spread([]).median).toBeNaN();
});
