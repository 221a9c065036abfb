/** `npm run bench`: measures four validator processes under load. `--help` tells the options, `docs/benchmarks.md` what the figures mean. */
import { mkdirSync, writeFileSync } from "node:fs";
import { alone } from "./figures/alone.ts";
import type { Figure, RunContext, Saturation } from "./figures/figure.ts";
import { latency } from "./figures/latency.ts";
import { saturation, screenSaturation } from "./figures/saturation.ts";
import { describeMachine, isInMemory, machineLoad } from "./machine.ts";
import { type BenchOptions, parseOptions, usage } from "./options.ts";
import { circumstances, collectRows, number, type Report, type RunRecord, table } from "./report.ts";

const figures: readonly Figure[] = [saturation, latency, alone];

const parsed = parseOptions(process.argv.slice(2));
if (parsed.kind === "help") console.log(usage);
else if (parsed.kind === "wrong") {
  console.error(`${parsed.reason}\n\n${usage}`);
  process.exitCode = 2;
} else process.exitCode = await bench(parsed.options);

async function bench(options: BenchOptions): Promise<number> {
  mkdirSync(options.directory, { recursive: true });
  if (isInMemory(options.directory)) {
    console.error(
      `${options.directory} is in memory: durable writes there cost nothing. Choose a disk with --directory.`,
    );
    return 2;
  }
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  process.once("SIGTERM", () => stop.abort());
  const progress = (line: string): void => console.error(line);
  let screened: Promise<Saturation> | undefined;
  const base = { ...options, signal: stop.signal, progress };
  const context: RunContext = {
    ...base,
    saturation: () => {
      screened ??= screenSaturation(base);
      return screened;
    },
  };

  const startedAt = new Date().toISOString();
  const runs: RunRecord[] = [];
  for (let run = 1; run <= options.runs; run++)
    for (const figure of figures.filter(({ letter }) => options.figures.includes(letter))) {
      if (stop.signal.aborted) return 130;
      const load = machineLoad();
      progress(`run ${run} of ${options.runs}, (${figure.letter}) ${figure.title}; load ${load.toFixed(2)}`);
      const { measurements, details } = await figure.run(context);
      for (const { name, value, unit } of measurements) progress(`  ${name}: ${number(value)} ${unit}`);
      runs.push({ figure: figure.letter, run, load, measurements, details });
    }

  const report: Report = {
    startedAt,
    machine: describeMachine(options.directory),
    warmupMs: options.warmupMs,
    measureMs: options.measureMs,
    rows: collectRows(runs),
    runs,
  };
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
  console.log([...circumstances(report), "", table(report.rows)].join("\n"));
  return 0;
}
