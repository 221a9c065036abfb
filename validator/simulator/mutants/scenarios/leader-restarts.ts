/** Leaders die with their proposal on its way to nobody, and come back in the same view: the same bytes, or none. */
import { createArena } from "../arena.ts";
import type { Scenario } from "../violation.ts";

export const leaderRestarts: Scenario = {
  name: "leader-restarts",
  async run(seed) {
    const arena = createArena({ seed });
    const { swarm } = arena;
    const { random } = swarm.world;
    await swarm.startAll();
    await arena.runFor(1_000);
    for (let round = 0; round < 8; round++) {
      let proposer: number | undefined;
      arena.meddle((from, _to, message, bytes) => {
        if (message.kind !== "proposal" || message.proposal.block.header.proposer !== from) return bytes;
        proposer ??= from;
        return from === proposer ? undefined : bytes;
      });
      arena.pay(`m${round}`, round % 4);
      await arena.until(() => proposer !== undefined, 20_000, "liveness", "somebody proposes");
      arena.meddle((_from, _to, _message, bytes) => bytes);
      await arena.runFor(2 * random());
      swarm.crash(proposer ?? 0);
      await arena.runFor(20 * random());
      await swarm.start(proposer ?? 0);
      await arena.runFor(3_000 * random());
    }
    await arena.runFor(1_000);
    arena.pay("last", 0);
    await arena.settled(["last"], 60_000, "liveness");
  },
};
