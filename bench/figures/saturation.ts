/** (a) Settled payments a second when as many messages are under way as it takes. */
import type { LoadResult } from "../load/protocol.ts";
import { type Figure, fullMessage, onFreshChain, type RunContext, type Saturation } from "./figure.ts";

/** Larger windows wait longer without settling more: each must beat the best by this much to be taken. */
const worthwhile = 1.05;
const windows = [16, 32, 64, 128, 256];
const screenWarmupMs = 3_000;
const screenMs = 3_000;
/** Of the prepared messages, so that a faster run than the screening does not run out. */
const spare = 1.6;

/** Tries windows in turn on one chain; the smallest that is as good as any wins. */
export async function screenSaturation(context: Omit<RunContext, "saturation">): Promise<Saturation> {
  return onFreshChain(context, {}, async (_chain, load) => {
    let best: Saturation = { window: 0, paymentsPerSecond: 0 };
    let expected = 50_000;
    for (const window of windows) {
      await load.prepare(messagesFor(expected, screenWarmupMs + screenMs) + window, fullMessage);
      const result = await load.run({ kind: "closed", window, warmupMs: screenWarmupMs, measureMs: screenMs });
      sound(result);
      context.progress(`screening: window ${window}: ${Math.round(result.paymentsPerSecond)} payments/s`);
      expected = Math.max(expected, result.paymentsPerSecond);
      if (result.paymentsPerSecond > best.paymentsPerSecond * worthwhile)
        best = { window, paymentsPerSecond: result.paymentsPerSecond };
      else if (window > best.window * 2) break;
    }
    return best;
  });
}

export const saturation: Figure = {
  letter: "a",
  title: "saturation: signed messages of 1,000 payments, closed loop",
  comparable: true,
  async run(context) {
    const { window, paymentsPerSecond } = await context.saturation();
    return onFreshChain(context, {}, async (_chain, load) => {
      await load.prepare(messagesFor(paymentsPerSecond, context.warmupMs + context.measureMs) + window, fullMessage);
      const result = await load.run({
        kind: "closed",
        window,
        warmupMs: context.warmupMs,
        measureMs: context.measureMs,
      });
      sound(result);
      return {
        measurements: [
          {
            name: "settled payments at saturation",
            value: result.paymentsPerSecond,
            unit: "payments/s",
            goal: { bound: "at-least", value: 200_000 },
          },
          { name: "settlement p50 at saturation", value: result.settlement.p50, unit: "ms" },
          { name: "settlement p99 at saturation", value: result.settlement.p99, unit: "ms" },
          { name: "load generator's CPU at saturation", value: 100 * result.generatorCpu, unit: "% of a core" },
        ],
        details: { window, ...withoutSamples(result) },
      };
    });
  },
};

/** Prepared messages for a rate over a time. */
export function messagesFor(paymentsPerSecond: number, ms: number): number {
  return Math.ceil((spare * paymentsPerSecond * ms) / 1000 / fullMessage);
}

/** A run that lost, refused or left payments unsettled measured something else: it is an error, not a figure. */
export function sound(result: LoadResult): void {
  if (result.unsettled > 0) throw new Error(`${result.unsettled} messages did not settle`);
  if (result.rejectedPayments > 0) throw new Error(`${result.rejectedPayments} payments were rejected`);
  if (result.exhausted) throw new Error("the prepared messages ran out");
}

/** One row a message is for the benchmark's own use. */
export function withoutSamples({ samples: _, ...rest }: LoadResult): Omit<LoadResult, "samples"> {
  return rest;
}
