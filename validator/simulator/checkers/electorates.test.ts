import { expect, test } from "vitest";
import { electorateOf } from "../electorate.ts";
import { checkElectorates } from "./electorates.ts";
import { type Event, history } from "./testing/histories.ts";

const enters = (node: number, epoch: number, ...powers: readonly number[]): Event => ({
  kind: "epoch",
  node,
  epoch,
  powers,
});
const details = (events: readonly Event[]) =>
  checkElectorates(
    history(events, {
      electorates: new Map([
        [0, electorateOf([1, 1, 1, 1])],
        [1, electorateOf([1, 1, 1, 0])],
      ]),
    }),
  ).map(({ detail }) => detail);

test("a proven offender's power may go; two sets in one epoch may not be", () => {
  expect(details([enters(0, 1, 1, 1, 1, 0), enters(1, 1, 1, 1, 1, 0)])).toEqual([]);
  expect(details([enters(0, 1, 1, 1, 1, 0), enters(1, 1, 1, 1, 1, 1)])).toEqual([
    "1: epoch 1 has powers 1,1,1,1, elsewhere 1,1,1,0",
  ]);
});

test("nobody correct loses power, and no more than F moves at once", () => {
  expect(details([enters(0, 1, 1, 1, 0, 1)])).toContain("0: 2 lost power with epoch 1 and did nothing wrong");
  expect(details([enters(0, 1, 1, 1, 0, 0)])).toContain("0: epoch 1 moves 2 power, F is 1");
});
