/** (e) Memory, CPU by stage and disk of a validator at half of saturation, for as long as `--soak` says. */
import { setInterval as every } from "node:timers/promises";
import { diskBytes } from "../disk.ts";
import { type BenchFleet, startBenchFleet } from "../fleet.ts";
import { anonymousBytes, cpuSeconds, waitedSeconds, writtenBytes } from "../processes.ts";
import { stageSeconds } from "../stages.ts";
import { slope } from "../statistics.ts";
import { type Figure, fullMessage, type Measurement, underLoad } from "./figure.ts";
import { sound, withoutSamples } from "./saturation.ts";

const sampleMs = 5_000;
const megabyte = 1_000_000;

/** What a validator's process has used so far. */
interface Usage {
  /** Seconds. */
  readonly cpu: number;
  /** Seconds ready to run, without a core. */
  readonly waited: number;
  /** Bytes it had the kernel write, whether they are still there or not. */
  readonly written: number;
  /** Bytes its volume holds. */
  readonly kept: number;
  readonly stages: ReadonlyMap<string, number>;
}

export const resources: Figure = {
  letter: "e",
  title: "memory, CPU by stage and disk at half of saturation",
  async run(context) {
    const rate = (await context.saturation(fullMessage)).paymentsPerSecond / 2 / fullMessage;
    const times = { warmupMs: context.warmupMs, measureMs: context.soakMs };
    return underLoad(await startBenchFleet(context), { signal: context.signal }, async (fleet, load) => {
      await load.prepare(Math.ceil(((times.warmupMs + times.measureMs) / 1000) * rate) + 1, fullMessage);
      const memory: { readonly atMs: number; readonly bytes: number }[] = [];
      const over = new AbortController();
      let before: Promise<readonly Usage[]> | undefined;
      let after: Promise<readonly Usage[]> | undefined;
      const offered = load.run(
        { kind: "open", perSecond: rate, ...times },
        {
          measuring: () => {
            before = usage(fleet);
            void sampleMemory(fleet, memory, over.signal);
          },
          measured: () => {
            over.abort();
            after = usage(fleet);
          },
        },
      );
      // A load that fails is never over by itself, and its timer would keep the benchmark alive.
      const result = await offered.finally(() => over.abort());
      sound(result);
      const [from, to] = [await before, await after];
      if (!from || !to) throw new Error("nothing was measured");
      const payments = result.paymentsPerSecond * (result.elapsedMs / 1000);
      return {
        measurements: [...memoryRows(memory), ...usageRows(from, to, payments, result.elapsedMs / 1000)],
        details: { perSecond: rate, memory, ...withoutSamples(result) },
      };
    });
  },
};

const pidsOf = (fleet: BenchFleet) => fleet.pids().filter((pid) => pid !== undefined);

async function usage(fleet: BenchFleet): Promise<readonly Usage[]> {
  const pids = pidsOf(fleet);
  return Promise.all(
    fleet.fleet.view.endpoints.seats.map(async ({ metrics }, at) => {
      const pid = pids[at];
      if (pid === undefined) throw new Error("a validator is down");
      const volume = fleet.volumes[at] ?? "";
      return {
        cpu: cpuSeconds(pid),
        waited: waitedSeconds(pid),
        written: writtenBytes(pid),
        kept: diskBytes(volume),
        stages: await stageSeconds(metrics),
      };
    }),
  );
}

/** The largest validator's memory, until aborted. */
async function sampleMemory(
  fleet: BenchFleet,
  into: { readonly atMs: number; readonly bytes: number }[],
  signal: AbortSignal,
): Promise<void> {
  const take = () => into.push({ atMs: performance.now(), bytes: Math.max(...pidsOf(fleet).map(anonymousBytes)) });
  take();
  try {
    for await (const _ of every(sampleMs, undefined, { signal })) take();
  } catch {
    // The interval is over.
  }
}

function memoryRows(samples: readonly { readonly atMs: number; readonly bytes: number }[]): readonly Measurement[] {
  const most = Math.max(...samples.map(({ bytes }) => bytes));
  const growth = slope(samples.map(({ atMs, bytes }) => [atMs / 60_000, bytes] as const));
  return [
    {
      name: "anonymous memory, the largest validator's most",
      value: most / megabyte,
      unit: "MB",
      goal: { bound: "at-most", value: 300 },
    },
    { name: "its trend, least squares", value: growth / megabyte, unit: "MB/min" },
  ];
}

/** Means over the validators. */
function usageRows(
  before: readonly Usage[],
  after: readonly Usage[],
  payments: number,
  seconds: number,
): readonly Measurement[] {
  const mean = (of: (usage: Usage) => number) =>
    after.reduce((sum, usage, at) => sum + of(usage) - of(before[at] ?? usage), 0) / after.length;
  const perPayment = (name: string, seconds: number): Measurement => ({
    name: `CPU per payment per validator, ${name}`,
    value: (seconds * 1e6) / payments,
    unit: "µs",
  });
  const cpu = mean((usage) => usage.cpu);
  // `persist` is a wait for the disk. The others are timed by the clock: on scarce cores they hold waits for one too.
  const stages = [...(after[0]?.stages.keys() ?? [])].filter((stage) => stage !== "persist");
  const staged = stages.map((stage) => [stage, mean((usage) => usage.stages.get(stage) ?? 0)] as const);
  const rest = cpu - staged.reduce((sum, [, spent]) => sum + spent, 0);
  return [
    { name: "CPU per validator", value: (100 * cpu) / seconds, unit: "% of a core" },
    {
      name: "ready without a core, per validator",
      value: (100 * mean((usage) => usage.waited)) / seconds,
      unit: "% of the time",
    },
    perPayment("all", cpu),
    ...staged.map(([stage, spent]) => perPayment(stage, spent)),
    perPayment("not attributed", rest),
    { name: "bytes on disk per payment per validator", value: mean((usage) => usage.kept) / payments, unit: "B" },
    { name: "bytes written per payment per validator", value: mean((usage) => usage.written) / payments, unit: "B" },
  ];
}
