import { zeroDigest } from "../../consensus/types.ts";
import { type Misbehaviour, onceEach, type Puppet, type Strategy, signed } from "./strategy.ts";

/** Says nothing but nullify, and that at once, in every view it hears of. */
export const nullifyOnly: Strategy = { name: "nullify-only", misbehave };

function misbehave(puppet: Puppet): Misbehaviour {
  const fresh = onceEach();
  return {
    speak(message, bytes) {
      if (message.kind === "vote" && message.vote.kind === "nullify") puppet.broadcast(bytes);
    },
    hear(_, message) {
      if (message.kind !== "proposal") return;
      const { epoch, view } = message.proposal.block.header;
      if (!fresh(`${epoch} ${view}`)) return;
      puppet.broadcast({ kind: "vote", vote: signed(puppet, { kind: "nullify", epoch, view, block: zeroDigest }) });
    },
  };
}
