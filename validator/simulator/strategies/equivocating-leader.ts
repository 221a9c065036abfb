import type { Proposal, SeatIndex } from "../../consensus/types.ts";
import { altered, halves, type Misbehaviour, type Puppet, type Strategy, signed } from "./strategy.ts";

/** Proposes two valid blocks in each view it leads, each to its own half (or both to some), and votes for both. */
export const equivocatingLeader: Strategy = { name: "equivocating-leader", misbehave };

function misbehave(puppet: Puppet): Misbehaviour {
  function support(to: readonly SeatIndex[], proposal: Proposal): void {
    const { hash, header } = proposal.block;
    const { epoch, view } = header;
    const votes = (["notarize", "finalize"] as const).map((kind) => signed(puppet, { kind, epoch, view, block: hash }));
    for (const seat of to) {
      puppet.send(seat, { kind: "proposal", proposal });
      for (const vote of votes) puppet.send(seat, { kind: "vote", vote });
    }
  }

  return {
    speak(message, bytes) {
      if (message.kind !== "proposal") return puppet.broadcast(bytes);
      const { proposal } = message;
      const { time } = proposal.block.header;
      // The other block differs in its content or in nothing but its time: both are valid.
      const other = altered(puppet, proposal, { time: time + 1 }, puppet.random() < 0.5 ? { batches: [] } : {});
      const [one, rest] = halves(puppet);
      const both = puppet.random() < 0.3;
      support(both ? [...one, ...rest] : one, proposal);
      support(rest, other);
    },
  };
}
