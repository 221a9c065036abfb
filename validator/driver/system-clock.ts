/** The machine's own clocks behind the `Clock` port. */
import type { Clock } from "./ports.ts";

export function createSystemClock(): Clock {
  return {
    now: () => ({ monotonic: performance.now(), wall: Date.now() }),
    after(milliseconds, call) {
      const timer = setTimeout(call, milliseconds);
      return () => clearTimeout(timer);
    },
    yield: () => new Promise((resolve) => setImmediate(resolve)),
  };
}
