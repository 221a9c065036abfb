/** What seats did between two readings, and what cannot be told. */
import { expect, test } from "vitest";
import type { MemberViews, Reading } from "./reading.ts";
import { windowBetween } from "./windows.ts";

const seats = ["ann", "bob", "cyd", "dan"];
/** `views`: what it says of each other seat. */
function reading(seat: string, views: (of: string) => MemberViews, more: Partial<Reading> = {}): Reading {
  return {
    seat,
    podUid: `pod of ${seat}`,
    began: 1,
    views: new Map(seats.filter((each) => each !== seat).map((each) => [each, views(each)])),
    finality: { bounds: [1, 2], counts: [0, 0, 0] },
    messages: { accepted: 0, rejected: 0 },
    lag: 0,
    ...more,
  };
}
const nothing = () => ({ voted: 0, gaveUp: 0, missed: 0 });
const all = () => ({ voted: 100, gaveUp: 0, missed: 0 });
const before = { at: 1_000, readings: seats.map((seat) => reading(seat, nothing)) };
const after = (...changed: readonly Reading[]) => ({
  at: 3_000,
  readings: seats.map((seat) => changed.find((each) => each.seat === seat) ?? reading(seat, all)),
});
const seen = (seat: string, ...changed: readonly Reading[]) =>
  windowBetween(before, after(...changed)).seats.find((each) => each.seat === seat);

test("differences of counters", () => {
  const busy = reading("ann", all, {
    finality: { bounds: [1, 2], counts: [5, 3, 1] },
    messages: { accepted: 9, rejected: 1 },
    lag: 4,
  });
  expect(windowBetween(before, after(busy))).toMatchObject({ from: 1_000, to: 3_000 });
  expect(seen("ann", busy)).toEqual({
    seat: "ann",
    timeouts: { trials: 100, events: 0 },
    missed: { trials: 100, events: 0 },
    rejections: { trials: 10, events: 1 },
    finality: { bounds: [1, 2], counts: [5, 3, 1] },
    lag: 4,
  });
});

test("a seat is judged by the one in the middle of its peers, not by itself", () => {
  const gaveUp = (of: string) => (of === "ann" ? { voted: 60, gaveUp: 30, missed: 10 } : all());
  const share = { timeouts: { trials: 100, events: 30 }, missed: { trials: 100, events: 10 } };
  expect(seen("ann", reading("bob", gaveUp), reading("cyd", gaveUp))).toMatchObject(share);
  // One liar of three observers moves nothing, for better or for worse.
  expect(seen("ann", reading("bob", gaveUp))).toMatchObject({ timeouts: { trials: 100, events: 0 } });
});

test.each<[string, Partial<Reading>]>([
  ["another pod", { podUid: "another" }],
  ["a process that began anew", { began: 2 }],
])("%s did nothing that counts", (_, more) => {
  expect(seen("ann", reading("ann", all, more))).toBeUndefined();
});

test("a seat that was not read at both ends did nothing that counts", () => {
  const without = { ...before, readings: before.readings.slice(1) };
  expect(windowBetween(without, after()).seats.map(({ seat }) => seat)).toEqual(["bob", "cyd", "dan"]);
  expect(windowBetween(before, { at: 3_000, readings: [] }).seats).toEqual([]);
});

test.each<[string, Partial<Reading>, string]>([
  ["a histogram that went back", { finality: { bounds: [1, 2], counts: [-1, 3, 1] } }, "finality"],
  ["a histogram of other bounds", { finality: { bounds: [1, 3], counts: [5, 3, 1] } }, "finality"],
  ["no histogram", { finality: undefined }, "finality"],
  ["messages that went back", { messages: { accepted: -1, rejected: 0 } }, "rejections"],
  ["no heights", { lag: undefined }, "lag"],
])("%s is left out, and nothing else with it", (_, more, field) => {
  const left = Object.entries(seen("ann", reading("ann", all, more)) ?? {}).filter(([, value]) => value === undefined);
  expect(left.map(([name]) => name)).toEqual([field]);
});

test("views that nobody saw pass are no views", () => {
  const none = windowBetween(before, { ...before, at: 3_000 });
  expect(none.seats.map(({ timeouts, missed }) => [timeouts, missed])).toEqual(seats.map(() => [undefined, undefined]));
});
