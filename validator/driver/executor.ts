/** Final blocks into the ledger, in order, off the voting path: between two batches everything else gets a turn. */
import type { Block } from "../consensus/types.ts";
import type { ExecutedBlock, Ledger } from "../ledger/types.ts";
import { isAuthentic } from "./authenticity.ts";
import type { Batches, StoredBatch } from "./batches.ts";
import type { ChainView } from "./chain-view.ts";
import type { DiskGuard } from "./disk-guard.ts";
import type { Fetching } from "./fetching.ts";
import { measured } from "./measure.ts";
import type { Clock } from "./ports.ts";
import type { Observer } from "./services.ts";

export interface Executor {
  /** Final blocks that wait. */
  readonly backlog: number;
  enqueue(block: Block): void;
  /** Executes one block now: for the replay after a start. */
  execute(block: Block): Promise<ExecutedBlock>;
  /** Forgets what waits; a block under way is finished first. */
  clear(): Promise<void>;
  stop(): void;
}

export interface ExecutorOptions {
  readonly clock: Clock;
  readonly batches: Batches;
  readonly fetching: Fetching;
  readonly guard: DiskGuard;
  readonly ledger: () => Ledger;
  readonly chain: () => ChainView;
  readonly observe: Observer;
  /** Called after each queued block, before the next begins. */
  readonly executed: (block: Block, result: ExecutedBlock) => Promise<void>;
  readonly onFatal: (error: unknown) => void;
}

export function createExecutor(options: ExecutorOptions): Executor {
  const { clock, batches, fetching, guard, ledger, chain, observe } = options;
  let queue: Block[] = [];
  let stopped = false;
  let running: Promise<void> | undefined;

  /** A final block's batch: a quorum vouched for it, so that it comes, sooner or later. */
  async function load(reference: Block["body"]["batches"][number]): Promise<StoredBatch> {
    for (;;) {
      try {
        const stored = await batches.load(reference.digest);
        if (stored) return stored;
      } catch (error) {
        if (!guard.report(error)) throw error;
        await guard.whenHealthy();
        continue;
      }
      fetching.fetch([reference], []);
      await batches.whenHeld(reference.digest);
    }
  }

  async function execute(block: Block): Promise<ExecutedBlock> {
    const machine = ledger();
    machine.begin(block);
    for (const reference of block.body.batches) {
      const stored = await load(reference);
      measured(clock, observe, "execute", () =>
        machine.apply(stored.batch.bytes, (i) => isAuthentic(stored, i, chain())),
      );
      await clock.yield();
    }
    return measured(clock, observe, "root", () => machine.end());
  }

  async function run(): Promise<void> {
    for (let block = queue.shift(); block !== undefined && !stopped; block = queue.shift()) {
      const result = await execute(block);
      await options.executed(block, result);
    }
  }

  return {
    get backlog() {
      return queue.length;
    },
    enqueue(block) {
      queue.push(block);
      running ??= run()
        .catch(options.onFatal)
        .finally(() => {
          running = undefined;
        });
    },
    execute,
    async clear() {
      queue = [];
      await running;
    },
    stop() {
      stopped = true;
      queue = [];
    },
  };
}
