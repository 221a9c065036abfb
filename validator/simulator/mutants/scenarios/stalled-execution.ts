/**
 * Execution stands still on every member, under load. Finality goes on with blocks that carry no payments, far beyond
 * the bound on how much roots may lag, and not so many that execution could never catch up; when it goes on, everything
 * settles (consensus.md, Execution).
 */
import { createArena } from "../arena.ts";
import { type Scenario, Violation } from "../violation.ts";

const lag = 4;
/** Most empty blocks a second: a third of the least timeout from one to the next is 20. */
const mostBlocks = 40;

export const stalledExecution: Scenario = {
  name: "stalled-execution",
  async run(seed) {
    const arena = createArena({ seed, parameters: { maxExecutionLag: lag } });
    const { swarm } = arena;
    const { random } = swarm.world;
    await swarm.startAll();
    await arena.runFor(1_000 + 2_000 * random());
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    let stalled = false;
    // Between two batches execution yields to everything else: here, until the gate opens.
    for (const { clock } of swarm.nodes)
      clock.yield = () => (stalled ? gate : new Promise((resolve) => swarm.world.schedule(0, resolve)));
    const heights = () => arena.correct.map((i) => swarm.driver(i).services.status().finalizedHeight);
    const [before, began] = [Math.max(...heights()), swarm.world.now()];
    const ids = Array.from({ length: 20 }, (_, i) => `m${i}`);
    for (const [i, id] of ids.entries()) {
      // Sealing a batch yields too, at once.
      stalled = false;
      arena.pay(id, i % 4);
      await arena.runFor(0);
      stalled = true;
      await arena.runFor(200 * random());
      const [blocks, seconds] = [Math.max(...heights()) - before, (swarm.world.now() - began) / 1_000];
      if (blocks > ids.length + mostBlocks * seconds)
        throw new Violation("back-pressure", `${blocks} blocks in ${seconds.toFixed(1)} s while nobody executes`);
    }
    const goal = Math.max(...heights()) + 3 * lag + 10;
    await arena.until(
      () => heights().every((height) => height >= goal),
      120_000,
      "finality without execution",
      `every member finalizes block ${goal} while nobody executes`,
    );
    if (arena.correct.some((i) => swarm.driver(i).services.status().executedHeight > goal - 2 * lag))
      throw new Error("execution did not stand still");
    stalled = false;
    open();
    await arena.settled(ids, 60_000, "liveness");
  },
};
