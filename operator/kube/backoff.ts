/** How long to wait before asking an API server again. */

/** Milliseconds. */
export interface Backoff {
  /** Upper bound of the first wait. */
  readonly initialMs: number;
  /** Upper bound of every wait of our own choice. */
  readonly maxMs: number;
  /** No wait is shorter: full jitter may draw zero, and a loop without any wait is a hot loop. */
  readonly floorMs: number;
}

/** Bounds the load of one watcher of a server that is down to two requests a minute. */
export const defaultBackoff: Backoff = { initialMs: 500, maxMs: 60_000, floorMs: 50 };

/**
 * The wait after a number of failures in a row (1 for the first): uniform between the floor and a bound that doubles
 * (full jitter), so that watchers that failed together do not come back together. `retryAfterMs`, what the server
 * asked for, is the least; the jitter comes on top.
 */
export function backoffDelay(backoff: Backoff, failures: number, random: () => number, retryAfterMs = 0): number {
  // The exponent is bounded: a server that is down for years must not overflow the wait into Infinity.
  const bound = Math.min(backoff.maxMs, backoff.initialMs * 2 ** Math.min(30, Math.max(0, failures - 1)));
  return retryAfterMs + Math.max(backoff.floorMs, random() * bound);
}
