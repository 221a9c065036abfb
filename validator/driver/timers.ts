/** The core's three timers over the clock port: setting one again replaces it. */
import type { Timer, View } from "../consensus/types.ts";
import type { Clock } from "./ports.ts";

export interface Timers {
  set(timer: Timer, view: View, milliseconds: number): void;
  clear(timer: Timer): void;
  clearAll(): void;
}

export function createTimers(clock: Clock, fired: (timer: Timer, view: View) => void): Timers {
  const running = new Map<Timer, () => void>();
  const clear = (timer: Timer) => {
    running.get(timer)?.();
    running.delete(timer);
  };
  return {
    clear,
    set(timer, view, milliseconds) {
      clear(timer);
      const cancel = clock.after(milliseconds, () => {
        running.delete(timer);
        fired(timer, view);
      });
      running.set(timer, cancel);
    },
    clearAll() {
      for (const timer of [...running.keys()]) clear(timer);
    },
  };
}
