import { expect, test } from "vitest";
import { createRootAgreement } from "./root-agreement.ts";

test("a height counts once every seat has reported the same root there", () => {
  const agreement = createRootAgreement();
  agreement.report("a", 5, "r5");
  agreement.report("b", 5, "r5");
  expect(agreement.agreed(["a", "b", "c"])).toBe(0);
  agreement.report("c", 4, "r4");
  expect(agreement.agreed(["a", "b", "c"])).toBe(0);
  expect(agreement.report("c", 5, "r5")).toBeUndefined();
  expect(agreement.agreed(["a", "b", "c"])).toBe(5);
});

test("a contradiction names its height, and that height never counts as agreed", () => {
  const agreement = createRootAgreement();
  agreement.report("a", 5, "r5");
  expect(agreement.report("b", 5, "other")).toBe(5);
  expect(agreement.agreed(["a", "b"])).toBe(0);
});

test("old heights are forgotten, new ones are not", () => {
  const agreement = createRootAgreement();
  for (let height = 1; height <= 2_000; height++)
    for (const seat of ["a", "b"]) agreement.report(seat, height, `r${height}`);
  // Height 1 is forgotten: another root there is news, not a contradiction.
  expect(agreement.report("a", 1, "other")).toBeUndefined();
  expect(agreement.report("a", 2_000, "other")).toBe(2_000);
});
