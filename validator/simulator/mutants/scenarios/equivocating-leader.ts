/** A faulty leader proposes two blocks in each of its views, to each half of the members first the one, then the other. */
import type { Block } from "../../../consensus/types.ts";
import { createArena } from "../arena.ts";
import { createPuppet } from "../puppet.ts";
import type { Scenario } from "../violation.ts";

export const equivocatingLeader: Scenario = {
  name: "equivocating-leader",
  async run(seed) {
    const arena = createArena({ seed, faulty: [3] });
    const { swarm } = arena;
    for (const i of arena.correct) await swarm.start(i);
    const puppet = createPuppet(arena, 3, (message) => {
      if (message.kind !== "proposal") return;
      const parent = message.proposal.block;
      if (puppet.leads(parent.header.view + 1)) equivocate(parent);
    });
    function equivocate(parent: Block): void {
      const view = parent.header.view + 1;
      const first = puppet.propose(view, parent);
      const second = puppet.propose(view, parent, { time: first.block.header.time + 1 });
      const half = arena.correct.filter(() => swarm.world.random() < 0.5);
      const rest = arena.correct.filter((seat) => !half.includes(seat));
      puppet.send({ kind: "proposal", proposal: first }, half);
      puppet.send({ kind: "proposal", proposal: second }, rest);
      swarm.world.schedule(15 * swarm.world.random(), () => {
        puppet.send({ kind: "proposal", proposal: second }, half);
        puppet.send({ kind: "proposal", proposal: first }, rest);
      });
    }
    const ids = Array.from({ length: 20 }, (_, i) => `m${i}`);
    for (const [i, id] of ids.entries()) {
      arena.pay(id, i % 3);
      await arena.runFor(200 * swarm.world.random());
    }
    await arena.settled(ids, 60_000, "liveness");
  },
};
