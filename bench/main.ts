/** `npm run bench`: measures four validator processes under load. `--help` tells the options, `docs/benchmarks.md` what the figures mean. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { alone } from "./figures/alone.ts";
import type { Figure, RunContext, Saturation } from "./figures/figure.ts";
import { gatewayXml } from "./figures/gateway-xml.ts";
import { latency } from "./figures/latency.ts";
import { leaderKill } from "./figures/leader-kill.ts";
import { resources } from "./figures/resources.ts";
import { saturation, screenSaturation } from "./figures/saturation.ts";
import { ours } from "./fleet.ts";
import { describeMachine, isInMemory, machineLoad } from "./machine.ts";
import { type BenchOptions, parseOptions, usage } from "./options.ts";
import { cometBft } from "./peers/cometbft/network.ts";
import { collectRows, type Report, type RunRecord, render, replaceTable } from "./report.ts";
import { number } from "./table.ts";

const figures: readonly Figure[] = [saturation, latency, alone, gatewayXml, resources, leaderKill];

/** What is built once: peers. */
const cache = join(import.meta.dirname, "../.cache/bench");

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
  // An error before anything is measured, not after.
  if (options.write !== undefined) replaceTable(readFileSync(options.write, "utf8"), "", options.peer);
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  process.once("SIGTERM", () => stop.abort());
  const progress = (line: string): void =>
    console.error(`${(performance.now() / 1000).toFixed(0).padStart(4)} s  ${line}`);
  const peers = options.peer === "cometbft" ? cometBft(cache, progress) : [];
  const systems = [ours, ...peers];

  const contexts = systems.map((system): RunContext => {
    const base = { ...options, system, signal: stop.signal, progress };
    const screened = new Map<number, Promise<Saturation>>();
    return {
      ...base,
      compared: peers.length > 0,
      saturation(payments) {
        const known = screened.get(payments) ?? screenSaturation(base, payments);
        screened.set(payments, known);
        return known;
      },
      saturated: (payments, now) => screened.set(payments, Promise.resolve(now)),
    };
  });

  const startedAt = new Date().toISOString();
  const runs = await measureAll(options, contexts, stop.signal);
  const report: Report = {
    startedAt,
    systems: systems
      .filter(({ name }) => runs.some(({ system }) => system === name))
      .map(({ name, description }) => ({ name, description })),
    machine: describeMachine(options.directory),
    warmupMs: options.warmupMs,
    measureMs: options.measureMs,
    soakMs: options.soakMs,
    rows: collectRows(runs, ours.name),
    runs,
  };
  const text = render(report);
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
  console.log(text);
  // What was cut short is for the reader of the terminal, not for the document.
  if (stop.signal.aborted) return 130;
  if (options.write !== undefined)
    writeFileSync(options.write, replaceTable(readFileSync(options.write, "utf8"), text, options.peer));
  return runs.some(({ failed }) => failed !== undefined) ? 1 : 0;
}

/** Every run of every figure and system, until it is stopped. */
async function measureAll(
  { runs, figures: letters }: BenchOptions,
  contexts: readonly RunContext[],
  signal: AbortSignal,
): Promise<readonly RunRecord[]> {
  const records: RunRecord[] = [];
  for (let run = 1; run <= runs; run++)
    // Who goes first changes with the run: neither always finds the warmer machine.
    for (const figure of figures.filter(({ letter }) => letters.includes(letter)))
      for (const context of run % 2 === 1 ? contexts : contexts.toReversed()) {
        if (!context.system.figures.includes(figure.letter)) continue;
        const record = await measure(figure, run, context);
        if (signal.aborted) return records;
        records.push(record);
      }
  return records;
}

/** One run of one figure. One that fails is told and not counted: the others keep what they measured. */
async function measure(figure: Figure, run: number, context: RunContext): Promise<RunRecord> {
  const { system, progress } = context;
  const load = machineLoad();
  const record = { system: system.name, figure: figure.letter, run, load };
  progress(`run ${run}, ${system.name}, (${figure.letter}) ${figure.title}; load ${load.toFixed(2)}`);
  try {
    const { measurements, details } = await figure.run(context);
    for (const { name, value, unit } of measurements) progress(`  ${name}: ${number(value)} ${unit}`);
    return { ...record, measurements, details };
  } catch (error) {
    const failed = error instanceof Error ? error.message : String(error);
    progress(`  failed: ${failed}`);
    return { ...record, measurements: [], details: undefined, failed };
  }
}
