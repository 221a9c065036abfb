/** The figures of all runs, as JSON and as a table. */
import type { Goal, Measurement } from "./figures/figure.ts";
import type { Machine } from "./machine.ts";
import { type Spread, spread } from "./statistics.ts";

/** One run of one figure. */
export interface RunRecord {
  readonly figure: string;
  readonly run: number;
  /** The machine's load average of a minute, before the run. */
  readonly load: number;
  readonly measurements: readonly Measurement[];
  readonly details: unknown;
}

export interface Row {
  readonly figure: string;
  readonly name: string;
  readonly unit: string;
  readonly goal: Goal | undefined;
  readonly spread: Spread;
}

export interface Report {
  readonly startedAt: string;
  readonly machine: Machine;
  readonly warmupMs: number;
  readonly measureMs: number;
  readonly rows: readonly Row[];
  readonly runs: readonly RunRecord[];
}

/** One row a name, in the order in which names first came. */
export function collectRows(runs: readonly RunRecord[]): readonly Row[] {
  const rows = new Map<string, { readonly figure: string; readonly first: Measurement; readonly values: number[] }>();
  for (const { figure, measurements } of runs)
    for (const measurement of measurements) {
      const key = `${figure} ${measurement.name}`;
      const row = rows.get(key) ?? { figure, first: measurement, values: [] };
      row.values.push(measurement.value);
      rows.set(key, row);
    }
  return [...rows.values()].map(({ figure, first, values }) => ({
    figure,
    name: first.name,
    unit: first.unit,
    goal: first.goal,
    spread: spread(values),
  }));
}

/** A Markdown table: it reads well in a terminal too. */
export function table(rows: readonly Row[]): string {
  const cells = [
    ["", "figure", "min", "median", "max", "unit", "goal"],
    ...rows.map(({ figure, name, unit, goal, spread: { min, median, max } }) => [
      figure,
      name,
      number(min),
      number(median),
      number(max),
      unit,
      goal === undefined
        ? ""
        : `${goal.bound === "at-least" ? "≥" : "≤"} ${number(goal.value)}, ${verdict(goal, median)}`,
    ]),
  ];
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => (row[column] ?? "").length)));
  const line = (row: readonly string[]) => `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(" | ")} |`;
  const [head = [], ...body] = cells;
  return [line(head), `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...body.map(line)].join("\n");
}

function verdict({ bound, value }: Goal, median: number): string {
  return (bound === "at-least" ? median >= value : median <= value) ? "met" : "missed";
}

/** Three significant digits, all digits of larger whole numbers. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return "–";
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(3)));
}

/** What the figures were measured on, one line each. */
export function circumstances({ machine, runs, startedAt, warmupMs, measureMs }: Report): readonly string[] {
  const loads = runs.map(({ load }) => load.toFixed(2));
  return [
    `${startedAt}; ${machine.cores} cores (${machine.cpu}), ${Math.round(machine.memoryBytes / 2 ** 30)} GiB, Linux ${machine.kernel}, Node ${machine.node}, data on ${machine.filesystem}`,
    `warm-up ${warmupMs / 1000} s, measured ${measureMs / 1000} s, a fresh chain each run; load average before each run: ${loads.join(" ")}`,
  ];
}
