import { expect, test } from "vitest";
import { floorOf, links, meanFloor, oneWay, regions } from "./matrix.ts";

test("a delay is half of a round trip, whichever side dials", () => {
  expect(oneWay("eu-west", "us-east")).toBe(34);
  expect(oneWay("us-east", "eu-west")).toBe(34);
  expect(Object.keys(links())).toHaveLength(12);
  expect(links()["us-east.ap-south"]).toBe("delay=94ms");
});

test("three one-way delays of the quorum's slowest path, by hand", () => {
  // eu-west proposes; the others have it after 34 (us-east), 61 (ap-south) and 20 ms (eu-north). The third notarize vote is
  // with eu-west at 34 + 34 = 68, with us-east at 20 + 56 = 76, with ap-south at 20 + 71 = 91, with eu-north at 34 + 56 = 90.
  // The third finalize vote is with eu-west at 76 + 34 = 110, with eu-north at 76 + 56 = 132; the fourth, of ap-south, with
  // eu-west at 91 + 61 = 152, with eu-north at 91 + 71 = 162.
  expect(floorOf("eu-west", 2)).toEqual({ final: 132, settled: 162 });
});

test("no leader is nearer to finality than its own quorum, and settlement waits for every region", () => {
  for (const leader of regions) {
    const { final, settled } = floorOf(leader, 2);
    expect(settled).toBeGreaterThanOrEqual(final);
    expect(final).toBeGreaterThan(2 * 20);
  }
  expect(meanFloor(2).settled).toBeGreaterThan(meanFloor(2).final);
});
