/** Sends messages and follows each to its settlement. */
import type { PreparedMessage } from "./messages.ts";
import type { SwarmTarget } from "./protocol.ts";
import { createSubmitter } from "./submitter.ts";
import { startWatch } from "./watch.ts";

/** A message under way, times in ms of `performance.now()`; -1: not yet. */
export interface Flight {
  /** Of its message, as `PreparedMessage` says. The body is not kept: a long run has many. */
  readonly key: string;
  readonly payments: number;
  readonly intended: number;
  accepted: number;
  final: number;
  settled: number;
  /** Of its block; 0 until it settled. */
  height: number;
}

export interface Engine {
  /** Submits now; `done` runs at settlement. */
  readonly send: (message: PreparedMessage, intended: number, done?: (flight: Flight) => void) => Flight;
  /** Sent and not settled. */
  readonly underway: () => number;
  readonly retries: () => number;
  readonly rejected: () => number;
  /** After the last message came: the times of those flights whose times were guesses so far. */
  readonly resolve: (flights: readonly Flight[]) => Promise<void>;
  readonly close: () => void;
}

export interface EngineOptions {
  readonly target: SwarmTarget;
  readonly watch: number;
  readonly finality: boolean;
  /** A refusal is an error of the benchmark. */
  readonly refused: (reason: string) => void;
}

/** A message that leaves now. */
export function takeOff({ key, payments }: PreparedMessage, intended: number): Flight {
  return { key, payments, intended, accepted: -1, final: -1, settled: -1, height: 0 };
}

export function createEngine({ target, watch, finality, refused }: EngineOptions): Engine {
  const submitters = target.urls.map(createSubmitter);
  const flights = new Map<string, { readonly flight: Flight; readonly done: ((flight: Flight) => void) | undefined }>();
  const finalTimes = new Map<number, number>();
  let finalHeight = 0;
  let turn = 0;
  let retries = 0;
  let rejected = 0;

  const watcher = startWatch(target.urls.slice(0, watch), target.settledBy, finality, {
    settled(key, height, refusedPayments) {
      const entry = flights.get(key);
      if (entry === undefined) return;
      flights.delete(key);
      const { flight, done } = entry;
      flight.settled = performance.now();
      flight.height = height;
      flight.final = finalTimes.get(height) ?? -1;
      rejected += refusedPayments;
      done?.(flight);
    },
    final(height) {
      const now = performance.now();
      for (let at = finalHeight + 1; at <= height; at++) finalTimes.set(at, now);
      finalHeight = height;
    },
  });

  const attempt = (flight: Flight, body: Uint8Array, to: number): void => {
    submitters[to % submitters.length]?.submit(body, (answer) => {
      switch (answer.kind) {
        case "accepted":
          flight.accepted = performance.now();
          return;
        case "refused":
          return refused(answer.reason);
        case "later":
          retries += 1;
          setTimeout(() => attempt(flight, body, to + 1), answer.afterMs);
      }
    });
  };

  return {
    send(message, intended, done) {
      const flight = takeOff(message, intended);
      flights.set(message.key, { flight, done });
      attempt(flight, message.body, turn++);
      return flight;
    },
    underway: () => flights.size,
    retries: () => retries,
    rejected: () => rejected,
    async resolve(all) {
      for (const flight of all) {
        // What settled was final before, even when a status said so later: statuses are sampled.
        const seen = finalTimes.get(flight.height) ?? -1;
        flight.final = seen < 0 || flight.settled < 0 ? seen : Math.min(seen, flight.settled);
      }
    },
    close() {
      watcher.close();
      for (const submitter of submitters) submitter.close();
    },
  };
}
