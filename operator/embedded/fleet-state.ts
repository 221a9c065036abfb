/** What the operator knows of its running processes, and those who hear of every change. */
import { createRootAgreement } from "./root-agreement.ts";
import type { SeatStatus } from "./seat-status.ts";
import type { Seat } from "./seats.ts";

/** What is known of a seat's process. */
export interface ProcessView {
  readonly kind: "running" | "backing-off" | "ended";
  readonly restarts: number;
}

/** One seat as it was last seen. */
export interface SeatView {
  readonly seat: Seat;
  readonly process: ProcessView | undefined;
  /** The newest report; kept when the validator cannot be reached. */
  readonly status: SeatStatus | undefined;
  readonly reachable: boolean;
  /** Why it cannot be reached, or is not ready; "" when all is well. */
  readonly trouble: string;
}

type FleetEvent =
  | { readonly kind: "seats" }
  | { readonly kind: "seat"; readonly view: SeatView }
  /** Two validators reported different roots at this height. */
  | { readonly kind: "diverged"; readonly height: number };

export interface FleetState {
  readonly seats: () => readonly SeatView[];
  readonly watch: (listener: (event: FleetEvent) => void) => () => void;
  /** Resolves as soon as it holds; looked at after every change, and now. Never rejects: race it. */
  readonly until: (holds: () => boolean) => Promise<void>;
  /** Newest height at which every seat reported the same root. */
  readonly agreedHeight: () => number;
  /** Lowest height at which two seats differ. */
  readonly divergedAt: () => number | undefined;
  readonly reported: (seat: string, status: SeatStatus) => void;
  readonly lost: (seat: string, reason: string) => void;
  readonly processChanged: (name: string, state: ProcessView) => void;
  /** Seats come and go, and change hands. What was known of those that stay, stays. */
  readonly setSeats: (seats: readonly Seat[]) => void;
}

export function createFleetState(seats: readonly Seat[]): FleetState {
  const unseen = { process: undefined, status: undefined, reachable: false, trouble: "starting" };
  const views = new Map<string, SeatView>(seats.map((seat) => [seat.name, { seat, ...unseen }]));
  const listeners = new Set<(event: FleetEvent) => void>();
  const agreement = createRootAgreement();
  let diverged: number | undefined;

  const tell = (event: FleetEvent) => {
    for (const listener of [...listeners]) listener(event);
  };
  const change = (name: string, part: Partial<SeatView>) => {
    const before = views.get(name);
    if (before === undefined) return;
    const view = { ...before, ...part };
    views.set(name, view);
    tell({ kind: "seat", view });
  };
  const watch: FleetState["watch"] = (listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };

  return {
    seats: () => [...views.values()],
    watch,
    until: (holds) => {
      if (holds()) return Promise.resolve();
      const { promise, resolve } = Promise.withResolvers<void>();
      const stop = watch(() => {
        if (!holds()) return;
        stop();
        resolve();
      });
      return promise;
    },
    agreedHeight: () => agreement.agreed([...views.keys()]),
    divergedAt: () => diverged,
    reported: (seat, status) => {
      // A validator that waits for its chain has no state yet.
      const contradiction =
        status.stateRoot === "" ? undefined : agreement.report(seat, status.executedHeight, status.stateRoot);
      change(seat, { status, reachable: true, trouble: status.notReady });
      if (contradiction === undefined || diverged !== undefined) return;
      diverged = contradiction;
      tell({ kind: "diverged", height: contradiction });
    },
    lost: (seat, reason) => change(seat, { reachable: false, trouble: reason }),
    processChanged: (name, state) => {
      const found = [...views.values()].find(({ seat }) => seat.identity === name);
      if (found) change(found.seat.name, { process: state, ...(state.kind === "running" ? {} : { reachable: false }) });
    },
    setSeats(wanted) {
      for (const name of [...views.keys()]) if (!wanted.some((seat) => seat.name === name)) views.delete(name);
      for (const seat of wanted) {
        const before = views.get(seat.name);
        const known = before?.seat.identity === seat.identity ? before : unseen;
        views.set(seat.name, { ...known, seat });
      }
      tell({ kind: "seats" });
    },
  };
}
