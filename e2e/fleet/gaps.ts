/** When a validator's final and settled heights grew: the source of the commit gap and the settlement gap. */
import type { Fleet } from "../../operator/embedded/fleet.ts";

export interface Gaps {
  /** Longest time between two growths, ms, from `start` to now; the last growth to now counts. */
  commit(): number;
  settlement(): number;
  stop(): void;
}

/** Follows the highest heights that any of these seats reports; absent: any seat. */
export function watchGaps(fleet: Fleet, seats?: readonly string[]): Gaps {
  const start = performance.now();
  const grown = { commit: { height: 0, at: start, longest: 0 }, settlement: { height: 0, at: start, longest: 0 } };
  const grow = (which: { height: number; at: number; longest: number }, height: number) => {
    if (height <= which.height) return;
    const now = performance.now();
    which.longest = Math.max(which.longest, now - which.at);
    which.height = height;
    which.at = now;
  };
  const stop = fleet.view.state.watch((event) => {
    if (
      event.kind !== "seat" ||
      !event.view.reachable ||
      !event.view.status ||
      (seats && !seats.includes(event.view.seat.name))
    )
      return;
    grow(grown.commit, event.view.status.finalizedHeight);
    grow(grown.settlement, event.view.status.settledHeight);
  });
  const longest = (which: { at: number; longest: number }) =>
    Math.round(Math.max(which.longest, performance.now() - which.at));
  return { commit: () => longest(grown.commit), settlement: () => longest(grown.settlement), stop };
}
