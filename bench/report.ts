/** The figures of all runs: rows, and the document around them. The table and the JSON show the same rows. */
import type { Goal, Measurement } from "./figures/figure.ts";
import type { Machine } from "./machine.ts";
import { type Spread, spread } from "./statistics.ts";
import { table } from "./table.ts";

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
  /** Why there are no measurements. */
  readonly failed?: string;
}

export interface Row {
  readonly figure: string;
  readonly name: string;
  readonly unit: string;
  readonly goal: Goal | undefined;
  readonly spread: Spread;
  readonly peers: readonly PeerValues[];
}

/** What a peer did in the same runs. */
export interface PeerValues {
  readonly system: string;
  readonly spread: Spread;
  /** Ours divided by the peer's, run by run: each pair was measured one right after the other. */
  readonly ratio: Spread;
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
  /** Value by run, by system. */
  readonly bySystem: Map<string, Map<number, number>>;
}

/** One row a name, in the order in which names first came; peers in the order in which they were measured first. */
export function collectRows(runs: readonly RunRecord[], ours: string): readonly Row[] {
  const all = new Map<string, Values>();
  for (const { system, figure, run, measurements } of runs)
    for (const measurement of measurements) {
      const key = `${figure} ${measurement.name}`;
      const values = all.get(key) ?? { figure, first: measurement, bySystem: new Map() };
      const byRun = values.bySystem.get(system) ?? new Map<number, number>();
      values.bySystem.set(system, byRun.set(run, measurement.value));
      all.set(key, values);
    }
  return [...all.values()].map(({ figure, first: { name, unit, goal }, bySystem }) => {
    const own = bySystem.get(ours) ?? new Map<number, number>();
    const peers = [...bySystem].filter(([system]) => system !== ours);
    return {
      figure,
      name,
      unit,
      goal,
      spread: spread([...own.values()]),
      peers: peers.map(([system, theirs]) => ({
        system,
        spread: spread([...theirs.values()]),
        ratio: spread([...own].flatMap(([run, value]) => (theirs.has(run) ? [value / (theirs.get(run) ?? 0)] : []))),
      })),
    };
  });
}

/** What was measured on what, and the table. */
export function render(report: Report): string {
  const { machine, runs, systems, startedAt, warmupMs, measureMs, rows } = report;
  const loads = runs.map(({ load }) => load.toFixed(2));
  const failures = runs.flatMap(({ system, figure, run, failed }) =>
    failed === undefined ? [] : [`- run ${run} of ${system}, (${figure}), failed and is not counted: ${failed}`],
  );
  return [
    ...systems.map(({ name, description }) => `- ${name}: ${description}`),
    `- ${startedAt}; ${machine.cores} cores (${machine.cpu}), ${Math.round(machine.memoryBytes / 2 ** 30)} GiB, Linux ${machine.kernel}, Node ${machine.node}, data on ${machine.filesystem}`,
    `- warm-up ${warmupMs / 1000} s, measured ${measureMs / 1000} s (e: ${report.soakMs / 1000} s), a fresh chain each run; load average before each run: ${loads.join(" ")}`,
    ...failures,
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
