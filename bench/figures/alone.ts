/** (c) One payment alone in an idle swarm, 200 times. */
import { type Figure, onFreshChain } from "./figure.ts";
import { sound, withoutSamples } from "./saturation.ts";

const count = 200;
const warmup = 40;

export const alone: Figure = {
  letter: "c",
  title: `one payment alone, ${count} times`,
  async run(context) {
    const result = await onFreshChain(context, {}, async (_chain, load) => {
      await load.prepare(warmup + count, 1);
      return load.run({ kind: "alone", count, warmup });
    });
    sound(result);
    return {
      measurements: [
        {
          name: "one payment alone, submission to settlement p50",
          value: result.total.p50,
          unit: "ms",
          goal: { bound: "at-most", value: 12 },
        },
        { name: "one payment alone, submission to settlement p99", value: result.total.p99, unit: "ms" },
        { name: "one payment alone, acceptance to settlement p50", value: result.settlement.p50, unit: "ms" },
      ],
      details: withoutSamples(result),
    };
  },
};
