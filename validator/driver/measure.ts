import type { Clock } from "./ports.ts";
import type { Observer, Stage } from "./services.ts";

/** Runs the work and reports how long it took as the stage's. */
export function measured<T>(clock: Clock, observe: Observer, stage: Stage, work: () => T): T {
  const started = clock.now().monotonic;
  try {
    return work();
  } finally {
    observe({ kind: "stage", stage, microseconds: (clock.now().monotonic - started) * 1000 });
  }
}
