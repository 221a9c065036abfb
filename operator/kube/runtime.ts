/**
 * A controller: watches its kinds, keeps a queue of keys, and while it leads runs `reconcile` for each. Ends when its
 * signal is aborted, gracefully: what runs may finish within `graceMs`, then the lease is given back.
 */
import type { ApiClient } from "./api-client.ts";
import { createWriter, type Writer } from "./apply.ts";
import { aborted, type Clock, pause } from "./clock.ts";
import { createEventRecorder, type EventRecorder } from "./events.ts";
import { type ElectionEvent, type ElectionTimes, type Leadership, runElection } from "./leader-election.ts";
import type { ListWatchTuning, Observation } from "./list-watch.ts";
import type { Metrics } from "./metrics.ts";
import type { Kind, ObjectKey } from "./objects.ts";
import type { Scope } from "./scope.ts";
import { type Objects, startWatched, type WatchedKind } from "./watched.ts";
import { createWorkQueue, type Outcome, type QueueLimits, type WorkQueue } from "./work-queue.ts";

/** What a run may use. Everything it writes goes through `writer`, which stops with the leadership. */
export interface Run {
  readonly key: ObjectKey;
  readonly objects: Objects;
  readonly writer: Writer;
  readonly events: EventRecorder;
  /** Aborted when the process stops leading: end soon, begin nothing. */
  readonly signal: AbortSignal;
}

export interface ControllerOptions {
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly random: () => number;
  readonly scope: Scope;
  readonly kinds: readonly WatchedKind[];
  /** Level-triggered: called for a key, not for what happened. An exception is a bug and ends the controller. */
  readonly reconcile: (run: Run) => Promise<Outcome>;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
  /** Field manager and reporting controller, e.g. `validatorswarm.io/operator`. */
  readonly name: string;
  /** Of this process, never used before: holder of the lease. */
  readonly identity: string;
  readonly lease: { readonly namespace: string; readonly name: string; readonly times?: Partial<ElectionTimes> };
  readonly uniqueId: () => string;
  /** Objects worked on at a time. */
  readonly concurrency?: number;
  /** How long runs may go on after the signal. Below the pod's termination grace period. */
  readonly graceMs?: number;
  readonly tuning?: Partial<ListWatchTuning>;
  readonly limits?: Partial<QueueLimits>;
  readonly onObservation?: (observation: ControllerObservation) => void;
}

export type ControllerObservation =
  | { readonly about: "election"; readonly event: ElectionEvent }
  | { readonly about: "collection"; readonly kind: Kind; readonly observation: Observation };

/** `stuck`: work went on after the right to do it had ended; the process must exit, nothing else stops it. */
export type ControllerEnd = { readonly kind: "stopped" } | { readonly kind: "stuck" };

export interface Controller {
  readonly done: Promise<ControllerEnd>;
  /** Something outside the watched objects changed for this key. */
  readonly wake: (key: ObjectKey) => void;
  /** "" or why the process should be restarted. */
  readonly alive: () => string;
  /** "" or why it cannot lead yet. */
  readonly ready: () => string;
}

/** Every request has a deadline of less than a minute: what runs for so long is a bug that only a restart ends. */
const longestRunMs = 600_000;

