/** The swarm falls into two halves, both under load. Neither may commit; together again they go on. */
import { createArena } from "../arena.ts";
import type { Scenario } from "../violation.ts";

export const halves: Scenario = {
  name: "halves",
  async run(seed) {
    const arena = createArena({ seed });
    const { swarm } = arena;
    await swarm.startAll();
    await arena.runFor(1_000);
    const names = swarm.nodes.map(({ name }) => name);
    swarm.network.partition([names.slice(0, 2), names.slice(2)]);
    const ids = Array.from({ length: 10 }, (_, i) => `m${i}`);
    for (const [i, id] of ids.entries()) {
      arena.pay(id, i % 4);
      await arena.runFor(2_000 * swarm.world.random());
    }
    swarm.network.heal();
    await arena.settled(ids, 60_000, "liveness");
  },
};
