/** Rate limit over time: so many at once, then so many a second. */
import type { Clock } from "./clock.ts";

export interface Rate {
  readonly perSecond: number;
  /** How many may come at once after a quiet time. */
  readonly burst: number;
}

export interface TokenBucket {
  /** Takes a token now or in advance; milliseconds until it is there. */
  readonly reserve: () => number;
  /** Takes a token if there is one. */
  readonly take: () => boolean;
}

export function createTokenBucket(clock: Clock, { perSecond, burst }: Rate): TokenBucket {
  let tokens = burst;
  let filledAt = clock.monotonic();
  const fill = () => {
    const now = clock.monotonic();
    tokens = Math.min(burst, tokens + ((now - filledAt) / 1_000) * perSecond);
    filledAt = now;
  };
  return {
    reserve() {
      fill();
      tokens -= 1;
      return tokens >= 0 ? 0 : (-tokens / perSecond) * 1_000;
    },
    take() {
      fill();
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}
