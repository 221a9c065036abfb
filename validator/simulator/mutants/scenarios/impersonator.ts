/**
 * A faulty member answers each proposal at once with votes in the names of all others, before theirs can be there.
 * Nobody takes them for theirs (consensus.md, Certificates).
 */

import { seatIndex } from "../../../consensus/types.ts";
import { createArena } from "../arena.ts";
import { createPuppet } from "../puppet.ts";
import { type Scenario, Violation } from "../violation.ts";

export const impersonator: Scenario = {
  name: "impersonator",
  async run(seed) {
    const arena = createArena({ seed, faulty: [3] });
    const { swarm } = arena;
    for (const i of arena.correct) await swarm.start(i);
    for (const from of swarm.nodes)
      for (const to of swarm.nodes)
        if (from !== to && from !== swarm.nodes[3]) swarm.network.link(from.name, to.name, { delay: [2, 6] });
    const puppet = createPuppet(arena, 3, (message) => {
      if (message.kind !== "proposal") return;
      const { hash, header } = message.proposal.block;
      for (const victim of arena.correct) {
        const vote = {
          ...puppet.vote({ kind: "notarize", view: header.view, block: hash }),
          signer: seatIndex(victim),
        };
        puppet.send({ kind: "vote", vote });
      }
    });
    const ids = Array.from({ length: 15 }, (_, i) => `m${i}`);
    for (const [i, id] of ids.entries()) {
      arena.pay(id, i % 3);
      await arena.runFor(200 * swarm.world.random());
      for (const member of arena.correct)
        for (const event of swarm.nodes[member]?.events ?? [])
          if (event.kind === "consensus" && event.event.kind === "bad-vote" && event.event.signer !== 3)
            throw new Violation(
              "nobody fills another's slot",
              `member ${member} found a bad vote in the slot of member ${event.event.signer}`,
            );
    }
    await arena.settled(ids, 60_000, "liveness");
  },
};
