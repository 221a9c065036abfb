/**
 * Which key is worked on next. A key waits at most once however often it is added, is never worked on twice at a
 * time, and is worked on again when it was added meanwhile (as client-go's work queue does it). Failures of a key
 * wait longer each time; all of them together share one rate.
 */
import type { Clock } from "./clock.ts";
import { createTokenBucket, type Rate } from "./token-bucket.ts";

/** What became of one run for a key. */
export type Outcome =
  /** Nothing to do until the key is added again. Forgets its failures. */
  | { readonly kind: "done" }
  /** Went well; look again after this time at the latest. Forgets its failures. */
  | { readonly kind: "again"; readonly afterMs: number }
  /** Failed: try again, later each time; never before `atLeastMs`. */
  | { readonly kind: "retry"; readonly atLeastMs?: number };

export interface WorkQueueOptions {
  readonly clock: Clock;
  /** Keys worked on at a time. */
  readonly concurrency: number;
  /** An exception is a bug: it ends `failed`, and with it the program. The signal is aborted by `halt`. */
  readonly work: (key: string, signal: AbortSignal) => Promise<Outcome>;
  readonly limits?: Partial<QueueLimits>;
  readonly onStarted?: (key: string, waitedMs: number) => void;
  readonly onEnded?: (key: string, outcome: Outcome, tookMs: number) => void;
}

export interface QueueLimits {
  /** Wait after a key's first failure; doubles. */
  readonly initialMs: number;
  readonly maxMs: number;
  /** Of all retries together. */
  readonly retries: Rate;
}

export const defaultLimits: QueueLimits = {
  initialMs: 50,
  maxMs: 120_000,
  retries: { perSecond: 10, burst: 100 },
};

export interface WorkQueue {
  readonly add: (key: string) => void;
  /** The earliest of several wishes counts; `add` does not cancel it. */
  readonly addAfter: (key: string, milliseconds: number) => void;
  /** Starts, or starts again after `halt`. */
  readonly start: () => void;
  /**
   * Starts nothing more, aborts the signal of what runs and forgets every key; resolves when nothing runs any more.
   * Whoever starts again adds what there is then.
   */
  readonly halt: () => Promise<void>;
  /** Starts nothing more; resolves when what runs has ended by itself. Later adds are ignored. */
  readonly drain: () => Promise<void>;
  /** Keys ready to be worked on. */
  readonly depth: () => number;
  readonly running: () => number;
  /** How long the oldest run has been going on, in milliseconds; 0 when nothing runs. */
  readonly longestMs: () => number;
  /** Keys with a wish for later. */
  readonly delayed: () => number;
  /** Rejects with the first exception of `work`. Never resolves. */
  readonly failed: Promise<never>;
}

/** Bounds: a key is held once in each set, so memory follows the number of objects, not of events. */
export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  const { clock, concurrency, work, onStarted = () => {}, onEnded = () => {} } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const bucket = createTokenBucket(clock, limits.retries);
  /** Ready, in order, with the time each came. Disjoint from `processing`. */
  const ready = new Map<string, number>();
  /** With the time each run began. */
  const processing = new Map<string, number>();
  /** Added while processing: ready again afterwards. */
  const dirty = new Set<string>();
  const wishes = new Map<string, { readonly due: number; readonly cancel: () => void }>();
  const failures = new Map<string, number>();
  /** Keys whose retry has its share of the rate and has not come: who fails again meanwhile needs no second share. */
  const reserved = new Set<string>();
  const crash = Promise.withResolvers<never>();
  // An owner that does not look at `failed` gets an unhandled rejection instead: no exception is lost.
  let state: "stopped" | "started" | "draining" = "stopped";
  let runs = new AbortController();
  /** One for all who wait for the last run to end. */
  let idle: PromiseWithResolvers<void> | undefined;

  function add(key: string): void {
    if (state === "draining") return;
    if (processing.has(key)) dirty.add(key);
    else if (!ready.has(key)) ready.set(key, clock.monotonic());
    dispatch();
  }

  function addAfter(key: string, milliseconds: number): void {
    if (state === "draining") return;
    if (milliseconds <= 0) return add(key);
    const due = clock.monotonic() + milliseconds;
    const earlier = wishes.get(key);
    if (earlier && earlier.due <= due) return;
    earlier?.cancel();
    const cancel = clock.after(milliseconds, () => {
      wishes.delete(key);
      reserved.delete(key);
      add(key);
    });
    wishes.set(key, { due, cancel });
  }

  function dispatch(): void {
    for (const [key, since] of ready) {
      if (state !== "started" || processing.size >= concurrency) return;
      ready.delete(key);
      const now = clock.monotonic();
      processing.set(key, now);
      onStarted(key, now - since);
      run(key).catch(crash.reject);
    }
  }

  async function run(key: string): Promise<void> {
    const startedAt = clock.monotonic();
    const { signal } = runs;
    try {
      const outcome = await work(key, signal);
      onEnded(key, outcome, clock.monotonic() - startedAt);
      // What was cut short says nothing about the key.
      if (!signal.aborted) settle(key, outcome);
    } finally {
      processing.delete(key);
      if (dirty.delete(key)) ready.set(key, clock.monotonic());
      if (processing.size === 0) {
        idle?.resolve();
        idle = undefined;
      }
      dispatch();
    }
  }

  function settle(key: string, outcome: Outcome): void {
    if (outcome.kind !== "retry") reserved.delete(key);
    switch (outcome.kind) {
      case "done":
        return void failures.delete(key);
      case "again":
        failures.delete(key);
        return addAfter(key, outcome.afterMs);
      case "retry": {
        const count = (failures.get(key) ?? 0) + 1;
        failures.set(key, count);
        const own = Math.min(limits.maxMs, limits.initialMs * 2 ** Math.min(30, count - 1));
        if (reserved.has(key)) return;
        reserved.add(key);
        return addAfter(key, Math.max(own, bucket.reserve(), outcome.atLeastMs ?? 0));
      }
    }
  }

  /** Forgets all keys; resolves when the last run has ended. */
  function empty(): Promise<void> {
    for (const { cancel } of wishes.values()) cancel();
    wishes.clear();
    ready.clear();
    dirty.clear();
    failures.clear();
    reserved.clear();
    if (processing.size === 0) return Promise.resolve();
    idle ??= Promise.withResolvers<void>();
    return idle.promise;
  }

  return {
    add,
    addAfter,
    start() {
      if (state !== "stopped") return;
      state = "started";
      runs = new AbortController();
      dispatch();
    },
    halt() {
      if (state === "started") state = "stopped";
      runs.abort();
      return empty();
    },
    drain() {
      state = "draining";
      return empty();
    },
    depth: () => ready.size,
    running: () => processing.size,
    longestMs: () => {
      const [oldest] = processing.values();
      return oldest === undefined ? 0 : clock.monotonic() - oldest;
    },
    delayed: () => wishes.size,
    failed: crash.promise,
  };
}
