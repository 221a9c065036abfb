import { expect, test } from "vitest";
import { doubleVotes } from "./votes.ts";

const line = (vote: string, block: string, view = 7, peerId = "ann") =>
  JSON.stringify({ event: "vote-received", peerId, vote, epoch: 1, view, block });
const heard = (...lines: readonly (readonly string[])[]) => new Map(lines.map((each, i) => [`log ${i}`, each]));

test("two logs may each hold one half of a double vote", () => {
  expect(doubleVotes(heard([line("notarize", "a")], [line("notarize", "b")]))).toHaveLength(1);
  expect(doubleVotes(heard([line("nullify", "0")], [line("finalize", "a")]))).toHaveLength(1);
});

test("the same vote again, one of each kind, other views and other members are none", () => {
  const votes = [line("notarize", "a"), line("finalize", "a"), line("suspect", "c"), line("suspect", "d")];
  const elsewhere = [line("notarize", "b", 8), line("nullify", "0", 8), line("notarize", "b", 7, "bob")];
  expect(doubleVotes(heard(votes, [...votes, ...elsewhere]))).toEqual([]);
});
