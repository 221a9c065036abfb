/** How often the verdict is wrong, how often it is reached, and what never counts as success. Seeds are fixed. */
import { describe, expect, test } from "vitest";
import { judge, type Tally, withWindow } from "./judge.ts";
import { createRandom, events, latencies, normal, type Random } from "./testing/samples.ts";
import type { Analysis, SeatWindow } from "./window.ts";

const timeouts: Analysis = { metric: "ViewTimeouts", maxIncreasePercent: 10, minSamples: 300 };
const latency: Analysis = { metric: "FinalityLatency", maxIncreasePercent: 10, minSamples: 300 };
const lag: Analysis = { metric: "ExecutionLag", maxIncreasePercent: 10, minSamples: 300 };
const changed = new Set(["c"]);
const others = ["x", "y", "z"];

/** What each seat did in one window. */
type Model = (random: Random) => readonly SeatWindow[];

const after = (analysis: readonly Analysis[], tallies: readonly Tally[], seats: readonly SeatWindow[]) =>
  withWindow(tallies, analysis, { from: 0, to: 2_000, seats }, changed);

/** Shares of runs that came to each verdict at any of the looks, one after each of 30 windows. */
function rates(model: Model, analysis: readonly Analysis[], runs = 400) {
  const random = createRandom(20_261);
  let [promote, abort] = [0, 0];
  for (let run = 0; run < runs; run += 1) {
    const seen = new Set<string>();
    let tallies: readonly Tally[] = [];
    for (let i = 0; i < 30; i += 1) {
      tallies = after(analysis, tallies, model(random));
      seen.add(judge(analysis, tallies).kind);
    }
    if (seen.has("Promote")) promote += 1 / runs;
    if (seen.has("Abort")) abort += 1 / runs;
  }
  return { promote, abort };
}

/** Every seat times out by itself; `shake` scales the rates of all for a whole window. */
const timingOut =
  (own: number, rest: number, views = 100, shake: (random: Random) => number = () => 1): Model =>
  (random) => {
    const factor = shake(random);
    const seat = (name: string, rate: number): SeatWindow => ({
      seat: name,
      timeouts: { trials: views, events: events(random, views, rate * factor) },
    });
    return [seat("c", own), ...others.map((name) => seat(name, rest))];
  };

/** Latencies around 20 ms, the changed seat's `scale` times as long; windows differ by a factor that all share. */
const taking =
  (scale: number, views = 60): Model =>
  (random) => {
    const load = 0.02 * Math.exp(0.3 * normal(random));
    return [
      { seat: "c", finality: latencies(random, views, load * scale) },
      ...others.map((seat) => ({ seat, finality: latencies(random, views, load) })),
    ];
  };

/** Now and then all seats have a bad window. */
const bursts = (random: Random) => (random() < 0.25 ? 2.5 : 0.5);

describe("at the edge of the margin, where either verdict would be wrong, looking 30 times", () => {
  test.each<[string, Model, Analysis]>([
    ["a share of 5 %", timingOut(0.05 * 1.1 + 0.01, 0.05), timeouts],
    ["a share of 40 %", timingOut(0.4 * 1.1 + 0.01, 0.4), timeouts],
    ["a share of none", timingOut(0.01, 0), timeouts],
    ["a share of none, and a dozen views in a window", timingOut(0.01, 0, 12), timeouts],
    ["a share of none, and forty views in a window", timingOut(0.01, 0, 40), timeouts],
    ["a dozen views in a window", timingOut(0.05 * 1.1 + 0.01, 0.05, 12), timeouts],
    ["latencies", taking(1.1), latency],
    ["few latencies", taking(1.1, 12), latency],
  ])("%s: each verdict comes in at most one run of twenty", (_, model, analysis) => {
    const { promote, abort } = rates(model, [analysis]);
    expect(promote).toBeLessThanOrEqual(0.05);
    expect(abort).toBeLessThanOrEqual(0.05);
  });

  test("bursts of the changed seat alone leave it so", () => {
    const model: Model = (random) => timingOut((0.05 * 1.1 + 0.01) * bursts(random), 0.05)(random);
    const { promote, abort } = rates(model, [timeouts]);
    expect(promote).toBeLessThanOrEqual(0.05);
    expect(abort).toBeLessThanOrEqual(0.05);
  });

  test("bursts that shake all seats alike leave it so", () => {
    const { promote, abort } = rates(timingOut(0.1 * 1.1 + 0.01, 0.1, 100, bursts), [timeouts]);
    expect(promote).toBeLessThanOrEqual(0.05);
    expect(abort).toBeLessThanOrEqual(0.05);
  });

  test("two comparisons at once share the error of an abort", () => {
    const all = [timeouts, latency];
    const both: Model = (random) => {
      const times = taking(1.1)(random);
      return timingOut(0.065, 0.05)(random).map((seat, i) => ({ ...seat, finality: times[i]?.finality }));
    };
    const { promote, abort } = rates(both, all);
    expect(promote).toBeLessThanOrEqual(0.05);
    expect(abort).toBeLessThanOrEqual(0.05);
  });
});

