import type { Vote } from "../../consensus/types.ts";
import { zeroDigest } from "../../consensus/types.ts";
import { type Misbehaviour, onceEach, type Puppet, type Strategy, signed } from "./strategy.ts";

/**
 * Speaks in others' names: whatever anyone votes, it says at once in everybody's name; certificates that name everyone
 * over its one signature; proposals under the leader's name. None may fill a slot, start an assembly or end a view.
 */
export const impersonator: Strategy = { name: "impersonator", misbehave };

function misbehave(puppet: Puppet): Misbehaviour {
  const fresh = onceEach();
  const others = puppet.seats.filter((seat) => seat !== puppet.seat);

  function inTheirNames(vote: Omit<Vote, "signer">): void {
    for (const signer of others) puppet.broadcast({ kind: "vote", vote: { ...vote, signer } });
  }

  return {
    hear(from, message) {
      // Not what another of its kind says, or the two would go on for ever.
      if (message.kind === "vote" && message.vote.signer === from) return inTheirNames(message.vote);
      if (message.kind !== "proposal") return;
      const { proposal } = message;
      const { epoch, view } = proposal.block.header;
      if (!fresh(`${epoch} ${view}`)) return;
      const { signature } = signed(puppet, { kind: "nullify", epoch, view, block: zeroDigest });
      const ballots = [
        { kind: "nullify", block: zeroDigest },
        { kind: "notarize", block: proposal.block.hash },
        { kind: "finalize", block: proposal.block.hash },
      ] as const;
      for (const { kind, block } of ballots) {
        inTheirNames({ kind, epoch, view, block, signature });
        const certificate = { kind, epoch, view, block, signers: puppet.seats, signature };
        puppet.broadcast({ kind: "certificate", certificate });
      }
      // The leader's block under this member's signature.
      const forged = {
        ...proposal,
        signature: puppet.signers.peer.sign(new TextEncoder().encode(proposal.block.hash)),
      };
      puppet.broadcast({ kind: "proposal", proposal: forged });
    },
  };
}
