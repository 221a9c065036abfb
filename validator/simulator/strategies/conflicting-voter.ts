import type { Ballot, SeatIndex } from "../../consensus/types.ts";
import { zeroDigest } from "../../consensus/types.ts";
import { halves, type Misbehaviour, onceEach, type Puppet, type Strategy, signed } from "./strategy.ts";

/** Notarizes every block it hears of, finalizes what it also nullifies, and tells one half this and the other that. */
export const conflictingVoter: Strategy = { name: "conflicting-voter", misbehave };

function misbehave(puppet: Puppet): Misbehaviour {
  const fresh = onceEach();

  function tell(to: readonly SeatIndex[], ballot: Ballot): void {
    const vote = signed(puppet, ballot);
    for (const seat of to) puppet.send(seat, { kind: "vote", vote });
  }

  return {
    speak(message, bytes) {
      // Its driver's votes would keep to the rules.
      if (message.kind !== "vote" || message.vote.kind === "suspect" || message.vote.kind === "sight")
        puppet.broadcast(bytes);
    },
    hear(_, message) {
      if (message.kind !== "proposal") return;
      const { hash: block, header } = message.proposal.block;
      const { epoch, view } = header;
      if (!fresh(`${epoch} ${view} ${block}`)) return;
      const [one, rest] = halves(puppet);
      const everyone = [...one, ...rest];
      tell(everyone, { kind: "notarize", epoch, view, block });
      tell(puppet.random() < 0.5 ? everyone : one, { kind: "nullify", epoch, view, block: zeroDigest });
      tell(puppet.random() < 0.5 ? everyone : rest, { kind: "finalize", epoch, view, block });
    },
  };
}
