import { toHex } from "../../codec/bytes.ts";
import type { BatchReference } from "../../consensus/types.ts";
import { digest } from "../../consensus/types.ts";
import { sha256 } from "../../crypto/hash.ts";
import { altered, type Misbehaviour, type Puppet, type Strategy, substitute } from "./strategy.ts";

/** Pushes its batches to few, serves nobody, claims that everyone holds what nobody does, and proposes batches that do not exist. */
export const payloadWithholding: Strategy = { name: "payload-withholding", misbehave };

function misbehave(puppet: Puppet): Misbehaviour {
  let made = 0;
  function inventedBatch(): BatchReference {
    const name = sha256(new TextEncoder().encode(`${puppet.seat} ${made++} ${puppet.random()}`));
    return { digest: digest(toHex(name)), payments: 3, bytes: 500, zone: "" };
  }

  const speak = substitute(puppet, (proposal) => {
    if (puppet.random() < 0.5) return undefined;
    const batch = inventedBatch();
    puppet.broadcast({ kind: "batch", batch: { ...batch, holders: [...puppet.seats] } });
    return altered(puppet, proposal, {}, { batches: [...proposal.block.body.batches, batch] });
  });

  return {
    speak(message, bytes) {
      // What it has it announces to nobody.
      if (message.kind !== "batch") speak(message, bytes);
    },
    ask(_, protocol) {
      if (protocol !== "batch" || puppet.random() < 0.3) return undefined;
      // It tells its own driver that the push arrived.
      return { kind: "ok", bytes: new Uint8Array(0) };
    },
    refuse: (_, protocol) => (protocol === "fetch-batches" ? "no" : undefined),
  };
}
