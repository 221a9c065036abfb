import { describe, expect, test } from "vitest";
import type { Sample } from "../load/protocol.ts";
import { afterKill, longestGap } from "./leader-kill.ts";

describe("the longest gap", () => {
  test("counts from the last event before the interval and to the first after it", () => {
    expect(longestGap([0, 900, 1_500, 1_600, 2_400], 1_000, 2_000)).toBe(800);
    expect(longestGap([900, 1_400, 1_500, 9_999], 1_000, 2_000)).toBe(8_499);
  });

  test("does not depend on order, and leaves out what never came", () => {
    expect(longestGap([1_300, -1, 900, 1_100], 1_000, 1_400)).toBe(200);
  });

  test("of nothing at all is the whole interval", () => {
    expect(longestGap([], 1_000, 2_000)).toBe(1_000);
    expect(longestGap([-1, -1], 1_000, 2_000)).toBe(1_000);
  });

  test("does not see what was over before", () => {
    expect(longestGap([100, 990, 1_010, 1_020], 1_000, 1_020)).toBe(20);
  });
});

test("latencies after the kill are held against those right before it", () => {
  const killMs = 10_000;
  /** One message each 10 ms; it is accepted after 1 ms. */
  const samples: Sample[] = Array.from({ length: 2_000 }, (_, at) => {
    const intended = at * 10;
    const latency = intended < 5_000 ? 500 : intended < killMs ? 20 : 30;
    return { intended, accepted: intended + 1, final: intended + latency - 5, settled: intended + latency };
  });
  const values = new Map(afterKill(samples, killMs, 9_990).map(({ name, value }) => [name, value]));
  expect(values.get("due to settlement p50 before the kill")).toBe(20);
  expect(values.get("due to settlement p50 in the 20 s after")).toBe(30);
  expect(values.get("due to settlement p50 after the kill against before")).toBe(1.5);
  expect(values.get("acceptance to settlement p50 after the kill against before")).toBeCloseTo(29 / 19, 9);
  // Nothing is final between what came 15 ms after the last healthy message and 25 ms after the first other.
  expect(values.get("longest gap in commits after the kill")).toBe(20);
});
