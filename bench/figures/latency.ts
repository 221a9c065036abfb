/** (b) From acceptance to settlement at fixed rates: 100 messages a second, and half of saturation. */
import type { LoadResult } from "../load/protocol.ts";
import { type Figure, fullMessage, type Measurement, onFreshChain } from "./figure.ts";
import { sound, withoutSamples } from "./saturation.ts";

const lightRate = 100;
const lightPayments = 1;

export const latency: Figure = {
  letter: "b",
  title: "latency at fixed rates, open loop",
  comparable: true,
  async run(context) {
    const times = { warmupMs: context.warmupMs, measureMs: context.measureMs };
    const seconds = (times.warmupMs + times.measureMs) / 1000;
    const light = await onFreshChain(context, {}, async (_chain, load) => {
      await load.prepare(Math.ceil(seconds * lightRate) + 1, lightPayments);
      return load.run({ kind: "open", perSecond: lightRate, ...times });
    });
    sound(light);
    const halfRate = (await context.saturation()).paymentsPerSecond / 2 / fullMessage;
    const half = await onFreshChain(context, {}, async (_chain, load) => {
      await load.prepare(Math.ceil(seconds * halfRate) + 1, fullMessage);
      return load.run({ kind: "open", perSecond: halfRate, ...times });
    });
    sound(half);
    return {
      measurements: [
        ...rows(`${lightRate} messages/s of ${lightPayments} payment`, light, 20),
        ...rows(`half of saturation, messages of ${fullMessage} payments`, half),
      ],
      details: { light: withoutSamples(light), half: { perSecond: halfRate, ...withoutSamples(half) } },
    };
  },
};

function rows(what: string, { settlement, total }: LoadResult, goal?: number): Measurement[] {
  const bound = goal === undefined ? {} : { goal: { bound: "at-most", value: goal } as const };
  return [
    { name: `acceptance to settlement p50, ${what}`, value: settlement.p50, unit: "ms", ...bound },
    { name: `acceptance to settlement p99, ${what}`, value: settlement.p99, unit: "ms" },
    { name: `due to settlement p50, ${what}`, value: total.p50, unit: "ms" },
    { name: `due to settlement p99, ${what}`, value: total.p99, unit: "ms" },
  ];
}
