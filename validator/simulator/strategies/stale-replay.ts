import type { Gossip } from "../../codec/peer.ts";
import type { Misbehaviour, Puppet, Strategy } from "./strategy.ts";

const remembered = 256;

/** Keeps everything it ever said or heard and says it again, long after its view: its own votes and others' blocks and certificates. */
export const staleReplay: Strategy = { name: "stale-replay", misbehave };

function misbehave(puppet: Puppet): Misbehaviour {
  const heap: Gossip[] = [];
  const keep = (message: Gossip) => {
    if (heap.length < remembered) heap.push(message);
    else heap[Math.floor(puppet.random() * remembered)] = message;
  };
  return {
    speak(message, bytes) {
      if (puppet.random() < 0.8) puppet.broadcast(bytes);
      for (let i = 0; i < 2 && heap.length > 0; i++) {
        const old = heap[Math.floor(puppet.random() * heap.length)];
        if (old) puppet.broadcast(old);
      }
      keep(message);
    },
    hear(_, message) {
      if (message.kind === "proposal" || message.kind === "certificate") keep(message);
    },
  };
}
