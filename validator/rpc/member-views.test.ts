/** What a validator can say of the others' views. */
import { describe, expect, test } from "vitest";
import { seatIndex, type VoteKind, view as viewOf, zeroDigest } from "../consensus/types.ts";
import type { DriverEvent } from "../driver/services.ts";
import { createMemberViews, judgedAfter } from "./member-views.ts";

const vote = (seat: string | undefined, kind: VoteKind, view: number): DriverEvent => ({
  kind: "vote-received",
  block: zeroDigest,
  from: "peer",
  seat,
  vote: kind,
  epoch: 0,
  view,
});
const enters = (view: number): DriverEvent => ({
  kind: "consensus",
  event: { kind: "entered-view", view: viewOf(view), leader: seatIndex(0) },
});

/** Everything that is said of the first view, and of `ann` and `bob` alone. */
function saidOfFirst(...events: readonly DriverEvent[]) {
  const hear = createMemberViews(["ann", "bob"]);
  const closing = Array.from({ length: judgedAfter }, (_, i) => enters(i + 2));
  return [enters(1), ...events, ...closing].flatMap(hear).map(({ member, outcome }) => `${member} ${outcome}`);
}

describe("a view is judged once, when it lies some views back", () => {
  test.each<[string, readonly DriverEvent[], string]>([
    ["a vote for its block", [vote("ann", "notarize", 1)], "ann voted"],
    ["its finalization alone", [vote("ann", "finalize", 1)], "ann voted"],
    ["a vote for its end", [vote("ann", "nullify", 1)], "ann gave-up"],
    ["the block first, then the end", [vote("ann", "notarize", 1), vote("ann", "nullify", 1)], "ann voted"],
    ["votes said again", [vote("ann", "nullify", 1), vote("ann", "nullify", 1)], "ann gave-up"],
    ["a late vote", [enters(2), enters(9), vote("ann", "notarize", 1)], "ann voted"],
    ["a vote of no member", [vote(undefined, "notarize", 1)], "ann missed"],
    ["a vote about a region", [vote("ann", "sight", 1)], "ann missed"],
    ["no vote", [], "ann missed"],
  ])("%s", (_, events, said) => {
    expect(saidOfFirst(...events)).toEqual([said, "bob missed"]);
  });
});

test("who votes ahead of this validator is remembered, who votes far ahead is not", () => {
  const hear = createMemberViews(["ann"]);
  const events = [enters(1), vote("ann", "notarize", 2), vote("ann", "notarize", 1_000), enters(2), enters(1_000)];
  expect(events.flatMap(hear).map(({ outcome }) => outcome)).toEqual(["missed", "voted"]);
  // The thousandth view was entered after the vote for it: it is remembered from then on alone.
  expect(hear(enters(1_000 + judgedAfter)).map(({ outcome }) => outcome)).toEqual(["missed"]);
});

test("an epoch brings its own members and counts its views anew", () => {
  const hear = createMemberViews(["ann"]);
  for (const event of [enters(1), enters(2)]) expect(hear(event)).toEqual([]);
  expect(hear({ kind: "epoch", epoch: 1, powers: [1, 1], others: ["cyd"] })).toEqual([]);
  expect([enters(1), enters(1 + judgedAfter)].flatMap(hear)).toEqual([{ member: "cyd", outcome: "missed" }]);
});
