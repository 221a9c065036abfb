/** Every process is killed at the moment a client hears that its message is accepted. The message settles all the same. */
import { createArena } from "../arena.ts";
import type { Scenario } from "../violation.ts";

export const allKilled: Scenario = {
  name: "all-killed",
  async run(seed) {
    const arena = createArena({ seed });
    const { swarm } = arena;
    const { random } = swarm.world;
    const everyone = [...swarm.nodes.keys()];
    for (let round = 0; round < 4; round++) {
      for (const node of swarm.nodes) node.syncDelay = 0;
      await swarm.startAll();
      await arena.runFor(1_000);
      for (const node of swarm.nodes) node.syncDelay = 5 + 40 * random();
      const sent = arena.pay(`m${round}`, round);
      await arena.until(() => sent.result?.kind === "accepted", 20_000, "liveness", "a message is accepted");
      if (random() < 0.5) await arena.runFor(10 * random());
      for (const i of everyone) swarm.crash(i);
    }
    for (const node of swarm.nodes) node.syncDelay = 0;
    await swarm.startAll();
    await arena.settled(["m0", "m1", "m2", "m3"], 60_000, "acknowledged is kept");
  },
};
