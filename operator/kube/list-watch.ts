/**
 * Keeps a store equal to a collection of an API server: list, watch from there, resume, and list again when the
 * server forgot too much. Runs until its signal is aborted, whatever the server does; asks at a bounded rate.
 */
import type { ApiClient, ApiFailure } from "./api-client.ts";
import { type Backoff, backoffDelay, defaultBackoff } from "./backoff.ts";
import { type Clock, pause } from "./clock.ts";
import { listPages, type Selection } from "./list-pages.ts";
import { type Change, createStore, type Store } from "./store.ts";
import { isExpired, type WatchEvent, watchOnce } from "./watch-stream.ts";

/** For metrics and the log; nothing depends on them. */
export type Observation =
  | { readonly kind: "listed"; readonly objects: number; readonly pages: number }
  | { readonly kind: "watching"; readonly resourceVersion: string }
  | { readonly kind: "watch-ended" }
  | { readonly kind: "expired"; readonly failure: ApiFailure }
  | {
      readonly kind: "failed";
      readonly during: "list" | "watch";
      readonly failure: ApiFailure;
      /** Failures in a row, and the wait that follows this one. */
      readonly failures: number;
      readonly waitMs: number;
    };

export interface ListWatchTuning {
  readonly backoff: Backoff;
  readonly pageSize: number;
  /** Of one page of a list, and of a watch's headers. */
  readonly deadlineMs: number;
  /** A watch is asked to last between this and twice as long, so that many do not end together. */
  readonly watchSeconds: number;
  /** A watch on which nothing arrives for so long is dead: servers send a bookmark about every minute. */
  readonly idleMs: number;
  /** A watch that lasted this long was healthy, even if nothing happened. */
  readonly healthyMs: number;
  /** After so many failures in a row a watch is given up for a new list: its resourceVersion may be the reason. */
  readonly failuresBeforeList: number;
}

export const defaultTuning: ListWatchTuning = {
  backoff: defaultBackoff,
  pageSize: 500,
  deadlineMs: 60_000,
  watchSeconds: 300,
  idleMs: 150_000,
  healthyMs: 5_000,
  failuresBeforeList: 8,
};

export interface ListWatchOptions {
  readonly api: ApiClient;
  readonly selection: Selection;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly signal: AbortSignal;
  /** Called once for every change, in order, after the store has it. An exception is a bug: it ends `done`. */
  readonly onChange: (change: Change) => void;
  readonly onObservation?: (observation: Observation) => void;
  readonly tuning?: Partial<ListWatchTuning>;
}

export interface ListWatch {
  readonly store: Store;
  /** After the first list, all of its changes handed on; `stopped` when the signal came first. */
  readonly synced: Promise<"synced" | "stopped">;
  /** Whether the store shows a state of this resourceVersion, or a later one. */
  readonly hasReached: (version: string) => boolean;
  /** Lists again now, and resolves like `synced`: what the store holds then is not older than this call. */
  readonly refresh: () => Promise<"synced" | "stopped">;
  /** Resolves after everything ended. */
  readonly done: Promise<void>;
}

