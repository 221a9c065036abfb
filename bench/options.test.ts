import { expect, test } from "vitest";
import { parseOptions } from "./options.ts";

function figuresOf(...args: string[]): readonly string[] {
  const parsed = parseOptions(args);
  return parsed.kind === "run" ? parsed.options.figures : [];
}

test("without options: every figure, three runs; with a peer: the figures that it can do", () => {
  const parsed = parseOptions([]);
  expect(parsed).toMatchObject({ kind: "run", options: { runs: 3, peer: undefined } });
  expect(figuresOf()).toEqual(["a", "b", "c", "d", "e", "f"]);
  expect(figuresOf("--peer", "cometbft")).toEqual(["a", "b", "c", "f"]);
  expect(figuresOf("--figure", "c, a", "--peer", "cometbft")).toEqual(["c", "a"]);
});

test.each([
  [["--figure", "a,x"], "no figure x"],
  [["--peer", "other"], "--peer is cometbft"],
  [["--runs", "0"], "--runs"],
  [["--runs", "1.5"], "--runs"],
  [["--seconds", "soon"], "--seconds"],
  [["--soak", "0"], "--soak"],
  [["--port-base", "x"], "--port-base"],
  [["--nonsense"], "--nonsense"],
  [["stray"], "stray"],
])("%j is wrong, and the reason names it", (args, reason) => {
  const parsed = parseOptions(args);
  expect(parsed.kind === "wrong" ? parsed.reason : parsed.kind).toContain(reason);
});
