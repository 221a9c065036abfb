import type { Strategy } from "./strategy.ts";

/** Says each thing to some and not to others. */
export const selectiveSender: Strategy = {
  name: "selective-sender",
  misbehave: (puppet) => ({
    speak(_, bytes) {
      for (const seat of puppet.seats) if (seat !== puppet.seat && puppet.random() < 0.5) puppet.send(seat, bytes);
    },
    refuse: () => (puppet.random() < 0.5 ? "no" : undefined),
  }),
};
