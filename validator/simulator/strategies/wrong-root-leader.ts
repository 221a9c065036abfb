import { bytesToHex } from "@noble/hashes/utils.js";
import { digest, height } from "../../consensus/types.ts";
import { sha256 } from "../../crypto/hash.ts";
import { altered, type Misbehaviour, type Puppet, type Strategy, signed } from "./strategy.ts";

const falseRoot = digest(bytesToHex(sha256(new TextEncoder().encode("a state that never was"))));

/** Proposes blocks whose header names a state that never was, or an older one, and votes for them: nobody may join, nobody may panic. */
export const wrongRootLeader: Strategy = { name: "wrong-root-leader", misbehave };

function misbehave(puppet: Puppet): Misbehaviour {
  let turn = 0;
  return {
    speak(message, bytes) {
      // Now and then it is honest: others must go on believing that they may follow it.
      if (message.kind !== "proposal" || turn++ % 3 === 2) return puppet.broadcast(bytes);
      const { header } = message.proposal.block;
      const older = { rootHeight: height(Math.max(0, header.rootHeight - 1)), root: header.root };
      const proposal = altered(puppet, message.proposal, puppet.random() < 0.7 ? { root: falseRoot } : older);
      const { epoch, view } = header;
      puppet.broadcast({ kind: "proposal", proposal });
      for (const kind of ["notarize", "finalize"] as const)
        puppet.broadcast({ kind: "vote", vote: signed(puppet, { kind, epoch, view, block: proposal.block.hash }) });
    },
  };
}
