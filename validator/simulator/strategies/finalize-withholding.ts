import type { Strategy } from "./strategy.ts";

/** Takes part in everything and never says finalize: views are notarized, and finality needs every one of the others. */
export const finalizeWithholding: Strategy = {
  name: "finalize-withholding",
  misbehave: (puppet) => ({
    speak(message, bytes) {
      if (message.kind !== "vote" || message.vote.kind !== "finalize") puppet.broadcast(bytes);
    },
  }),
};
