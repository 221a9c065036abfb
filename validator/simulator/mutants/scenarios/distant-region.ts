/**
 * One region is far away: its finalize votes come after the others have finalized. They still count, so that settlement
 * covers the region without degrading it (consensus.md, Certificates and Coverage).
 */
import { createArena } from "../arena.ts";
import { type Scenario, Violation } from "../violation.ts";

export const distantRegion: Scenario = {
  name: "distant-region",
  async run(seed) {
    const arena = createArena({ seed });
    const { swarm } = arena;
    const { random } = swarm.world;
    const distant = Math.floor(4 * random());
    for (const [i, a] of swarm.nodes.entries())
      for (const [j, b] of swarm.nodes.entries())
        if (i !== j && (i === distant || j === distant)) swarm.network.link(a.name, b.name, { delay: [60, 90] });
    await swarm.startAll();
    for (let i = 0; i < 40; i++) {
      arena.pay(`m${i}`, (distant + 1) % 4);
      await arena.runFor(50 + 100 * random());
      await arena.settled([`m${i}`], 1_500, "late votes cover");
    }
    for (const [member, { events }] of swarm.nodes.entries())
      if (events.some((event) => event.kind === "region-mode" && event.degraded))
        throw new Violation("late votes cover", `member ${member}: a region that signs was degraded`);
  },
};
