/** Ranks over buckets. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { merged, probabilityAbove, quantile, sizeOf } from "./histogram.ts";
import type { Histogram } from "./window.ts";

const bounds = [1, 2, 4, 8];
const histogram = fc
  .array(fc.nat({ max: 50 }), { minLength: 5, maxLength: 5 })
  .filter((counts) => counts.some((count) => count > 0))
  .map((counts): Histogram => ({ bounds, counts }));

test("whoever is above, both sides see it alike", () => {
  fc.assert(
    fc.property(histogram, histogram, (a, b) => {
      expect((probabilityAbove(a, b, 1) ?? 0) + (probabilityAbove(b, a, 1) ?? 0)).toBeCloseTo(1, 9);
      expect(probabilityAbove(a, a, 1)).toBeCloseTo(0.5, 9);
      expect(probabilityAbove(a, b, 1.5) ?? 0).toBeLessThanOrEqual((probabilityAbove(a, b, 1) ?? 0) + 1e-12);
    }),
  );
});

test("it is the share of pairs when every value has a bucket of its own", () => {
  const fine = (values: readonly number[]): Histogram => ({
    bounds: [1, 2, 3, 4, 5, 6],
    counts: [1, 2, 3, 4, 5, 6, 7].map((top) => values.filter((value) => value === top).length),
  });
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 12 }),
      (a, b) => {
        // The bucket above every bound is wider than the others, and above them all the same.
        const pairs = a.flatMap((x) => b.map((y) => (x > y ? 1 : x === y ? 0.5 : 0)));
        const share = pairs.reduce<number>((sum, each) => sum + each, 0) / pairs.length;
        expect(probabilityAbove(fine(a), fine(b), 1)).toBeCloseTo(share, 9);
      },
    ),
  );
});

test("a side without values is no side", () => {
  const empty: Histogram = { bounds, counts: [0, 0, 0, 0, 0] };
  const full: Histogram = { bounds, counts: [1, 0, 0, 0, 0] };
  expect(probabilityAbove(empty, full, 1)).toBeUndefined();
  expect(probabilityAbove(full, empty, 1)).toBeUndefined();
  expect(quantile(empty, 0.5)).toBeUndefined();
});

test("quantiles lie in their bucket", () => {
  const some: Histogram = { bounds, counts: [10, 0, 10, 0, 0] };
  expect(quantile(some, 0.25)).toBeCloseTo(0.5, 9);
  expect(quantile(some, 0.75)).toBeCloseTo(3, 9);
  expect(quantile({ bounds, counts: [0, 0, 0, 0, 4] }, 0.5)).toBeCloseTo(12, 9);
});

test("only histograms of the same bounds are added", () => {
  const one: Histogram = { bounds, counts: [1, 2, 3, 4, 5] };
  expect(sizeOf(merged(one, one) ?? one)).toBe(30);
  expect(merged(one, { bounds: [1, 2, 4, 9], counts: one.counts })).toBeUndefined();
});