export function startListWatch(options: ListWatchOptions): ListWatch {
  const { api, selection, clock, random, signal, onChange, onObservation = () => {} } = options;
  const tuning = { ...defaultTuning, ...options.tuning };
  const store = createStore();
  const first = Promise.withResolvers<"synced" | "stopped">();
  let waiting: PromiseWithResolvers<"synced" | "stopped">[] = [first];
  /** Ends the current request or wait because a list is wanted. */
  let interrupt = new AbortController();
  /** Where the watch goes on; undefined: a list is needed. */
  let position: string | undefined;
  let failures = 0;
  let failuresHere = 0;
  /** The server forgot a list between its pages: the next comes in one piece. */
  let inOnePiece = false;
  /** Shrinks while pages are larger than the client takes. */
  let pageSize = tuning.pageSize;

  const emit = (changes: readonly Change[]) => changes.forEach(onChange);

  async function fail(during: "list" | "watch", failure: ApiFailure): Promise<void> {
    failures++;
    const waitMs = backoffDelay(tuning.backoff, failures, random, failure.retryAfterMs);
    onObservation({ kind: "failed", during, failure, failures, waitMs });
    await pause(clock, waitMs, eitherSignal());
  }

  const eitherSignal = () => AbortSignal.any([signal, interrupt.signal]);

  async function list(): Promise<void> {
    // Whoever asks from here on may have seen something newer than what this list will say.
    const asked = waiting;
    waiting = [];
    interrupt = new AbortController();
    const { deadlineMs } = tuning;
    const listed = await listPages({ api, selection, pageSize: inOnePiece ? 0 : pageSize, deadlineMs, signal });
    if (listed.kind === "failed") {
      waiting = [...asked, ...waiting];
      if (signal.aborted) return;
      if (listed.failure.kind === "too-large" && !inOnePiece) pageSize = Math.max(1, Math.floor(pageSize / 2));
      // Only for one attempt: what is too much in one piece comes in pages again.
      inOnePiece = isExpired(listed.failure);
      // A refresh does not cut this wait short: whoever asks is waiting for the server to recover, too.
      interrupt = new AbortController();
      return fail("list", listed.failure);
    }
    inOnePiece = false;
    failuresHere = 0;
    position = waiting.length > 0 ? undefined : listed.resourceVersion;
    emit(store.replace(listed.objects));
    onObservation({ kind: "listed", objects: store.size(), pages: listed.pages });
    for (const one of asked) one.resolve("synced");
  }

  async function watch(from: string): Promise<void> {
    const startedAt = clock.monotonic();
    onObservation({ kind: "watching", resourceVersion: from });
    const end = await watchOnce({
      api,
      selection,
      resourceVersion: from,
      serverTimeoutSeconds: Math.round(tuning.watchSeconds * (1 + random())),
      idleMs: tuning.idleMs,
      deadlineMs: tuning.deadlineMs,
      signal: eitherSignal(),
      onEvent: apply,
    });
    if (signal.aborted || interrupt.signal.aborted) return;
    const healthy = position !== from || clock.monotonic() - startedAt >= tuning.healthyMs;
    if (healthy) {
      failures = 0;
      failuresHere = 0;
    }
    switch (end.kind) {
      case "ended":
        onObservation({ kind: "watch-ended" });
        // A server that ends every watch at once must not be asked in a hot loop.
        if (!healthy) await failHere({ ...nothing, message: "the watch ended at once" });
        return;
      case "expired":
        position = undefined;
        onObservation({ kind: "expired", failure: end.failure });
        // The list comes at once the first time; a server that forgets while it is being asked is given time.
        failures++;
        if (failures > 1) await pause(clock, backoffDelay(tuning.backoff, failures - 1, random), eitherSignal());
        return;
      case "failed":
        return failHere(end.failure);
    }
  }

  async function failHere(failure: ApiFailure): Promise<void> {
    failuresHere++;
    if (failuresHere >= tuning.failuresBeforeList) position = undefined;
    await fail("watch", failure);
  }

  function apply(event: WatchEvent): void {
    // Requests that were aborted may still deliver what had arrived.
    if (signal.aborted || position === undefined) return;
    const version = event.kind === "bookmark" ? event.resourceVersion : event.object.metadata.resourceVersion;
    // Servers repeat events after a reconnect; a state older than the stream's position is history.
    if (version === position || isOlder(version, position)) return;
    position = version;
    if (event.kind === "bookmark") return;
    emit(event.kind === "gone" ? store.remove(event.object) : store.put(event.object));
  }

  async function run(): Promise<void> {
    while (!signal.aborted) await (position === undefined ? list() : watch(position));
  }

  const done = run().finally(() => {
    for (const one of waiting) one.resolve("stopped");
    waiting = [];
  });

  return {
    store,
    synced: first.promise,
    done,
    hasReached: (version) => position !== undefined && !isOlder(position, version),
    refresh() {
      if (signal.aborted) return Promise.resolve("stopped");
      const asked = Promise.withResolvers<"synced" | "stopped">();
      waiting.push(asked);
      position = undefined;
      interrupt.abort();
      return asked.promise;
    },
  };
}

const nothing = { kind: "malformed", status: 0, reason: "", causes: [], retryAfterMs: 0 } as const;

/**
 * Whether a resourceVersion precedes another of the same collection. They are decimal numbers that grow wherever
 * etcd is behind them (a promise of the API since 1.35); elsewhere nothing is known to be older.
 */
export function isOlder(version: string, than: string): boolean {
  const decimal = /^[1-9][0-9]{0,38}$/;
  if (!decimal.test(version) || !decimal.test(than)) return false;
  return version.length === than.length ? version < than : version.length < than.length;
}
