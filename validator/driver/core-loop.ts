/** The one queue in front of the pure core: an input is taken in, its effects are performed in order, then the next. */
import type { State } from "../consensus/state.ts";
import { step } from "../consensus/step.ts";
import type { Effect, Input } from "../consensus/types.ts";
import type { Clock } from "./ports.ts";
import type { Observer } from "./services.ts";

export interface CoreLoop {
  readonly state: State;
  /** Takes the input now, or after the one under way. */
  feed(input: Input): void;
  /** Another epoch, or another point of the chain: inputs that wait meet the new state, which ignores what is not its own. */
  replace(state: State): void;
  /** Nothing is taken any more. */
  stop(): void;
}

export interface CoreLoopOptions {
  readonly clock: Clock;
  readonly initial: State;
  readonly perform: (effect: Effect) => void;
  readonly observe: Observer;
  /** The core met a contradiction that only more than F faulty power can make, or a bug: the process must end. */
  readonly onFatal: (error: unknown) => void;
}

export function createCoreLoop({ clock, initial, perform, observe, onFatal }: CoreLoopOptions): CoreLoop {
  let state = initial;
  let stopped = false;
  let running = false;
  let queue: Input[] = [];

  function run(): void {
    running = true;
    try {
      for (let i = 0; i < queue.length && !stopped; i++) {
        const started = clock.now();
        const result = step(state, queue[i] as Input, started);
        state = result.state;
        const microseconds = (clock.now().monotonic - started.monotonic) * 1000;
        observe({ kind: "stage", stage: "step", microseconds });
        for (const effect of result.effects) perform(effect);
      }
    } catch (error) {
      stopped = true;
      onFatal(error);
    } finally {
      queue = [];
      running = false;
    }
  }

  return {
    get state() {
      return state;
    },
    feed(input) {
      if (stopped) return;
      queue.push(input);
      if (!running) run();
    },
    replace(next) {
      state = next;
    },
    stop() {
      stopped = true;
    },
  };
}
