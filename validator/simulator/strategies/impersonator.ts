import type { SeatIndex } from "../../consensus/types.ts";
import { zeroDigest } from "../../consensus/types.ts";
import { type Misbehaviour, onceEach, type Puppet, type Strategy, signed } from "./strategy.ts";

/**
 * Speaks in others' names: votes that name another signer, certificates that name everyone over its one signature,
 * proposals whose proposer is another. None may fill a slot, start an assembly or end a view.
 */
export const impersonator: Strategy = { name: "impersonator", misbehave };

function misbehave(puppet: Puppet): Misbehaviour {
  const fresh = onceEach();
  return {
    hear(_, message) {
      if (message.kind !== "proposal") return;
      const { proposal } = message;
      const { epoch, view } = proposal.block.header;
      if (!fresh(`${epoch} ${view}`)) return;
      const { signature } = signed(puppet, { kind: "nullify", epoch, view, block: zeroDigest });
      const named: SeatIndex[] = puppet.seats.filter((seat) => seat !== puppet.seat);
      for (const signer of named) {
        puppet.broadcast({
          kind: "vote",
          vote: { kind: "nullify", epoch, view, block: zeroDigest, signer, signature },
        });
      }
      const ballots = [
        { kind: "nullify", block: zeroDigest },
        { kind: "finalize", block: proposal.block.hash },
      ] as const;
      for (const { kind, block } of ballots)
        puppet.broadcast({
          kind: "certificate",
          certificate: { kind, epoch, view, block, signers: puppet.seats, signature },
        });
      // The leader's block under this member's signature.
      const forged = {
        ...proposal,
        signature: puppet.signers.peer.sign(new TextEncoder().encode(proposal.block.hash)),
      };
      puppet.broadcast({ kind: "proposal", proposal: forged });
    },
  };
}
