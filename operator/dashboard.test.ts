import { expect, test } from "vitest";
import { picture, plainLine } from "./dashboard.ts";
import { createFleetState } from "./embedded/fleet-state.ts";
import type { LiveFigures } from "./embedded/live.ts";
import type { SeatStatus } from "./embedded/seat-status.ts";
import type { Seat } from "./embedded/seats.ts";

const seat = (region: string): Seat => ({
  name: `s-${region}-0`,
  identity: `s-${region}-0-g1`,
  region,
  power: 1,
  zones: [],
});
const status = (part: Partial<SeatStatus>): SeatStatus => ({
  seat: "",
  region: "",
  epoch: 0,
  view: 12,
  finalizedHeight: 10,
  settledHeight: 9,
  executedHeight: 9,
  stateRoot: "0123456789abcdef",
  role: "validator",
  voting: true,
  notReady: "",
  queuedPayments: 0,
  settledPayments: 26,
  degradedRegions: ["us"],
  peers: [],
  leader: "",
  timeouts: 0,
  settlementP50: 0,
  settlementP99: 0,
  blockTime: 0,
  block: "",
  blockPayments: 0,
  blockView: 0,
  ...part,
});
const figures: LiveFigures = {
  time: 0,
  view: 12,
  height: 10,
  settledHeight: 9,
  paymentsPerSecond: 1234.5,
  blocksPerSecond: 2.04,
  p50: 8.42,
  p99: 23.7,
  settledPayments: 26,
  votingPower: 1,
  totalPower: 2,
  faultPower: 0,
  quorum: 2,
  degradedRegions: ["us"],
};
// biome-ignore lint/suspicious/noControlCharactersInRegex: colours are not what is tested
const plain = (line: string) => line.replace(/\u001b\[\d+m/g, "");

test("a log gets one line that says it all", () => {
  expect(plainLine(figures)).toBe(
    "view 12  height 10  settled 9  finality p50 8.4 ms p99 24 ms  1235 payments/s  voting 1/2  not waiting for us",
  );
  expect(plainLine({ ...figures, p50: undefined, degradedRegions: [] })).toContain("p50 – p99 24 ms");
});

test("the picture shows each region with its seat, who is down and why", () => {
  const state = createFleetState([seat("eu"), seat("us")]);
  state.reported("s-eu-0", status({}));
  state.lost("s-us-0", "connection refused");
  const endpoints = {
    chainId: "",
    gateway: "",
    console: "http://127.0.0.1:7401",
    seats: [],
  };
  expect(picture({ state, endpoints }, figures).map(plain)).toEqual([
    "",
    "views 12   height 10, settled 9   blocks/s 2.0   finality p50 8.4 ms, p99 24 ms   payments/s 1235",
    "",
    "region  settlement      seat    power  state   view  height  state root",
    "eu      required        s-eu-0      1  voting    12      10  0123456789ab",
    "us      not waited for  s-us-0      1  down                                connection refused",
    "",
    expect.stringMatching(/^http:\/\/127\.0\.0\.1:7401 {2}the page/),
  ]);
});

test("waiting ends with the change that makes it true, and a contradiction is remembered", async () => {
  const state = createFleetState([seat("eu"), seat("us")]);
  const both = state.until(() => state.seats().every(({ reachable }) => reachable));
  state.reported("s-eu-0", status({}));
  state.reported("s-us-0", status({ stateRoot: "" }));
  await both;
  expect([state.agreedHeight(), state.divergedAt()]).toEqual([0, undefined]);
  state.reported("s-us-0", status({}));
  expect(state.agreedHeight()).toBe(9);
  state.reported("s-us-0", status({ stateRoot: "ffff" }));
  expect(state.divergedAt()).toBe(9);
});
