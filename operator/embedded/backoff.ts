/** How long to wait before starting again a process that ended by itself. */

/** Milliseconds. */
export interface Backoff {
  /** Wait after the first failure. */
  readonly initialMs: number;
  readonly maxMs: number;
  /** A process that ran this long was healthy: the next wait is the initial one. */
  readonly healthyMs: number;
}

export const defaultBackoff: Backoff = { initialMs: 250, maxMs: 30_000, healthyMs: 10_000 };

/**
 * The wait after a number of failures in a row: doubles from `initialMs` up to `maxMs`.
 * Zero failures (it had been healthy) waits as one does.
 */
export function backoffDelay({ initialMs, maxMs }: Backoff, failures: number): number {
  // The exponent is bounded so that a process failing for years does not overflow into Infinity.
  return Math.min(maxMs, initialMs * 2 ** Math.min(30, Math.max(0, failures - 1)));
}
