/** Whatever a validator serves, it breaks no verdict and no status, and its own word about its views is not asked. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { judge, type Tally, withWindow } from "../../analysis/judge.ts";
import type { Analysis, Metric } from "../../analysis/window.ts";
import { status } from "../../api/status.ts";
import type { Sample } from "./exposition.ts";
import { metricsRead, type Reading, readingOf } from "./reading.ts";
import { windowBetween } from "./windows.ts";

const metrics: readonly Metric[] = ["FinalityLatency", "ViewTimeouts", "MissedVotes", "ExecutionLag", "Rejections"];
const analysis = metrics.map((metric): Analysis => ({ metric, maxIncreasePercent: 10, minSamples: 30 }));
const seats = ["ann", "bob", "cyd"];

const value = fc.oneof(fc.double(), fc.nat(), fc.constantFrom(0, 1, 1e11, 2 ** 53, 1e300, -1, 0.5, Number.NaN));
const word = fc.oneof(
  fc.constantFrom(...seats, "voted", "gave-up", "missed", "accepted", "refused", "final", "executed"),
);
const sample: fc.Arbitrary<Sample> = fc.record({
  name: fc.constantFrom(...metricsRead),
  labels: fc.record({
    le: fc.oneof(fc.constantFrom("1", "2", "+Inf"), fc.string()),
    peer: word,
    outcome: word,
    state: word,
  }),
  value,
});
const honest: readonly Sample[] = [
  { name: "process_start_time_seconds", labels: {}, value: 1 },
  { name: "consensus_voting", labels: {}, value: 1 },
];
const round = fc.array(
  fc.array(sample, { maxLength: 12 }).map((more) => [...honest, ...more]),
  { minLength: 3, maxLength: 3 },
);

test("tallies stay numbers that a status can hold", () => {
  fc.assert(
    fc.property(fc.array(round, { minLength: 2, maxLength: 8 }), (rounds) => {
      let tallies: readonly Tally[] = [];
      const read = rounds.map((served, at) => ({
        at,
        readings: served.flatMap((samples, i): Reading[] => {
          const reading = readingOf(seats[i] ?? "", "uid", samples);
          return reading ? [reading] : [];
        }),
      }));
      for (const [i, after] of read.entries()) {
        const before = read[i - 1];
        if (before) tallies = withWindow(tallies, analysis, windowBetween(before, after), new Set(["ann"]));
      }
      const { findings } = judge(analysis, tallies);
      const time = "2026-01-01T00:00:00Z";
      const canary = { trial: "t", terms: "t", seats: [], chosenAt: time, counted: 0, tallies };
      const written = JSON.parse(
        JSON.stringify({
          canary: { stage: "Watching", seats: [], revision: "r", analysis: findings },
          memory: { seats: [], lost: [], epoch: 0, canary },
        }),
      );
      expect(status.safeParse(written).error).toBeUndefined();
    }),
    { numRuns: 500 },
  );
});
