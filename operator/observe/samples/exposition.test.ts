/** The text that validators serve, and what is no such text. */
import fc from "fast-check";
import { Counter, Histogram, Registry } from "prom-client";
import { expect, test } from "vitest";
import { parseExposition } from "./exposition.ts";

const wanted = new Set(["a_total", "b_seconds_bucket"]);

test("what prom-client writes is read, whatever is in its labels", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: "binary" }), fc.nat({ max: 1_000_000 }), async (peer, by) => {
      const registers = [new Registry()];
      const counter = new Counter({ name: "a_total", help: "a", labelNames: ["peer"], registers });
      const histogram = new Histogram({ name: "b_seconds", help: "b", buckets: [0.001, 1], registers });
      counter.inc({ peer }, by);
      histogram.observe(0.5);
      const parsed = parseExposition((await registers[0]?.metrics()) ?? "", wanted);
      expect(parsed).toEqual({
        kind: "samples",
        samples: [
          { name: "a_total", labels: { peer }, value: by },
          { name: "b_seconds_bucket", labels: { le: "0.001" }, value: 0 },
          { name: "b_seconds_bucket", labels: { le: "1" }, value: 1 },
          { name: "b_seconds_bucket", labels: { le: "+Inf" }, value: 1 },
        ],
      });
    }),
    { numRuns: 50 },
  );
});

test.each([
  "a_total",
  "a_total ",
  "a_total one",
  "a_total NaN",
  "a_total +Inf",
  "a_total 1 2 3",
  'a_total{peer=x"} 1',
  'a_total{peer="x} 1',
  'a_total{peer="\\x"} 1',
  'a_total{peer="x"',
])("%j is refused", (line) => {
  expect(parseExposition(`# HELP a_total a\n${line}\n`, wanted)).toEqual({
    kind: "refused",
    reason: "line 2 is no sample",
  });
});

test("what nobody asked for may be anything", () => {
  expect(parseExposition('# x\nother{"} y\n\na_total 1 1700000000000\n', wanted)).toEqual({
    kind: "samples",
    samples: [{ name: "a_total", labels: {}, value: 1 }],
  });
});

test("it is bounded, and fails on nothing", () => {
  expect(parseExposition("\n".repeat(20_000), wanted).kind).toBe("refused");
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(["samples", "refused"]).toContain(parseExposition(`a_total${text}`, wanted).kind);
    }),
  );
});
