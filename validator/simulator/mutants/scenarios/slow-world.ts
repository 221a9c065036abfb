/** Every message takes far longer than the first timeout: views have to grow until one is long enough (consensus.md, Vote topology). */
import { createArena } from "../arena.ts";
import type { Scenario } from "../violation.ts";

export const slowWorld: Scenario = {
  name: "slow-world",
  async run(seed) {
    const arena = createArena({ seed });
    const { swarm } = arena;
    for (const a of swarm.nodes)
      for (const b of swarm.nodes) if (a !== b) swarm.network.link(a.name, b.name, { delay: [2_500, 3_000] });
    await swarm.startAll();
    await arena.until(
      () => arena.correct.every((i) => swarm.driver(i).services.status().finalizedHeight >= 3),
      300_000,
      "liveness",
      "three blocks are final although a message takes 3 s",
    );
  },
};
