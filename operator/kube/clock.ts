/** The clocks of this folder behind one port, so that tests own time. */

export interface Clock {
  /** Milliseconds that never go back. May stand still while the machine is suspended. */
  readonly monotonic: () => number;
  /** Milliseconds since 1970; may be stepped. */
  readonly wall: () => number;
  /** Calls once after the delay, or after 24 days if that comes first; the result cancels. */
  readonly after: (milliseconds: number, call: () => void) => () => void;
}

/** Timers above this many milliseconds would overflow and fire at once. */
const longestTimerMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  after(milliseconds, call) {
    const timer = setTimeout(call, Math.min(milliseconds, longestTimerMs));
    return () => clearTimeout(timer);
  },
};

/** Resolves after the delay, or as soon as the signal is aborted: callers look at the signal next. */
export function pause(clock: Clock, milliseconds: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) return Promise.resolve();
  const end = () => {
    cancel();
    signal.removeEventListener("abort", end);
    resolve();
  };
  const cancel = clock.after(milliseconds, end);
  signal.addEventListener("abort", end);
  return promise;
}

/** Resolves when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  else signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}
