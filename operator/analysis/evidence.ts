/**
 * An always-valid t-test: evidence against "the mean of the differences is zero or on the other side", that may be
 * looked at as often as one likes. The e-value is the Bayes factor of normal data with an effect size from a normal
 * prior and the right Haar prior on the scale. Whatever the scale is, it exceeds 1/a at any time with a probability
 * of at most a (Lai 1976; Pérez-Ortiz, Lardy, de Heide and Grünwald, Annals of Statistics 52(4), 2024; Wang and Ramdas,
 * Sequential Analysis 44(1), 2025). Windows are means over many views, which is what makes them nearly normal.
 */

/** Count, mean and sum of squared deviations: all that is kept of the windows (Welford 1962). */
export interface Moments {
  readonly count: number;
  readonly mean: number;
  readonly squares: number;
}

export const noMoments: Moments = { count: 0, mean: 0, squares: 0 };

export function withValue({ count, mean, squares }: Moments, value: number): Moments {
  const next = mean + (value - mean) / (count + 1);
  return { count: count + 1, mean: next, squares: squares + (value - mean) * (value - next) };
}

export interface Evidence {
  /** Student's t of the mean difference. */
  readonly t: number;
  /** Valid at every look, for the side that `t` points to; at most 1. */
  readonly p: number;
}

/** Fewer windows say nothing: the e-value's scale needs some. */
export const minWindows = 5;
/** Precision of the prior, in windows: it is most sensitive to a mean of about one standard deviation. */
const priorWindows = 1;

/** What is known of the variance of one window's difference besides what the windows show. */
export interface Scatter {
  /** Known from how many samples there are: the observed one may be smaller by luck. */
  readonly least: number;
  /** What the observed one is to be multiplied by to be that of a difference of zero. */
  readonly atZero: number;
}

export function evidenceOf({ count, mean, squares }: Moments, { least, atZero }: Scatter): Evidence {
  if (count < minWindows) return { t: 0, p: 1 };
  // Equal values do not make a number too large to count with.
  const variance = Math.max((squares / (count - 1)) * atZero, least, (mean / 1_000) ** 2);
  if (variance === 0) return { t: 0, p: 1 };
  const t = (Math.sqrt(count) * mean) / Math.sqrt(variance);
  const x = (t * t) / (count - 1);
  const shrunk = priorWindows / (count + priorWindows);
  const logE = 0.5 * Math.log(shrunk) + (count / 2) * (Math.log1p(x) - Math.log1p(x * shrunk));
  return { t, p: Math.min(1, Math.exp(-logE)) };
}
