/** (b) From acceptance to settlement at fixed rates: 100 messages a second, and half of saturation. */
import type { LoadResult } from "../load/protocol.ts";
import { type Figure, fullMessage, type Measurement, onFreshChain } from "./figure.ts";
import { sound, withoutSamples } from "./saturation.ts";

const lightRate = 100;
const lightPayments = 1;

export const latency: Figure = {
  letter: "b",
  title: "latency at fixed rates, open loop",
  async run(context) {
    const { warmupMs, measureMs } = context;
    const halfRate = (await context.saturation(fullMessage)).paymentsPerSecond / 2 / fullMessage;
    return onFreshChain(context, {}, async (_chain, load) => {
      const at = async (perSecond: number, payments: number): Promise<LoadResult> => {
        await load.prepare(Math.ceil(((warmupMs + measureMs) / 1000) * perSecond) + 1, payments);
        const result = await load.run({ kind: "open", perSecond, warmupMs, measureMs });
        sound(result);
        return result;
      };
      const light = await at(lightRate, lightPayments);
      const half = await at(halfRate, fullMessage);
      return {
        measurements: [
          ...rows(`${lightRate} messages/s of ${lightPayments} payment`, light, 20),
          { name: "half of saturation, offered", value: halfRate * fullMessage, unit: "payments/s" },
          ...rows(`half of saturation, messages of ${fullMessage} payments`, half),
        ],
        details: { light: withoutSamples(light), half: { perSecond: halfRate, ...withoutSamples(half) } },
      };
    });
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
