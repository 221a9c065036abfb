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
  /** Forgets what waits and gives up the block under way; takes nothing more until `resume`. For when the ledger is replaced. */
  abandon(): Promise<void>;
  /** Goes on with these blocks on the new ledger. */
  resume(blocks: readonly Block[]): void;
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
  /** Called after each batch. */
  readonly applied: (stored: StoredBatch) => void;
  /** Called with each block's results, whatever it was executed for. */
  readonly ended: readonly ((result: ExecutedBlock) => void)[];
  /** Called after each queued block, before the next begins. */
  readonly executed: (block: Block, result: ExecutedBlock) => Promise<void>;
  readonly onFatal: (error: unknown) => void;
}

const given = Symbol("abandoned");

export function createExecutor(options: ExecutorOptions): Executor {
  const { clock, batches, fetching, guard, ledger, chain, observe } = options;
  let queue: Block[] = [];
  let stopped = false;
  let paused = false;
  let running: Promise<void> | undefined;
  let abandon = () => {};
  let abandoned = new Promise<typeof given>((resolve) => {
    abandon = () => resolve(given);
  });

  /** A final block's batch: a quorum vouched for it, so that it comes, sooner or later. Undefined when abandoned. */
  async function load(reference: Block["body"]["batches"][number]): Promise<StoredBatch | undefined> {
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
      if ((await Promise.race([batches.whenHeld(reference.digest), abandoned])) === given) return undefined;
    }
  }

  async function execute(block: Block): Promise<ExecutedBlock | undefined> {
    const machine = ledger();
    machine.begin(block);
    for (const reference of block.body.batches) {
      const stored = await load(reference);
      if (!stored) return undefined;
      measured(clock, observe, "execute", () =>
        machine.apply(stored.batch.bytes, (i) => isAuthentic(stored, i, chain())),
      );
      options.applied(stored);
      await clock.yield();
    }
    const result = measured(clock, observe, "root", () => machine.end());
    for (const hear of options.ended) hear(result);
    return result;
  }

  async function run(): Promise<void> {
    for (let block = queue.shift(); block !== undefined && !stopped; block = queue.shift()) {
      const result = await execute(block);
      // Stopped meanwhile: nobody is told any more.
      if (!result || stopped) return;
      await options.executed(block, result);
    }
  }

  function start(blocks: readonly Block[]): void {
    queue.push(...blocks);
    running ??= run()
      .catch(options.onFatal)
      .finally(() => {
        running = undefined;
      });
  }

  return {
    get backlog() {
      return queue.length;
    },
    enqueue(block) {
      if (!paused && !stopped) start([block]);
    },
    resume(blocks) {
      paused = false;
      if (!stopped) start(blocks);
    },
    async execute(block) {
      const result = await execute(block);
      if (!result) throw new Error("nothing is abandoned during the replay");
      return result;
    },
    async abandon() {
      paused = true;
      queue = [];
      abandon();
      await running;
      abandoned = new Promise((resolve) => {
        abandon = () => resolve(given);
      });
    },
    stop() {
      stopped = true;
      queue = [];
    },
  };
}
