/** Time that passes only when a test says so, and clocks on it that run fast, slow or wrong. */
import type { Clock } from "../clock.ts";

interface Timer {
  readonly due: number;
  readonly call: () => void;
  /** As asked for, in the time of its clock. */
  readonly milliseconds: number;
}

export interface TestClock extends Clock {
  /** Delays, as asked for, of the timers that wait on this clock. */
  readonly waiting: () => readonly number[];
}

export interface ManualTime {
  /** Milliseconds since the test began. */
  readonly now: () => number;
  /** Lets time pass; timers fire in order, each at its own time. */
  readonly advance: (milliseconds: number) => void;
  /** To the next timer, if there is one. */
  readonly advanceToNext: () => void;
  /** When the first timer on a clock is due; Infinity when none waits. */
  readonly nextDue: (clock: TestClock) => number;
  /** A clock that is `rate` times as fast as the time, and whose wall clock is wrong by `offsetMs`. */
  readonly clock: (skew?: { readonly rate?: number; readonly offsetMs?: number }) => TestClock;
}

const epoch = Date.UTC(2030, 0, 1);

export function createManualTime(): ManualTime {
  let now = 0;
  const timers = new Map<Timer, TestClock>();

  function next(until: number): Timer | undefined {
    const [first] = [...timers.keys()].filter(({ due }) => due <= until).sort((a, b) => a.due - b.due);
    return first;
  }

  function advance(milliseconds: number): void {
    const until = now + milliseconds;
    for (let timer = next(until); timer; timer = next(until)) {
      timers.delete(timer);
      now = Math.max(now, timer.due);
      timer.call();
    }
    now = until;
  }

  return {
    now: () => now,
    advance,
    advanceToNext() {
      const timer = next(Number.POSITIVE_INFINITY);
      if (timer) advance(timer.due - now);
    },
    nextDue: (clock) => Math.min(...[...timers].filter(([, owner]) => owner === clock).map(([timer]) => timer.due)),
    clock({ rate = 1, offsetMs = 0 } = {}) {
      const clock: TestClock = {
        monotonic: () => now * rate,
        wall: () => epoch + offsetMs + now * rate,
        after(milliseconds, call) {
          const timer = { due: now + Math.max(0, milliseconds) / rate, call, milliseconds };
          timers.set(timer, clock);
          return () => void timers.delete(timer);
        },
        waiting: () => [...timers].filter(([, owner]) => owner === clock).map(([timer]) => timer.milliseconds),
      };
      return clock;
    },
  };
}
