/**
 * A faulty leader builds on the parent of the block before it, as if that block's view had been nullified. Whoever
 * votes for that votes against a block that may be final (rule 4).
 */
import { createArena } from "../arena.ts";
import { createPuppet } from "../puppet.ts";
import type { Scenario } from "../violation.ts";

export const skippedView: Scenario = {
  name: "skipped-view",
  async run(seed) {
    const arena = createArena({ seed, faulty: [3] });
    const { swarm } = arena;
    for (const i of arena.correct) await swarm.start(i);
    const puppet = createPuppet(arena, 3, (message) => {
      if (message.kind !== "proposal") return;
      const { header } = message.proposal.block;
      const before = arena.audit.blocks.get(header.parent);
      if (!before || !puppet.leads(header.view + 1)) return;
      puppet.send({ kind: "proposal", proposal: puppet.propose(header.view + 1, before) });
    });
    const ids = Array.from({ length: 20 }, (_, i) => `m${i}`);
    for (const [i, id] of ids.entries()) {
      arena.pay(id, i % 3);
      await arena.runFor(200 * swarm.world.random());
    }
    await arena.settled(ids, 60_000, "liveness");
  },
};