/** Starts at once; `done` rejects with what `reconcile` threw. */
export function runController(options: ControllerOptions): Controller {
  const { api, clock, random, metrics, signal, concurrency = 4, graceMs = 20_000 } = options;
  const { onObservation = () => {} } = options;
  /** Ends the watches and the election: at shutdown after the runs, after a bug at once. */
  const halt = new AbortController();
  let fault = "";
  let term: { readonly leadership: Leadership; readonly writer: Writer } | undefined;

  const events = createEventRecorder({
    api,
    clock,
    signal: halt.signal,
    controller: options.name,
    instance: options.identity,
    uniqueId: options.uniqueId,
  });
  const queue = createWorkQueue({
    clock,
    concurrency,
    work: async (key, runSignal) => {
      // The queue runs only inside a term.
      if (!term) return { kind: "retry" };
      return options.reconcile({ key, objects: watched.objects, writer: term.writer, events, signal: runSignal });
    },
    ...(options.limits ? { limits: options.limits } : {}),
    onStarted: (_, waitedMs) => metrics.record("operator_queue_wait_seconds", {}, waitedMs / 1_000),
    onEnded: (_, outcome, tookMs) => {
      metrics.record("operator_reconcile_duration_seconds", { outcome: outcome.kind }, tookMs / 1_000);
      if (outcome.kind === "retry") metrics.count("operator_retries_total", {});
    },
  });
  const watched = startWatched({
    ...options,
    signal: halt.signal,
    // A term begins with every key there is: who does not lead has nothing to remember.
    onKey: (key) => term && queue.add(key),
    onObservation: (kind, observation) => {
      observeCollection(metrics, kind, observation);
      onObservation({ about: "collection", kind, observation });
    },
  });
  readBeforeScrape(metrics, queue, events, () => {
    for (const { kind } of options.kinds)
      metrics.set("operator_objects", { kind: kind.kind }, watched.objects.list(kind).length);
  });

  async function lead(leadership: Leadership): Promise<void> {
    const { signal: right } = leadership;
    // What was listed before the term may be older than the last leader's writes.
    const fresh = await Promise.race([watched.refresh(), aborted(right)]);
    if (fresh === "stopped" || right.aborted) return;
    const writer = createWriter({ api, fieldManager: options.name, signal: right, mayAct: leadership.mayAct });
    term = { leadership, writer };
    for (const key of watched.keys()) queue.add(key);
    queue.start();
    await aborted(right);
    const halted = queue.halt();
    term = undefined;
    await halted;
  }

  async function elect(): Promise<ControllerEnd> {
    if ((await watched.synced) === "stopped") return { kind: "stopped" };
    return runElection({
      api,
      clock,
      random,
      namespace: options.lease.namespace,
      name: options.lease.name,
      ...(options.lease.times ? { times: options.lease.times } : {}),
      identity: options.identity,
      signal: halt.signal,
      lead,
      onEvent: (event) => {
        observeElection(metrics, event);
        onObservation({ about: "election", event });
      },
    });
  }

  /** Lets runs finish, then ends the rest. */
  async function shutDown(): Promise<void> {
    await aborted(signal);
    const patience = new AbortController();
    await Promise.race([queue.drain().then(events.flush), pause(clock, graceMs, patience.signal)]);
    patience.abort();
    halt.abort();
  }

  async function run(): Promise<ControllerEnd> {
    const ending = shutDown();
    const election = elect();
    // The watches end first at a shutdown; the end that counts is the election's, after the lease was given back.
    const watching = watched.done.then(() => Promise.withResolvers<never>().promise);
    try {
      return await Promise.race([election, queue.failed, watching]);
    } catch (error) {
      fault = error instanceof Error ? error.message : String(error);
      throw error;
    } finally {
      halt.abort();
      await Promise.allSettled([election, watched.done, ...(signal.aborted ? [ending] : [])]);
      metrics.set("operator_leader", {}, 0);
    }
  }

  return {
    done: run(),
    wake: queue.add,
    alive: () => fault || (queue.longestMs() > longestRunMs ? `a run has not ended for ${longestRunMs / 1_000} s` : ""),
    ready: () => (watched.isSynced() ? "" : "the stores are being filled"),
  };
}

function readBeforeScrape(metrics: Metrics, queue: WorkQueue, events: EventRecorder, countObjects: () => void): void {
  let dropped = 0;
  metrics.beforeScrape(() => {
    metrics.set("operator_queue_depth", {}, queue.depth());
    metrics.set("operator_queue_running", {}, queue.running());
    metrics.set("operator_queue_delayed", {}, queue.delayed());
    metrics.set("operator_reconcile_longest_running_seconds", {}, queue.longestMs() / 1_000);
    metrics.count("operator_events_dropped_total", {}, events.dropped() - dropped);
    dropped = events.dropped();
    countObjects();
  });
}

function observeCollection(metrics: Metrics, { kind }: Kind, observation: Observation): void {
  switch (observation.kind) {
    case "listed":
      return metrics.count("operator_lists_total", { kind });
    case "watching":
      return;
    case "watch-ended":
      return metrics.count("operator_watch_restarts_total", { kind, why: "ended" });
    case "expired":
      return metrics.count("operator_watch_restarts_total", { kind, why: "expired" });
    case "failed":
      if (observation.during === "watch") metrics.count("operator_watch_restarts_total", { kind, why: "failed" });
      return metrics.count("operator_api_errors_total", {
        during: observation.during,
        error: observation.failure.kind,
      });
  }
}

function observeElection(metrics: Metrics, event: ElectionEvent): void {
  switch (event.kind) {
    case "leading":
      metrics.set("operator_leader", {}, 1);
      return metrics.count("operator_leader_terms_total", {});
    case "stopped":
      metrics.set("operator_leader", {}, 0);
      return metrics.count("operator_leader_lost_total", { why: event.why });
    case "following":
      return;
    case "failed":
      return metrics.count("operator_api_errors_total", { during: "election", error: event.failure.kind });
  }
}
