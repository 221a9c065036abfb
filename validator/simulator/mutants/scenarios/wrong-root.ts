/**
 * A faulty leader proposes blocks that name a state root nobody has. A correct member refuses the block; it doubts
 * itself only when a quorum has notarized such a root (consensus.md, Execution).
 */
import { digest, height } from "../../../consensus/types.ts";
import { createArena } from "../arena.ts";
import { createPuppet } from "../puppet.ts";
import { type Scenario, Violation } from "../violation.ts";

export const wrongRoot: Scenario = {
  name: "wrong-root",
  async run(seed) {
    const arena = createArena({ seed, faulty: [3] });
    const { swarm } = arena;
    for (const i of arena.correct) await swarm.start(i);
    let lies = 0;
    const puppet = createPuppet(arena, 3, (message) => {
      if (message.kind !== "proposal") return;
      const parent = message.proposal.block;
      const { view, rootHeight } = parent.header;
      if (!puppet.leads(view + 1)) return;
      // By then the members have executed what the parent finalized.
      swarm.world.schedule(10 * swarm.world.random(), () => {
        const lie = { rootHeight: height(rootHeight + 1), root: digest("bad0".repeat(16)) };
        puppet.send({ kind: "proposal", proposal: puppet.propose(view + 1, parent, lie) });
        lies += 1;
      });
    });
    const ids = Array.from({ length: 15 }, (_, i) => `m${i}`);
    for (const [i, id] of ids.entries()) {
      arena.pay(id, i % 3);
      await arena.runFor(400 * swarm.world.random());
      for (const member of arena.correct)
        if (swarm.nodes[member]?.events.some(({ kind }) => kind === "quarantined"))
          throw new Violation("only a certificate makes doubt", `member ${member} quarantined itself`);
    }
    await arena.settled(ids, 60_000, "liveness");
    if (lies === 0) throw new Error("the faulty member never led");
  },
};
