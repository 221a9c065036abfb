import fc from "fast-check";
import { expect, test } from "vitest";
import { readForecast } from "./forecast.ts";
import { fair } from "./lane.ts";

const a = { pod: "quick-eu-0-g1", seat: "eu-0", region: "eu" };
const b = { pod: "quick-us-0-g2", seat: "us-0", region: "us" };
const c = { pod: "quick-us-1-g1", seat: "us-1", region: "us" };

test("speaks of pods, seats, regions and any, in one direction", () => {
  const forecast = readForecast({ "eu.us": "delay=40ms", "any.us-1": "rate=1000", "quick-us-0-g2.eu-0": "cut" });
  expect(forecast.problems).toEqual([]);
  expect(forecast.of(a, b)).toEqual({ ...fair, delayMs: 40 });
  expect(forecast.of(a, c)).toEqual({ cut: false, delayMs: 40, bytesPerSecond: 1_000 });
  expect(forecast.of(b, a)).toEqual({ ...fair, cut: true });
  expect(forecast.of(c, a)).toEqual(fair);
});

test("of several entries the worst counts", () => {
  const forecast = readForecast({
    "eu.us": "delay=40ms,rate=5000",
    "any.any": "delay=10, rate=9000",
    "eu.any": "rate=1000",
  });
  expect(forecast.of(a, b)).toEqual({ cut: false, delayMs: 40, bytesPerSecond: 1_000 });
});

test.each([
  [{ eu: "cut" }, '"eu" is no pair: write from.to'],
  [{ "eu.us.ap": "cut" }, '"eu.us.ap" is no pair: write from.to'],
  [{ "eu.us": "cut=1" }, '"eu.us": "cut=1" is not cut, delay=80ms or rate=250000'],
  [{ "eu.us": "delay" }, '"eu.us": "delay" is not cut, delay=80ms or rate=250000'],
  [{ "eu.us": "rate=0" }, '"eu.us": "rate=0" is not cut, delay=80ms or rate=250000'],
  [{ "eu.us": "delay=700000ms" }, '"eu.us": "delay=700000ms" is not cut, delay=80ms or rate=250000'],
  [{ "eu.us": 7 }, '"eu.us": it is no text'],
])("%j is said to be wrong, and changes nothing", (data, problem) => {
  const forecast = readForecast(data);
  expect(forecast.problems).toEqual([problem]);
  expect(forecast.of(a, b)).toEqual(fair);
});

test("reads anything without failing", () => {
  fc.assert(
    fc.property(fc.anything(), (data) => {
      const { cut, delayMs, bytesPerSecond } = readForecast(data).of(a, b);
      expect([typeof cut, Number.isFinite(delayMs), Number.isFinite(bytesPerSecond)]).toEqual(["boolean", true, true]);
    }),
  );
});
