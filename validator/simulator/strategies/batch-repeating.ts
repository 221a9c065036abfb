import type { BatchReference } from "../../consensus/types.ts";
import { altered, type Misbehaviour, type Puppet, type Strategy, substitute } from "./strategy.ts";

/** Blocks that a batch has to be old by, so that members may have dropped it. */
const oldBy = 6;

/** Orders batches again that an old block ordered: whoever votes for that must still have them when it is executed. */
export const batchRepeating: Strategy = { name: "batch-repeating", misbehave };

function misbehave(puppet: Puppet): Misbehaviour {
  const seen = new Map<number, readonly BatchReference[]>();
  return {
    hear(_, message) {
      if (message.kind !== "proposal") return;
      const { header, body } = message.proposal.block;
      if (body.batches.length > 0) seen.set(header.height, body.batches);
    },
    speak: substitute(puppet, (proposal) => {
      const { header, body } = proposal.block;
      const old = [...seen].filter(([height]) => height + oldBy <= header.height);
      // The oldest most often.
      const [, batches] = old[Math.floor(puppet.random() ** 3 * old.length)] ?? [];
      if (!batches || puppet.random() < 0.3) return undefined;
      const again = batches.filter(({ digest }) => body.batches.every((each) => each.digest !== digest));
      return altered(puppet, proposal, {}, { batches: [...body.batches, ...again] });
    }),
  };
}