describe("in 30 windows", () => {
  test.each<[string, Model, Analysis]>([
    ["no timeouts at all", timingOut(0, 0), timeouts],
    ["timeouts as seldom as the others'", timingOut(0.005, 0.005), timeouts],
    ["latencies as the others'", taking(1), latency],
    ["shorter latencies", taking(0.8), latency],
  ])("%s: promoted in nearly all of the runs", (_, model, analysis) => {
    const { promote, abort } = rates(model, [analysis], 200);
    expect(promote).toBeGreaterThan(0.95);
    expect(abort).toBe(0);
  });

  test.each<[string, Model, Analysis]>([
    ["one view in ten timed out", timingOut(0.1, 0), timeouts],
    ["one view in sixteen, of a dozen in a window", timingOut(0.06, 0, 12), timeouts],
    ["twice as many timeouts in bursts", timingOut(0.24, 0.1, 100, bursts), timeouts],
    ["latencies longer by half", taking(1.5), latency],
  ])("%s: aborted in nearly all of the runs", (_, model, analysis) => {
    const { promote, abort } = rates(model, [analysis], 200);
    expect(abort).toBeGreaterThan(0.95);
    expect(promote).toBe(0);
  });
});

describe("never a success", () => {
  const thirty = (seats: (i: number) => readonly SeatWindow[], analysis: readonly Analysis[]) => {
    let tallies: readonly Tally[] = [];
    for (let i = 0; i < 30; i += 1) tallies = after(analysis, tallies, seats(i));
    return judge(analysis, tallies);
  };
  const good = (seat: string): SeatWindow => ({ seat, timeouts: { trials: 100, events: 0 }, lag: 0 });

  test("nothing to compare", () => {
    expect(judge([], []).kind).toBe("Inconclusive");
    expect(judge([timeouts], []).message).toBe("ViewTimeouts: nothing was observed on both sides.");
  });

  test.each<[string, readonly SeatWindow[]]>([
    ["no seat observed", []],
    ["the changed seat missing", others.map(good)],
    ["the others missing", [good("c")]],
    ["the changed seat without this metric", [{ seat: "c" }, ...others.map(good)]],
    ["no views", ["c", ...others].map((seat) => ({ seat, timeouts: { trials: 0, events: 0 } }))],
  ])("%s", (_, seats) => {
    expect(thirty(() => seats, [timeouts])).toMatchObject({ kind: "Inconclusive", findings: [{ windows: 0, p: 1 }] });
  });

  test("fewer samples than are asked for", () => {
    const few = (seat: string): SeatWindow => ({ seat, timeouts: { trials: 9, events: 0 } });
    const verdict = thirty(() => ["c", ...others].map(few), [timeouts]);
    expect(verdict.kind).toBe("Inconclusive");
    expect(verdict.message).toBe(
      "ViewTimeouts: 0.00 % against 0.00 % (n = 270 and 810 in 30 windows): too few, 300 on either side and 5 windows are the least.",
    );
  });

  test("one good metric beside one that was not observed", () => {
    expect(thirty(() => ["c", ...others].map(good), [timeouts, latency]).kind).toBe("Inconclusive");
    expect(thirty(() => ["c", ...others].map(good), [timeouts, lag]).kind).toBe("Promote");
  });
});

test("a lag that grows is an abort, and says so with its numbers", () => {
  const timeouts = { trials: 20, events: 0 };
  let tallies: readonly Tally[] = [];
  for (let i = 0; i < 30; i += 1)
    tallies = after([lag], tallies, [
      { seat: "c", timeouts, lag: 6 + (i % 3) },
      ...others.map((seat) => ({ seat, timeouts, lag: i % 2 })),
    ]);
  const { kind, message } = judge([lag], tallies);
  expect(kind).toBe("Abort");
  expect(message).toMatch(
    /^ExecutionLag: 7\.0 blocks against 0\.5 blocks \(n = 600 and 1800 in 30 windows\), worse than \+10 % and 1 block: t = \d+\.\d\d, p < 0\.0001\.$/,
  );
});
