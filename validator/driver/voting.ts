/** What may stop this validator from signing beside the core's own rules: the volume, the clock, a state that diverged. The core knows one gate. */
import type { Store } from "../storage/types.ts";
import { type ClockGuard, createClockGuard } from "./clock-guard.ts";
import { createDiskGuard, type DiskGuard } from "./disk-guard.ts";
import type { Clock } from "./ports.ts";
import type { Observer } from "./services.ts";
import { createShadow, type Shadow } from "./shadow.ts";

export interface Voting {
  readonly guard: DiskGuard;
  readonly clockGuard: ClockGuard;
  readonly allowed: boolean;
  /** Volume or clock, a sentence; "" when neither. */
  readonly fault: string;
  /** Own execution computed another root than a final header names: for good. */
  readonly diverged: boolean;
  readonly shadow: Shadow;
}

export interface VotingOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly observe: Observer;
  readonly maxClockDrift: () => number;
  /** Called once, before voting ends: nothing more may be executed. */
  readonly diverged: () => void;
  /** Called when it changes. */
  readonly onChange: (allowed: boolean) => void;
}

export function createVoting({ clock, store, observe, maxClockDrift, diverged, onChange }: VotingOptions): Voting {
  let voting = true;
  const shadow = createShadow(({ height, expected, computed }) => {
    diverged();
    observe({ kind: "quarantined", height, own: computed, certified: expected });
    look("quarantined: a final block names another state root");
  });
  const allowed = () => guard.healthy && clockGuard.fault === "" && !shadow.state.mismatch;
  function look(reason: string): void {
    const now = allowed();
    if (now === voting) return;
    voting = now;
    observe({ kind: "voting", allowed: now, reason: now ? "" : reason });
    onChange(now);
  }
  const guard = createDiskGuard({ store, clock, observe, onChange: (_, fault) => look(`the volume failed: ${fault}`) });
  const clockGuard = createClockGuard({ clock, maxClockDrift, onChange: look });
  return {
    guard,
    clockGuard,
    get allowed() {
      return allowed();
    },
    get fault() {
      return guard.fault !== "" ? `the volume failed: ${guard.fault}` : clockGuard.fault;
    },
    get diverged() {
      return shadow.state.mismatch !== undefined;
    },
    shadow,
  };
}
