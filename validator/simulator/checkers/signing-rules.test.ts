import { expect, test } from "vitest";
import { electorateOf } from "../electorate.ts";
import { checkSigningRules } from "./signing-rules.ts";
import {
  block,
  type Event,
  first,
  goodMember,
  hears,
  history,
  named,
  rival,
  says,
  second,
  skipping,
} from "./testing/histories.ts";

const rulesBroken = (events: readonly Event[], more = {}) =>
  checkSigningRules(history(events, more)).map(({ rule }) => rule);
const started: Event = { kind: "started", node: 1 };
const proposes = (hash: typeof first.hash): Event => ({ kind: "said-proposal", node: 1, block: hash });

test("a member that keeps to the rules passes, also when it says everything again after a restart", () => {
  const words = goodMember(1).filter(({ kind }) => kind === "said-vote");
  expect(rulesBroken([...goodMember(1), started, ...words])).toEqual([]);
});

test("rule 0: two proposals in a view are refused, across a restart too; the same bytes again are not", () => {
  expect(rulesBroken([proposes(second.hash), proposes(rival.hash)])).toEqual(["rule 0"]);
  expect(rulesBroken([proposes(second.hash), started, proposes(rival.hash)])).toEqual(["rule 0"]);
  expect(rulesBroken([proposes(second.hash), started, proposes(second.hash)])).toEqual([]);
});

test("rule 1: a second notarize in a view is refused, across a restart too", () => {
  const before = goodMember(1).slice(0, 5);
  expect(rulesBroken([...before, says(1, "notarize", 2, rival.hash)])).toEqual(["rule 1"]);
  expect(rulesBroken([...before, started, says(1, "notarize", 2, rival.hash)])).toEqual(["rule 1"]);
});

test("rule 2: nullify and finalize in one view are refused, in either order", () => {
  const good = goodMember(1);
  expect(rulesBroken([...good, says(1, "nullify", 2)])).toEqual(["rule 2"]);
  const before = good.slice(0, 8);
  expect(rulesBroken([...before, says(1, "nullify", 2), says(1, "finalize", 2, second.hash)])).toEqual(["rule 2"]);
});

test("rule 3: finalize without a notarization of the block is refused, and with one of less than a quorum", () => {
  const before = goodMember(1).slice(0, 5);
  const finalize = says(1, "finalize", 2, second.hash);
  expect(rulesBroken([...before, finalize])).toEqual(["rule 3"]);
  // Its own vote and one more are two of the three that it takes.
  expect(rulesBroken([...before, hears(1, "notarize", 2, second.hash, [0]), finalize])).toEqual(["rule 3"]);
  expect(rulesBroken([...before, hears(1, "notarize", 2, second.hash, [0, 2]), finalize])).toEqual([]);
  // Under powers 1 1 1 4 it takes 5.
  const electorates = new Map([[0, electorateOf([1, 1, 1, 4])]]);
  expect(rulesBroken([...before, hears(1, "notarize", 2, second.hash, [0, 2]), finalize], { electorates })).toContain(
    "rule 3",
  );
});

test("rule 4: a parent that is not notarized, a view between that is not nullified, and a parent of another view", () => {
  expect(rulesBroken([started, says(1, "notarize", 2, second.hash)])).toEqual(["rule 4"]);

  const skip = says(1, "notarize", 3, skipping.hash);
  const known = goodMember(1).slice(0, 4);
  expect(rulesBroken([...known, skip])).toEqual(["rule 4"]);
  expect(rulesBroken([...known, hears(1, "nullify", 2, undefined, [0, 2]), skip])).toEqual(["rule 4"]);
  expect(rulesBroken([...known, hears(1, "nullify", 2), skip])).toEqual([]);

  const lying = block({ view: 4, height: 2, parent: first.hash, parentView: 3 });
  const blocks = new Map([first, lying].map((made) => [made.hash, made]));
  expect(rulesBroken([...known, says(1, "notarize", 4, lying.hash)], { blocks })).toEqual(["rule 4"]);

  const orphan = block({ view: 1, height: 1, parent: named("another anchor"), parentView: 0 });
  const orphans = new Map([[orphan.hash, orphan]]);
  expect(rulesBroken([says(1, "notarize", 1, orphan.hash)], { blocks: orphans })).toEqual(["rule 4"]);
  expect(rulesBroken([says(1, "notarize", 1, named("unseen"))], { blocks: orphans })).toEqual(["rule 4"]);
});

test("rule 4: the parent may be final by a descendant's finalization", () => {
  const child = block({ view: 3, height: 2, parent: first.hash, parentView: 1 });
  const tip = block({ view: 4, height: 3, parent: child.hash, parentView: 3 });
  const blocks = new Map([first, child, tip].map((made) => [made.hash, made]));
  const next = block({ view: 5, height: 4, parent: tip.hash, parentView: 4 });
  blocks.set(next.hash, next);
  expect(rulesBroken([hears(1, "finalize", 4, tip.hash), says(1, "notarize", 5, next.hash)], { blocks })).toEqual([]);
});

test("rule 5: a first vote at or below the finalized view is refused; a restart forgets what was not durable", () => {
  const final: Event = { kind: "final", node: 1, height: 2, block: second.hash };
  const late = says(1, "nullify", 1);
  expect(rulesBroken([final, late])).toEqual(["rule 5"]);
  expect(rulesBroken([final, proposes(rival.hash)])).toEqual(["rule 5"]);
  expect(rulesBroken([final, started, late])).toEqual([]);
  // Finalize for the finalized block itself extends coverage.
  expect(rulesBroken([final, hears(1, "notarize", 2, second.hash), says(1, "finalize", 2, second.hash)])).toEqual([]);
});
