import { toHex } from "../../codec/bytes.ts";
import { digest, height } from "../../consensus/types.ts";
import { sha256 } from "../../crypto/hash.ts";
import { altered, type Misbehaviour, type Puppet, type Strategy, substitute } from "./strategy.ts";

const falseRoot = digest(toHex(sha256(new TextEncoder().encode("a state that never was"))));

/** Proposes blocks whose header names a state that never was, or an older one, and votes for them: nobody may join, nobody may panic. */
export const wrongRootLeader: Strategy = { name: "wrong-root-leader", misbehave };

function misbehave(puppet: Puppet): Misbehaviour {
  const speak = substitute(puppet, (proposal) => {
    const { rootHeight, root } = proposal.block.header;
    const draw = puppet.random();
    // Now and then it is honest: others must go on believing that they may follow it.
    if (draw < 0.2) return undefined;
    const older = { rootHeight: height(Math.max(0, rootHeight - 1)), root };
    return altered(puppet, proposal, draw < 0.8 ? { root: falseRoot } : older);
  });
  return {
    speak(message, bytes) {
      speak(message, bytes);
      if (message.kind !== "vote" || message.vote.kind !== "notarize") return;
      // It is the first to finalize what it proposes, notarized or not.
      speak({ kind: "vote", vote: { ...message.vote, kind: "finalize" } }, bytes);
    },
  };
}
