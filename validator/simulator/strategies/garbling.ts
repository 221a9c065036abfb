import type { Strategy } from "./strategy.ts";

/** Turns bits over in what it says: wire and signatures alike. */
export const garbling: Strategy = {
  name: "garbling",
  misbehave: (puppet) => ({
    speak(_, bytes) {
      const rate = puppet.random() < 0.5 ? 0.02 : 1 / bytes.length;
      puppet.broadcast(bytes.map((byte) => (puppet.random() < rate ? byte ^ (1 << (puppet.random() * 8)) : byte)));
    },
  }),
};
