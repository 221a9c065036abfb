/** Links that are slower than the timeouts, now here, now there: views are nullified by some and notarized by others. */
import { createArena } from "../arena.ts";
import type { Scenario } from "../violation.ts";

export const slowLinks: Scenario = {
  name: "slow-links",
  async run(seed) {
    const arena = createArena({ seed });
    const { swarm } = arena;
    const { random } = swarm.world;
    await swarm.startAll();
    const ids = Array.from({ length: 30 }, (_, i) => `m${i}`);
    for (const [i, id] of ids.entries()) {
      arena.pay(id, i % 4);
      const slow = Math.floor(random() * 4);
      for (const from of swarm.nodes) {
        const to = swarm.nodes[slow];
        if (to && from !== to) swarm.network.link(from.name, to.name, { delay: [1, random() < 0.5 ? 3 : 900] });
      }
      await arena.runFor(600 * random());
    }
    swarm.network.heal();
    await arena.settled(ids, 60_000, "liveness");
  },
};
