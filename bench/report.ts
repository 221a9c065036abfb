/** The figures of all runs, as JSON and as a table. */
import type { Goal, Measurement } from "./figures/figure.ts";
import type { Machine } from "./machine.ts";
import { type Spread, spread } from "./statistics.ts";

/** One run of one figure. */
export interface RunRecord {
  /** Who was measured. */
  readonly system: string;
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
  /** The peer's, when it was measured too. */
  readonly peer: Spread | undefined;
}

export interface Report {
  readonly startedAt: string;
  readonly systems: readonly { readonly name: string; readonly description: string }[];
  readonly machine: Machine;
  readonly warmupMs: number;
  readonly measureMs: number;
  readonly soakMs: number;
  readonly rows: readonly Row[];
  readonly runs: readonly RunRecord[];
}

interface Values {
  readonly figure: string;
  readonly first: Measurement;
  readonly ours: number[];
  readonly peers: number[];
}

/** One row a name, in the order in which names first came. */
export function collectRows(runs: readonly RunRecord[], ours: string): readonly Row[] {
  const rows = new Map<string, Values>();
  for (const { system, figure, measurements } of runs)
    for (const measurement of measurements) {
      const key = `${figure} ${measurement.name}`;
      const row = rows.get(key) ?? { figure, first: measurement, ours: [], peers: [] };
      (system === ours ? row.ours : row.peers).push(measurement.value);
      rows.set(key, row);
    }
  return [...rows.values()].map(({ figure, first, ours: values, peers }) => ({
    figure,
    name: first.name,
    unit: first.unit,
    goal: first.goal,
    spread: spread(values),
    peer: peers.length === 0 ? undefined : spread(peers),
  }));
}

/** A Markdown table: it reads well in a terminal too. */
export function table(rows: readonly Row[]): string {
  const compared = rows.some(({ peer }) => peer !== undefined);
  const spreadCells = ({ min, median, max }: Spread) => [number(min), number(median), number(max)];
  const cells = [
    [
      "",
      "figure",
      "unit",
      "min",
      "median",
      "max",
      "goal",
      ...(compared ? ["peer min", "median", "max", "ours / peer"] : []),
    ],
    ...rows.map(({ figure, name, unit, goal, spread: own, peer }) => [
      figure,
      name,
      unit,
      ...spreadCells(own),
      goal === undefined
        ? ""
        : `${goal.bound === "at-least" ? "≥" : "≤"} ${number(goal.value)}, ${verdict(goal, own.median)}`,
      ...(peer === undefined ? ["", "", "", ""] : [...spreadCells(peer), number(own.median / peer.median)]).slice(
        0,
        compared ? 4 : 0,
      ),
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

/** What was measured on what, and the table. */
export function render(report: Report): string {
  const { machine, runs, systems, startedAt, warmupMs, measureMs, rows } = report;
  const loads = runs.map(({ load }) => load.toFixed(2));
  return [
    ...systems.map(({ name, description }) => `- ${name}: ${description}`),
    `- ${startedAt}; ${machine.cores} cores (${machine.cpu}), ${Math.round(machine.memoryBytes / 2 ** 30)} GiB, Linux ${machine.kernel}, Node ${machine.node}, data on ${machine.filesystem}`,
    `- warm-up ${warmupMs / 1000} s, measured ${measureMs / 1000} s (e: ${report.soakMs / 1000} s), a fresh chain each run; load average before each run: ${loads.join(" ")}`,
    "",
    table(rows),
  ].join("\n");
}

/** Puts the text between the document's comments `<!-- bench -->` (or `<!-- bench peer -->`) and `<!-- /bench -->`. */
export function replaceTable(document: string, text: string, peer: string | undefined): string {
  const begin = peer === undefined ? "<!-- bench -->" : `<!-- bench ${peer} -->`;
  const from = document.indexOf(begin);
  const to = document.indexOf("<!-- /bench -->", from);
  if (from < 0 || to < 0) throw new Error(`the document has no ${begin} … <!-- /bench -->`);
  return `${document.slice(0, from + begin.length)}\n${text}\n${document.slice(to)}`;
}
