import { describe, expect, test } from "vitest";
import { collectRows, type Report, type RunRecord, render, replaceTable } from "./report.ts";
import { number, table } from "./table.ts";

const goal = { bound: "at-most", value: 12 } as const;

function record(system: string, run: number, value: number): RunRecord {
  const measurements = [{ name: "one alone", value, unit: "ms", goal }];
  return { system, figure: "c", run, load: 0.5, measurements, details: undefined };
}

const runs = [
  record("ours", 1, 10),
  record("peer", 1, 20),
  record("peer", 2, 60),
  record("ours", 2, 12),
  record("ours", 3, 14),
  record("peer", 3, 35),
];

describe("rows", () => {
  test("compare run by run: the median of the ratios, not the ratio of the medians", () => {
    const [row] = collectRows(runs, "ours");
    expect(row?.spread).toEqual({ min: 10, median: 12, max: 14, runs: [10, 12, 14] });
    expect(row?.peers[0]?.spread.median).toBe(35);
    expect(row?.peers[0]?.ratio).toEqual({ min: 0.2, median: 0.4, max: 0.5, runs: [0.5, 0.2, 0.4] });
  });

  test("leave a failed run out on both sides of the ratio", () => {
    const failed = { ...record("peer", 2, 0), measurements: [], failed: "3 messages did not settle" };
    const [row] = collectRows([...runs.filter(({ system, run }) => system === "ours" || run !== 2), failed], "ours");
    expect(row?.peers[0]?.spread.runs).toEqual([20, 35]);
    expect(row?.peers[0]?.ratio.runs).toEqual([0.5, 0.4]);
  });

  test("of one name in two figures stay apart, in the order in which they came", () => {
    const rows = collectRows([record("ours", 1, 10), { ...record("ours", 1, 11), figure: "f" }], "ours");
    expect(rows.map(({ figure, spread }) => [figure, spread.median])).toEqual([
      ["c", 10],
      ["f", 11],
    ]);
  });
});

describe("the table", () => {
  test("has the peer's columns only when there is one", () => {
    expect(table(collectRows(runs.slice(0, 1), "ours"))).toBe(
      [
        "|   | figure    | unit | ours, min / median / max | goal      |",
        "|---|-----------|------|--------------------------|-----------|",
        "| c | one alone | ms   | 10 / 10 / 10             | ≤ 12, met |",
      ].join("\n"),
    );
  });

  test("has a line for each peer", () => {
    const both = [...runs, record("other set-up", 1, 5)];
    expect(table(collectRows(both, "ours")).split("\n").slice(2)).toEqual([
      "| c | one alone | ms   | 10 / 12 / 14             | ≤ 12, met | peer         | 20 / 35 / 60           | 0.2 / 0.4 / 0.5                 |",
      "| c | one alone | ms   | 10 / 12 / 14             | ≤ 12, met | other set-up | 5 / 5 / 5              | 2 / 2 / 2                       |",
    ]);
  });

  test("writes numbers short", () => {
    expect([0, 0.123456, 12.345, 999.4, 123_456.7, -0.5, Number.NaN, Number.POSITIVE_INFINITY].map(number)).toEqual([
      "0",
      "0.123",
      "12.3",
      "999",
      "123,457",
      "-0.5",
      "–",
      "–",
    ]);
  });
});

describe("the document", () => {
  const report: Report = {
    startedAt: "2026-01-01T00:00:00.000Z",
    systems: [{ name: "ours", description: "this project" }],
    machine: { cpu: "a CPU", cores: 2, memoryBytes: 2 ** 33, kernel: "6.1", node: "v24", filesystem: "ext4" },
    warmupMs: 5_000,
    measureMs: 12_000,
    soakMs: 60_000,
    rows: collectRows(runs.slice(0, 1), "ours"),
    runs: [record("ours", 1, 10), { ...record("ours", 2, 0), measurements: [], failed: "a message was refused" }],
  };

  test("says the machine, its load before each run, and what failed", () => {
    const text = render(report);
    expect(text).toContain("2 cores (a CPU), 8 GiB, Linux 6.1, Node v24, data on ext4");
    expect(text).toContain("load average before each run: 0.50 0.50");
    expect(text).toContain("- run 2 of ours, (c), failed and is not counted: a message was refused");
    expect(text).toContain(table(report.rows));
  });

  test("goes between its own two comments and nowhere else", () => {
    const document = "# B\n<!-- bench -->\nold\n<!-- /bench -->\ntext\n<!-- bench cometbft -->\n<!-- /bench -->\n";
    expect(replaceTable(document, "new", "cometbft")).toBe(
      "# B\n<!-- bench -->\nold\n<!-- /bench -->\ntext\n<!-- bench cometbft -->\nnew\n<!-- /bench -->\n",
    );
    expect(replaceTable(document, "new", undefined)).toContain("<!-- bench -->\nnew\n<!-- /bench -->\ntext");
    expect(() => replaceTable("# B", "new", undefined)).toThrow("<!-- bench -->");
  });
});
