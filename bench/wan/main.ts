/**
 * `npm run bench:wan`: four validator processes in four regions, every pair connected through a link with the regions'
 * published delay (`matrix.ts`), then with one member that leads slowly, withholds payloads, or withholds finalize votes.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { configMaps } from "../../operator/kube/kinds.ts";
import { pathOf } from "../../operator/kube/objects.ts";
import { fullMessage, underLoad } from "../figures/figure.ts";
import { startBenchFleet } from "../fleet.ts";
import { describeMachine, machineLoad } from "../machine.ts";
import { benchmarkSwarm } from "../manifest.ts";
import { spread } from "../statistics.ts";
import { align, number } from "../table.ts";
import { type Fault, faults, slowMs } from "./faults.ts";
import { links, meanFloor } from "./matrix.ts";

const help = `npm run bench:wan -- [options]

  --runs N        of each, every one on a fresh chain (default 3)
  --seconds S     measured time of a load (default 10)
  --directory DIR where the validators keep their data (default .bench)
  --port-base N   first of the ports used (default 27000)
  --write FILE    puts the table into this Markdown file, between its two "bench:wan" comments
  --help`;

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "3" },
    seconds: { type: "string", default: "10" },
    directory: { type: "string", default: ".bench" },
    "port-base": { type: "string", default: "27000" },
    write: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(help);
  process.exit(0);
}
const runs = Number(values.runs);
const measureMs = Number(values.seconds) * 1_000;
const portBase = Number(values["port-base"]);

/** Timeouts and estimates of round trips settle in this time, ms. */
const warmupMs = 8_000;
const lightRate = 100;
const window = 128;
const aloneCount = 40;
/** The member that misbehaves: the farthest one would hide behind its distance. */
const faulty = "eu-west";
/** F + 1 = 2 members tell a client. */
const observers = 2;
const floor = meanFloor(observers);
const { signal } = new AbortController();

interface Measured {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
}

async function measure(fault: Fault | undefined): Promise<readonly Measured[]> {
  const name = "wan";
  const swarm = benchmarkSwarm(name);
  const env = fault === undefined ? [] : [{ name: "BENCH_FAULT", value: `${name}-${faulty}-0=${fault}` }];
  const spec = { ...swarm.spec, podTemplate: { ...swarm.spec.podTemplate, env } };
  const program = join(import.meta.dirname, "validator.ts");
  const directory = values.directory;
  const options = { directory, portBase, signal, swarm: { ...swarm, spec }, linked: true, program };
  const chain = await startBenchFleet(options);
  const { world, view } = chain.fleet;
  const answer = await world.api("bench").request({
    method: "POST",
    path: pathOf(configMaps, world.namespace),
    body: { type: "application/json", value: { metadata: { name: `${name}-links` }, data: links() } },
    signal,
    deadlineMs: 5_000,
  });
  if (answer.kind === "failed") throw new Error(answer.failure.message);
  // Nobody sends to a member that loses what it is given.
  const urls = view.endpoints.seats.flatMap(({ region, rpc }) => (fault && region === faulty ? [] : [rpc]));
  if (chain.target.system !== "validator-swarm") throw new Error("another system");
  const honest = { ...chain, target: { ...chain.target, urls } };
  return underLoad(honest, { signal, finality: true }, async (_, load) => {
    await load.prepare(Math.ceil(((warmupMs + measureMs) / 1_000) * lightRate) + 1, 1);
    const light = await load.run({ kind: "open", perSecond: lightRate, warmupMs, measureMs });
    await load.prepare(aloneCount + 10, 1);
    const alone = await load.run({ kind: "alone", count: aloneCount, warmup: 5 });
    await load.prepare(Math.ceil((150_000 * (warmupMs + measureMs)) / 1_000 / fullMessage) + window, fullMessage);
    const full = await load.run({ kind: "closed", window, warmupMs: warmupMs / 2, measureMs });
    const lost = light.unsettled + alone.unsettled + full.unsettled;
    if (lost > 0) throw new Error(`${lost} messages did not settle`);
    return [
      { name: "one payment alone: accepted to final, p50", unit: "ms", value: alone.commit.p50 - alone.accepted.p50 },
      { name: "one payment alone: accepted to settled, p50", unit: "ms", value: alone.settlement.p50 },
      { name: "… ÷ floor of three one-way delays", unit: "", value: alone.settlement.p50 / floor.settled },
      { name: `${lightRate} messages/s: accepted to settled, p50`, unit: "ms", value: light.settlement.p50 },
      { name: `${lightRate} messages/s: accepted to settled, p99`, unit: "ms", value: light.settlement.p99 },
      {
        name: `${window} messages of ${fullMessage} under way: settled`,
        unit: "payments/s",
        value: full.paymentsPerSecond,
      },
      {
        name: `${window} messages of ${fullMessage} under way: due to settled, p99`,
        unit: "ms",
        value: full.total.p99,
      },
    ];
  });
}

mkdirSync(values.directory, { recursive: true });
const variants = [undefined, ...faults];
const results = new Map<Fault | undefined, (readonly Measured[])[]>(variants.map((fault) => [fault, []]));
const loads: number[] = [];
const failures: string[] = [];
for (let run = 1; run <= runs; run++)
  for (const fault of run % 2 === 1 ? variants : variants.toReversed()) {
    loads.push(machineLoad());
    console.error(`run ${run} of ${runs}: ${fault ?? "all honest"}; load ${loads.at(-1)?.toFixed(2)}`);
    try {
      const measured = await measure(fault);
      for (const { name, value, unit } of measured) console.error(`  ${name}: ${number(value)} ${unit}`);
      results.get(fault)?.push(measured);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      failures.push(`run ${run}, ${fault ?? "all honest"}, failed and is not counted: ${why}`);
      console.error(`  failed: ${why}`);
    }
  }
const names = [...results.values()].flat()[0] ?? [];
const rows = names.map(({ name, unit }, i) => [
  name,
  unit,
  ...variants.map((fault) => {
    const { min, median, max } = spread((results.get(fault) ?? []).map((measured) => measured[i]?.value ?? Number.NaN));
    return [min, median, max].map(number).join(" / ");
  }),
]);
const { cpu, cores, kernel, node, filesystem } = describeMachine(values.directory);
const report = [
  `- four validators, every region required; ${faulty} is the faulty one, a slow leader keeps its proposals ${slowMs} ms; ${runs} runs, min / median / max`,
  `- floor, mean over the leaders: final ${number(floor.final)} ms and settled ${number(floor.settled)} ms after the proposal, with ${observers} members`,
  `- ${cores} cores (${cpu}), Linux ${kernel}, Node ${node}, data on ${filesystem}; load average before each run ${Math.min(...loads).toFixed(2)} to ${Math.max(...loads).toFixed(2)}`,
  ...failures.map((failure) => `- ${failure}`),
  "",
  align([["", "unit", "all honest", ...faults], ...rows]),
].join("\n");
console.log(`\n${report}`);
if (values.write !== undefined) {
  const marks = /(<!-- bench:wan -->\n)[\s\S]*?(<!-- \/bench:wan -->)/;
  const text = readFileSync(values.write, "utf8");
  if (!marks.test(text)) throw new Error(`${values.write} has no bench:wan comments`);
  writeFileSync(
    values.write,
    text.replace(marks, (_, open: string, close: string) => `${open}${report}\n${close}`),
  );
}
process.exit(failures.length === 0 ? 0 : 1);
