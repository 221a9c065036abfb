/**
 * One direction between two members: what becomes of the bytes that one sends to the other, on whichever connection.
 * A connection that one of them opened has two lanes: the bytes of the caller go by one, the answers by the other.
 */

/** What a lane does to bytes. All zero: nothing. */
export interface Weather {
  /** No byte passes. */
  readonly cut: boolean;
  /** Added to the way of every byte, milliseconds. */
  readonly delayMs: number;
  /** Most bytes a second, over all connections; 0: no limit. */
  readonly bytesPerSecond: number;
}

export const fair: Weather = { cut: false, delayMs: 0, bytesPerSecond: 0 };

export interface Lane {
  readonly weather: () => Weather;
  readonly change: (weather: Weather) => void;
  /** Hears every change; the result unsubscribes. */
  readonly onChange: (listener: (weather: Weather) => void) => () => void;
  /**
   * Asks to send bytes now: 0 when they may go (they are counted as sent), else milliseconds to wait before asking
   * again. A piece may overdraw the budget: what comes after it waits until the debt is paid.
   */
  readonly take: (bytes: number) => number;
  /** Largest piece to ask for: small enough that a slow lane trickles instead of stalling and bursting. */
  readonly piece: () => number;
  /** Bytes handed to the receiving side since the start. */
  readonly sent: () => number;
}

/** Saved up at most: this much of a second's budget. */
const burstSeconds = 0.05;
const smallestPiece = 1_024;
const largestPiece = 65_536;

/** `now`: monotonic milliseconds. */
export function createLane(now: () => number = () => performance.now()): Lane {
  const listeners = new Set<(weather: Weather) => void>();
  let weather = fair;
  let sent = 0;
  let budget = 0;
  let filledAt = now();

  function fill(): void {
    const at = now();
    const gained = ((at - filledAt) / 1_000) * weather.bytesPerSecond;
    budget = Math.min(weather.bytesPerSecond * burstSeconds, budget + gained);
    filledAt = at;
  }

  return {
    weather: () => weather,
    change(next) {
      weather = next;
      // Neither savings nor debts of another rate count.
      budget = 0;
      filledAt = now();
      for (const listener of [...listeners]) listener(next);
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    take(bytes) {
      if (weather.bytesPerSecond > 0) {
        fill();
        if (budget < 0) return Math.max(1, Math.ceil((-budget / weather.bytesPerSecond) * 1_000));
        budget -= bytes;
      }
      sent += bytes;
      return 0;
    },
    piece: () =>
      weather.bytesPerSecond === 0
        ? Number.POSITIVE_INFINITY
        : Math.min(largestPiece, Math.max(smallestPiece, Math.floor(weather.bytesPerSecond * burstSeconds))),
    sent: () => sent,
  };
}
