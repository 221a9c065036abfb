/**
 * Notices a wall clock that was stepped. Times in blocks come from it, so a validator whose clock moved by more than
 * `maxClockDrift` stops voting until the clock is back, the chain's own times agree with the new reading, or nothing
 * has contradicted it for a while (a suspended machine wakes up with all of its validators at once).
 */
import type { Time } from "../consensus/types.ts";
import type { Clock } from "./ports.ts";

export interface ClockGuard {
  /** "" while the clock is to be trusted, else a sentence. */
  readonly fault: string;
  /** A block that others made became final: its time says what they think it is. */
  observeBlockTime(time: number): void;
  stop(): void;
}

export interface ClockGuardOptions {
  readonly clock: Clock;
  readonly maxClockDrift: () => number;
  readonly onChange: (fault: string) => void;
}

const sampleMs = 250;
/** How long a reading has to go uncontradicted before it is taken. */
const settleMs = 10_000;

export function createClockGuard({ clock, maxClockDrift, onChange }: ClockGuardOptions): ClockGuard {
  const offsetOf = ({ wall, monotonic }: Time) => wall - monotonic;
  let trusted = offsetOf(clock.now());
  let fault = "";
  let steppedAt = 0;
  let stepped = trusted;
  /** Block time minus monotonic time at the newest block since the step. */
  let chain: number | undefined;
  let cancel = () => {};

  function set(next: string): void {
    if (next === fault) return;
    fault = next;
    onChange(fault);
  }

  function sample(): void {
    cancel = clock.after(sampleMs, sample);
    const now = clock.now();
    const offset = offsetOf(now);
    const drift = maxClockDrift();
    if (fault === "") {
      // Slow correction is what a time service does; only a jump between two samples is a step.
      if (Math.abs(offset - trusted) <= drift) {
        trusted = offset;
        return;
      }
      stepped = offset;
      steppedAt = now.monotonic;
      chain = undefined;
      set(`the wall clock stepped by ${Math.round(offset - trusted)} ms`);
      return;
    }
    if (Math.abs(offset - stepped) > drift) {
      stepped = offset;
      steppedAt = now.monotonic;
      chain = undefined;
    }
    const back = Math.abs(offset - trusted) <= drift;
    const agrees = chain !== undefined && Math.abs(offset - chain) <= drift;
    const uncontradicted = chain === undefined && now.monotonic - steppedAt >= settleMs;
    if (!back && !agrees && !uncontradicted) return;
    trusted = offset;
    set("");
  }
  cancel = clock.after(sampleMs, sample);

  return {
    get fault() {
      return fault;
    },
    observeBlockTime(time) {
      chain = time - clock.now().monotonic;
    },
    stop: () => cancel(),
  };
}
