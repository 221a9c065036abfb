import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { mutants } from "./mutants.ts";
import { patch } from "./patch.ts";
import { scenarios } from "./scenarios/all.ts";

const read = (file: string) => readFileSync(join(import.meta.dirname, "../../..", file), "utf8");

describe("mutants", () => {
  test.each(mutants)("$name still fits the source, each edit exactly once", ({ edits, scenario }) => {
    expect(patch(edits, read)).toMatchObject({ kind: "patched" });
    expect(scenarios.map(({ name }) => name)).toContain(scenario);
  });

  test("an edit that fits twice or nowhere is refused", () => {
    const source = () => "a b a";
    expect(patch([{ file: "x", search: "a", replace: "c" }], source).kind).toBe("stale");
    expect(patch([{ file: "x", search: "d", replace: "c" }], source).kind).toBe("stale");
    expect(patch([{ file: "x", search: "b", replace: "c" }], source)).toEqual({
      kind: "patched",
      files: new Map([["x", "a c a"]]),
    });
  });
});
