import { expect, test } from "vitest";
import { checkAgreement } from "./agreement.ts";
import { type Event, first, history, named, rival, second } from "./testing/histories.ts";

const details = (events: readonly Event[]) => checkAgreement(history(events)).map(({ detail }) => detail);
const final = (node: number, height: number, block = first.hash): Event => ({ kind: "final", node, height, block });
const executed = (node: number, root: string): Event => ({ kind: "executed", node, height: 1, root: named(root) });
const settled = (node: number, receipts: string): Event => ({
  kind: "settled",
  node,
  height: 1,
  receipts,
  messages: [],
});

test("members that commit, execute and settle the same agree, also when one says it twice", () => {
  expect(
    details([
      final(0, 1),
      final(1, 1),
      final(1, 1),
      executed(0, "a"),
      executed(1, "a"),
      settled(0, "receipts"),
      settled(2, "receipts"),
    ]),
  ).toEqual([]);
});

test("two final blocks at a height are refused, on two members and on one", () => {
  expect(details([final(0, 2, second.hash), final(1, 2, rival.hash)])).toHaveLength(1);
  expect(details([final(0, 2, second.hash), final(0, 2, rival.hash)])).toHaveLength(1);
});

test("two roots, two receipts, or a member in quarantine are refused", () => {
  expect(details([executed(0, "a"), executed(2, "b")])).toHaveLength(1);
  expect(details([settled(0, "one"), settled(1, "another")])).toHaveLength(1);
  expect(details([{ kind: "quarantined", node: 1, height: 4 }])).toEqual([
    "1 quarantined itself: a quorum certified another root at 4",
  ]);
});
