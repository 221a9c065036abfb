import { expect, test } from "vitest";
import { floorOf, links, meanFloor, oneWay, regions } from "./matrix.ts";

const all = { regions, count: 2 };

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
  expect(floorOf("eu-west", all)).toEqual({ final: 132, settled: 162 });
  // Without eu-west among those who tell, the second to have three is us-east, with eu-north's at 90 + 56 = 146, and the
  // second to have four is ap-south, with us-east's at 76 + 94 = 170.
  expect(floorOf("eu-west", { regions: regions.slice(1), count: 2 })).toEqual({ final: 146, settled: 170 });
});

test("no leader is nearer to finality than its own quorum, and settlement waits for every region", () => {
  for (const leader of regions) {
    const { final, settled } = floorOf(leader, all);
    expect(settled).toBeGreaterThanOrEqual(final);
    expect(final).toBeGreaterThan(2 * 20);
  }
  expect(meanFloor(all).settled).toBeGreaterThan(meanFloor(all).final);
});
