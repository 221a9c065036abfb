/** (f) The leader is killed under 100 messages a second: the longest pause in commits, and latency while it stays dead. */
import type { Sample } from "../load/protocol.ts";
import { percentiles } from "../statistics.ts";
import { type Figure, type Measurement, onFreshChain } from "./figure.ts";
import { sound, withoutSamples } from "./saturation.ts";

const perSecond = 100;
/** Validators that are listened to: F + 1 of them live on, whoever of them dies. More would cost what is measured. */
const watched = 3;
/** Latency of the healthy swarm is taken from the last seconds before the kill. */
const healthyMs = 5_000;
/** Longer than elsewhere, and fixed: a baseline that is not warm yet would flatter what follows. */
const warmupMs = 10_000 + healthyMs;
const deadMs = 20_000;

export const leaderKill: Figure = {
  letter: "f",
  title: `the leader is killed under ${perSecond} messages/s`,
  async run(context) {
    return onFreshChain(context, { watch: watched, finality: true }, async (chain, load) => {
      await load.prepare(((warmupMs + deadMs) / 1000) * perSecond + 1, 1);
      let victim: Promise<string> | undefined;
      const result = await load.run(
        { kind: "open", perSecond, warmupMs, measureMs: deadMs },
        {
          measuring: () => {
            victim = chain.killLeader();
          },
        },
      );
      sound(result);
      return {
        measurements: afterKill(result.samples, warmupMs, deadMs),
        details: { victim: await victim, ...withoutSamples(result) },
      };
    });
  },
};

/** What a kill at `killMs` of the samples' clock did. */
export function afterKill(samples: readonly Sample[], killMs: number, afterMs: number): readonly Measurement[] {
  const settledOf = (from: number, to: number) =>
    samples.filter(({ intended, settled }) => intended >= from && intended < to && settled >= 0);
  const healthy = settledOf(killMs - healthyMs, killMs);
  const dead = settledOf(killMs, killMs + afterMs);
  const within = (times: readonly number[]) => longestGap(times, killMs, killMs + afterMs);
  return [
    {
      name: "longest gap in commits after the kill",
      value: within(samples.map(({ final }) => final)),
      unit: "ms",
      goal: { bound: "at-most", value: 500 },
    },
    {
      name: "longest gap in settlements after the kill",
      value: within(samples.map(({ settled }) => settled)),
      unit: "ms",
    },
    ...latencies("acceptance to settlement", healthy, dead, ({ accepted, settled }) => Math.max(0, settled - accepted)),
    // What a client sees: with it the tries at the member that is gone.
    ...latencies("due to settlement", healthy, dead, ({ intended, settled }) => settled - intended),
  ];
}

function latencies(
  what: string,
  before: readonly Sample[],
  after: readonly Sample[],
  of: (sample: Sample) => number,
): readonly Measurement[] {
  const [healthy, dead] = [percentiles(before.map(of)), percentiles(after.map(of))];
  return [
    { name: `${what} p50 before the kill`, value: healthy.p50, unit: "ms" },
    { name: `${what} p50 in the ${deadMs / 1000} s after`, value: dead.p50, unit: "ms" },
    { name: `${what} p99 in the ${deadMs / 1000} s after`, value: dead.p99, unit: "ms" },
    {
      name: `${what} p50 after the kill against before`,
      value: dead.p50 / healthy.p50,
      unit: "×",
      goal: { bound: "at-most", value: 2 },
    },
  ];
}

/** Longest time without an event that overlaps [from, to); the last before `from` counts. Unordered; -1: never. */
export function longestGap(times: readonly number[], from: number, to: number): number {
  const sorted = times.filter((time) => time >= 0).sort((a, b) => a - b);
  let longest = 0;
  let previous = sorted.findLast((time) => time <= from) ?? from;
  for (const time of sorted) {
    if (time <= from) continue;
    longest = Math.max(longest, time - previous);
    if (time >= to) return longest;
    previous = time;
  }
  return Math.max(longest, to - previous);
}
