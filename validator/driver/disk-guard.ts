/**
 * Stands between the driver and its volume: a fault stops voting at once, is named, and is probed with backoff until
 * the volume works again; what was to be made durable meanwhile waits, and is neither lost nor signed.
 */
import { type Entry, StorageFaultError, type Store } from "../storage/types.ts";
import type { Clock } from "./ports.ts";
import type { Observer } from "./services.ts";

export interface DiskGuard {
  readonly healthy: boolean;
  /** Names what and where while unhealthy, e.g. `no-space: votes.log`; "" while healthy. */
  readonly fault: string;
  /** Resolves once the entries are durable, however long the volume is away. Entries of earlier calls are in the log before. */
  persist(entries: readonly Entry[]): Promise<void>;
  /** Resolves at once while healthy, else when it is again. */
  whenHealthy(): Promise<void>;
  /** A read or an append failed: true when the error was the volume's and has been taken care of. */
  report(error: unknown): boolean;
  stop(): void;
}

export interface DiskGuardOptions {
  readonly store: Pick<Store, "persist" | "probe" | "checkVolume">;
  readonly clock: Clock;
  readonly observe: Observer;
  readonly onChange: (healthy: boolean, fault: string) => void;
}

const firstProbeMs = 100;
const longestProbeMs = 5_000;
const pollMs = 1_000;

export function createDiskGuard({ store, clock, observe, onChange }: DiskGuardOptions): DiskGuard {
  let fault = "";
  let stopped = false;
  let waiting: (() => void)[] = [];
  let cancelPoll = () => {};

  function fail(reason: string): void {
    if (fault !== "" || stopped) return;
    fault = reason;
    observe({ kind: "disk", healthy: false, fault });
    onChange(false, fault);
    clock.after(firstProbeMs, () => void probe(firstProbeMs));
  }

  async function probe(delay: number): Promise<void> {
    if (stopped) return;
    if (await store.probe()) {
      fault = "";
      observe({ kind: "disk", healthy: true, fault });
      onChange(true, fault);
      const resume = waiting;
      waiting = [];
      for (const go of resume) go();
      return;
    }
    const next = Math.min(2 * delay, longestProbeMs);
    clock.after(next, () => void probe(next));
  }

  function report(error: unknown): boolean {
    if (!(error instanceof StorageFaultError)) return stopped;
    fail(`${error.fault.kind}: ${error.fault.path}`);
    return true;
  }

  function whenHealthy(): Promise<void> {
    // A process that is ending makes nothing durable any more, and goes on with nothing that waits for it.
    return fault === "" && !stopped ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve));
  }

  async function persist(entries: readonly Entry[]): Promise<void> {
    for (;;) {
      if (fault !== "" || stopped) await whenHealthy();
      const started = clock.now().monotonic;
      try {
        await store.persist(entries);
        observe({ kind: "stage", stage: "persist", microseconds: (clock.now().monotonic - started) * 1000 });
        return;
      } catch (error) {
        if (!report(error)) throw error;
      }
    }
  }

  function poll(): void {
    if (stopped) return;
    const found = fault === "" ? store.checkVolume() : undefined;
    if (found) fail(`${found.kind}: ${found.path}`);
    cancelPoll = clock.after(pollMs, poll);
  }
  cancelPoll = clock.after(pollMs, poll);

  return {
    get healthy() {
      return fault === "";
    },
    get fault() {
      return fault;
    },
    persist,
    whenHealthy,
    report,
    stop() {
      stopped = true;
      cancelPoll();
    },
  };
}
