/** (a) Settled payments a second when as many messages are under way as it takes. */
import type { LoadGenerator } from "../load/generator.ts";
import type { LoadResult } from "../load/protocol.ts";
import {
  type Figure,
  fullMessage,
  type Measurement,
  onFreshChain,
  type RunContext,
  type Saturation,
} from "./figure.ts";

/** Larger windows wait longer without settling more: each must beat the best by this much to be taken. */
const worthwhile = 1.05;
/** Windows that are tried, and payments a second that the first messages are prepared for, by payments of a message. */
const screens = {
  full: { windows: [32, 64, 128, 256], expected: 200_000 },
  single: { windows: [1_024, 4_096], expected: 20_000 },
} as const;
const screenWarmupMs = 2_000;
const screenMs = 3_000;
/** Of the prepared messages, so that a faster run than the one before makes few while it runs. */
const spare = 1.6;

/** Tries windows in turn on one chain; the smallest that is as good as any wins. */
export async function screenSaturation(
  context: Pick<RunContext, "system" | "directory" | "portBase" | "signal" | "progress">,
  payments: number,
): Promise<Saturation> {
  const screen = screens[payments === 1 ? "single" : "full"];
  return onFreshChain(context, {}, async (_chain, load) => {
    let best: Saturation = { window: 0, paymentsPerSecond: 0 };
    let expected: number = screen.expected;
    for (const window of screen.windows) {
      await load.prepare(messagesFor(expected, screenWarmupMs + screenMs, payments) + window, payments);
      const result = await load.run({ kind: "closed", window, warmupMs: screenWarmupMs, measureMs: screenMs });
      sound(result);
      const settled = Math.round(result.paymentsPerSecond);
      context.progress(
        `screening ${context.system.name}: ${window} messages of ${payments} under way: ${settled} payments/s`,
      );
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
  title: "saturation, closed loop",
  async run(context) {
    const sizes = context.compared ? [fullMessage, 1] : [fullMessage];
    for (const payments of sizes) await context.saturation(payments);
    return onFreshChain(context, {}, async (_chain, load) => {
      const results: { readonly payments: number; readonly window: number; readonly result: LoadResult }[] = [];
      for (const payments of sizes) {
        const screened = await context.saturation(payments);
        const result = await saturate(load, context, payments, screened);
        context.saturated(payments, { ...screened, paymentsPerSecond: result.paymentsPerSecond });
        results.push({ payments, window: screened.window, result });
      }
      return {
        measurements: results.flatMap(({ payments, result }) => rows(payments, result)),
        details: results.map(({ window, result }) => ({ window, ...withoutSamples(result) })),
      };
    });
  },
};

async function saturate(
  load: LoadGenerator,
  { warmupMs, measureMs }: RunContext,
  payments: number,
  { window, paymentsPerSecond }: Saturation,
): Promise<LoadResult> {
  // Messages of one payment come second, to validators that are warm.
  const warm = payments === 1 ? warmupMs / 2 : warmupMs;
  await load.prepare(messagesFor(paymentsPerSecond, warm + measureMs, payments) + window, payments);
  const result = await load.run({ kind: "closed", window, warmupMs: warm, measureMs });
  sound(result);
  return result;
}

function rows(payments: number, result: LoadResult): Measurement[] {
  const what = payments === 1 ? "messages of 1 payment" : `messages of ${payments} payments`;
  const goal = payments === fullMessage ? { goal: { bound: "at-least", value: 200_000 } as const } : {};
  return [
    { name: `settled at saturation, ${what}`, value: result.paymentsPerSecond, unit: "payments/s", ...goal },
    { name: `due to settlement p50 at saturation, ${what}`, value: result.total.p50, unit: "ms" },
    { name: `due to settlement p99 at saturation, ${what}`, value: result.total.p99, unit: "ms" },
    { name: `load generator's CPU, ${what}`, value: 100 * result.generatorCpu, unit: "% of a core" },
  ];
}

/** Prepared messages for a rate over a time. */
function messagesFor(paymentsPerSecond: number, ms: number, payments: number): number {
  return Math.ceil((spare * paymentsPerSecond * ms) / 1000 / payments);
}

/** A run that lost, refused or left payments unsettled measured something else: it is an error, not a figure. */
export function sound(result: LoadResult): void {
  if (result.unsettled > 0) throw new Error(`${result.unsettled} messages did not settle`);
  if (result.rejectedPayments > 0) throw new Error(`${result.rejectedPayments} payments were rejected`);
}

/** One row a message is for the benchmark's own use. */
export function withoutSamples({ samples: _, ...rest }: LoadResult): Omit<LoadResult, "samples"> {
  return rest;
}
