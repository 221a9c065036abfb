/** The test statistic is the one it is said to be. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { evidenceOf, noMoments, withValue } from "./evidence.ts";

const seen = { least: 0, atZero: 1 };
const momentsOf = (values: readonly number[]) => values.reduce(withValue, noMoments);

/** log of the normal density, without the constant that both hypotheses share. */
const logNormal = (x: number, mean: number, deviation: number) =>
  -Math.log(deviation) - (x - mean) ** 2 / (2 * deviation ** 2);

/** The Bayes factor by quadrature: the scale with density 1/s, the effect size standard normal. */
function byQuadrature(values: readonly number[]): number {
  let [none, some] = [0, 0];
  const step = 0.02;
  for (let logScale = -6; logScale <= 4; logScale += step) {
    const scale = Math.exp(logScale);
    const likelihood = (mean: number) => Math.exp(values.reduce((sum, x) => sum + logNormal(x, mean, scale), 0));
    none += likelihood(0) * step;
    for (let effect = -6; effect <= 6; effect += step)
      some += likelihood(effect * scale) * Math.exp(-(effect ** 2) / 2) * (step / Math.sqrt(2 * Math.PI)) * step;
  }
  return some / none;
}

test.each([[[0.3, 0.1, 0.5, -0.2, 0.4, 0.6]], [[-1, 1.2, -0.7, 0.1, 0.4]], [[-2, -1.5, -2.2, -1.8, -2.1, -1.9, -2]]])(
  "the closed form is the integral: %j",
  (values) => {
    const { p } = evidenceOf(momentsOf(values), seen);
    expect(p).toBeCloseTo(Math.min(1, 1 / byQuadrature(values)), 5);
  },
);

// Student's own data, "The probable error of a mean", Biometrika 6 (1908), p. 20: the additional sleep of ten patients.
test("t is Student's", () => {
  const sleep = [1.2, 2.4, 1.3, 1.3, 0, 1, 1.8, 0.8, 4.6, 1.4];
  expect(evidenceOf(momentsOf(sleep), seen).t).toBeCloseTo(4.0621, 4);
});

test("it depends on no unit, and turns with the sign", () => {
  const numbers = fc.array(fc.integer({ min: -1_000, max: 1_000 }), { minLength: 5, maxLength: 40 });
  fc.assert(
    fc.property(numbers, fc.integer({ min: 1, max: 1_000 }), (values, scale) => {
      fc.pre(new Set(values).size > 1);
      const one = evidenceOf(momentsOf(values), seen);
      const other = evidenceOf(momentsOf(values.map((value) => -value * scale)), seen);
      expect(other.t).toBeCloseTo(-one.t, 6);
      expect(other.p).toBeCloseTo(one.p, 6);
      expect(one.p).toBeGreaterThan(0);
    }),
  );
});

test("four windows say nothing, however clear they look", () => {
  expect(evidenceOf(momentsOf([5, 5, 5, 5]), seen)).toEqual({ t: 0, p: 1 });
  expect(evidenceOf(momentsOf([5, 5, 5, 5, 5]), seen).p).toBeLessThan(0.05);
});
