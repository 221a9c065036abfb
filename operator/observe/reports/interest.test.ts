import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { afterReport, dueAt, type Interest, noInterest, patientUntil } from "./interest.ts";
import type { Examined } from "./knowledge.ts";
import type { Words } from "./words.ts";

const words = (height: number, epoch = 0): Words => {
  return { role: "validator", voting: true, epoch, view: height, height, root: "", heard: [] };
};
const proven = (height: number, epoch = 0): Examined => {
  return { kind: "proven", header: { height, epoch }, trusted: {}, shadow: { kind: "absent" } } as Examined;
};
const refused: Examined = { kind: "refused", reason: "no" };
const resting = { learning: false, awaited: false, followings: 0 };

/** Asked at these times, with these answers. */
function asked(...answers: readonly (readonly [at: number, words: Words, examined: Examined | undefined])[]): Interest {
  let interest: Interest = noInterest;
  for (const [askedAt, said, examined] of answers) interest = afterReport({ ...interest, askedAt }, said, examined, 0);
  return interest;
}

describe("a pod is asked for a chain report", () => {
  const known = asked([1_000, words(100), proven(100)]);
  const cases = [
    { name: "at once when it never was", interest: noInterest, said: words(1), due: Number.NEGATIVE_INFINITY },
    { name: "never before its first block", interest: noInterest, said: words(0), due: undefined },
    { name: "not while it stands still", interest: known, said: words(100), due: undefined },
    { name: "after a minute when it only moved", interest: known, said: words(101), due: 61_000 },
    { name: "at once after many blocks", interest: known, said: words(356), due: 1_000 },
    { name: "at once in another epoch", interest: known, said: words(101, 1), due: 1_000 },
  ];
  test.each(cases)("$name", ({ interest, said, due }) => expect(dueAt(interest, said, resting)).toBe(due));

  test("sooner while a learner catches up, an outcome is awaited, or other transactions are followed", () => {
    expect(dueAt(known, words(116), { ...resting, learning: true })).toBe(1_000);
    expect(dueAt(known, words(115), { ...resting, learning: true })).toBe(61_000);
    expect(dueAt(known, words(101), { ...resting, awaited: true })).toBe(1_000);
    expect(dueAt(known, words(100), { ...resting, awaited: true })).toBeUndefined();
    expect(dueAt(known, words(100), { ...resting, followings: 1 })).toBe(1_000);
  });

  test("again until it shows the mismatch it says it has", () => {
    const diverged = { ...words(101), role: "quarantined" } as const;
    expect(dueAt(known, diverged, resting)).toBe(1_000);
    const without = asked([1_000, diverged, proven(101)]);
    expect(dueAt(without, diverged, resting)).toBe(1_000);
    const value = { height: 99, blocks: 9, payments: 9, mismatch: { height: 100, expected: "0", computed: "1" } };
    const shadow = { kind: "verified", value } as const;
    const shown = asked([1_000, diverged, { ...proven(101), shadow } as Examined]);
    expect(dueAt(shown, diverged, resting)).toBeUndefined();
  });

  test("again at once between two epochs, and ever less often while nothing bears out its words", () => {
    const between = asked([1_000, words(100, 1), proven(99)]);
    expect(patientUntil(between)).toBe(1_000);
    const long = asked([1_000, words(100, 1), proven(99)], [41_000, words(100, 1), proven(99)]);
    expect(patientUntil(long)).toBe(51_000);
    expect(dueAt(long, words(100, 1), resting)).toBe(51_000);
  });

  test("seldom after one that did not hold, and a good one forgives half", () => {
    const once = asked([0, words(5), refused]);
    expect(patientUntil(once)).toBe(10_000);
    const thrice = asked([0, words(5), refused], [10_000, words(5), refused], [30_000, words(5), refused]);
    expect(patientUntil(thrice)).toBe(70_000);
    const forgiven = afterReport({ ...thrice, askedAt: 70_000 }, words(5), proven(5), 0);
    expect(patientUntil(forgiven)).toBe(80_000);
  });
});

test("whatever a pod says and shows, an hour costs it at most one report in three seconds, and a liar's few", () => {
  const answer = fc.constantFrom<Examined | undefined>(
    undefined,
    refused,
    { kind: "nothing" },
    proven(1),
    proven(9, 9),
  );
  const said = fc.record({ height: fc.nat(1_000_000), epoch: fc.nat(5) });
  const hour = 3_600_000;
  const roundMs = 3_000;
  fc.assert(
    fc.property(fc.infiniteStream(answer), fc.infiniteStream(said), fc.boolean(), (answers, words_, lies) => {
      let interest = noInterest;
      let count = 0;
      for (let now = 0; now < hour; now += roundMs) {
        const { height, epoch } = words_.next().value;
        const due = dueAt(interest, words(height, epoch), { learning: true, awaited: true, followings: count });
        if (due === undefined || due > now) continue;
        const examined = lies ? refused : answers.next().value;
        interest = afterReport({ ...interest, askedAt: now }, words(height, epoch), examined, count);
        count += 1;
      }
      expect(count).toBeLessThanOrEqual(lies ? 18 : hour / roundMs);
    }),
    { numRuns: 30 },
  );
});
