import type { Strategy } from "./strategy.ts";

/**
 * Fills its own slots with signatures that do not verify: each quorum that counts it fails to assemble, and what is
 * bad has to be found. Half of the time the bytes are no point of the curve, else a genuine signature of something else.
 */
export const slotFiller: Strategy = {
  name: "slot-filler",
  misbehave(puppet) {
    let other = new Uint8Array(96).fill(7);
    return {
      speak(message, bytes) {
        if (message.kind !== "vote") return puppet.broadcast(bytes);
        const { vote } = message;
        const garbage = new Uint8Array(96).fill(7);
        const signature = puppet.random() < 0.5 ? garbage : other;
        other = vote.signature.slice();
        puppet.broadcast({ kind: "vote", vote: { ...vote, signature } });
        // The genuine one comes too late for the slot, now and then.
        if (puppet.random() < 0.3) puppet.broadcast(bytes);
      },
    };
  },
};
