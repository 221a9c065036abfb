/** `npm run simulate`: seeds of hostile worlds. Ends with `N passed, N failed`. */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { type RunOptions, runSeed, type Verdict } from "./hostile-world.ts";
import { runMutants } from "./mutants/run.ts";
import { strategies } from "./strategies/all.ts";
import { runInWorkers, serveSeeds } from "./workers.ts";

const help = `npm run simulate -- [--seeds N] [--from K] [--workers N] [--strategy NAME]…
npm run simulate -- --seed S [--everything] [--strategy NAME]…
npm run simulate -- --mutants

  --seeds N        how many seeds (default 100)
  --from K         the first one (default 1)
  --workers N      processes that run seeds (default: one for each core, ${availableParallelism()} here)
  --seed S         one world again, with its story: who was faulty and how, what went wrong, which rule was broken
  --everything     with --seed: the story has every message and every block
  --strategy NAME  faulty members play these, in this order, instead of what the seed draws:
                   ${strategies.map(({ name }) => name).join(", ")}
  --members N      with this many members, instead of 4, 5 or 7 as the seed draws
  --mutants        break the protocol on purpose in copies of the source: each mutant has to be caught

A failing seed prints the command that replays it. Exit code: 0 all passed, 1 some failed, 2 wrong arguments.
`;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "100" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    workers: { type: "string", default: String(availableParallelism()) },
    strategy: { type: "string", multiple: true },
    members: { type: "string" },
    mutants: { type: "boolean", default: false },
    everything: { type: "boolean", default: false },
    worker: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

function refuse(reason: string): never {
  console.error(`${reason}\n\n${help}`);
  process.exit(2);
}

function whole(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least) refuse(`--${name} is a whole number, at least ${least}`);
  return value;
}

for (const name of values.strategy ?? [])
  if (!strategies.some((known) => known.name === name)) refuse(`there is no strategy ${name}`);
const options: RunOptions = {
  ...(values.strategy ? { strategies: values.strategy } : {}),
  ...(values.members === undefined ? {} : { members: whole("members", values.members, 4) }),
  everything: values.everything,
};

/** The command that runs this very world again. */
function replay(seed: number): string {
  const chosen = (values.strategy ?? []).map((name) => ` --strategy ${name}`).join("");
  const members = values.members === undefined ? "" : ` --members ${values.members}`;
  return `npm run simulate -- --seed ${seed}${chosen}${members}`;
}

async function runOne(seed: number): Promise<never> {
  const verdict = await runSeed(seed, options);
  for (const line of verdict.story) console.log(line);
  console.log(`\nseed ${seed} ${verdict.kind}; everything that happened has sha256 ${verdict.digest}`);
  if (verdict.kind === "failed") console.log(verdict.reason);
  process.exit(verdict.kind === "passed" ? 0 : 1);
}

async function runMany(first: number, count: number, workers: number): Promise<never> {
  const started = performance.now();
  const seconds = () => ((performance.now() - started) / 1000).toFixed(0);
  const mix = new Map<string, number>();
  const healing: number[] = [];
  let [done, failed, blocks] = [0, 0, 0];
  const every = Math.max(1, Math.min(50, Math.ceil(count / 10)));
  function take(verdict: Verdict): void {
    done += 1;
    blocks += verdict.blocks;
    for (const name of verdict.strategies) mix.set(name, (mix.get(name) ?? 0) + 1);
    if (verdict.kind === "passed") healing.push(verdict.healedIn);
    else {
      failed += 1;
      console.log(`seed ${verdict.seed} failed: ${verdict.reason}\n  replay: ${replay(verdict.seed)}`);
    }
    if (done % every === 0 || done === count)
      console.log(`${done} of ${count} seeds, ${failed} failed, ${seconds()} s`);
  }
  await runInWorkers(first, count, Math.min(workers, count), process.argv.slice(2), take);
  const played = [...mix].sort(([a], [b]) => a.localeCompare(b)).map(([name, times]) => `${name} ${times}`);
  healing.sort((a, b) => a - b);
  const at = (share: number) => ((healing[Math.floor(share * (healing.length - 1))] ?? 0) / 1000).toFixed(1);
  console.log(`faulty members: ${played.join(", ") || "none"}`);
  console.log(`settled blocks ${blocks}; virtual time to heal: p50 ${at(0.5)} s, p99 ${at(0.99)} s, most ${at(1)} s`);
  console.log(`${count - failed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}

if (values.help) {
  console.log(help);
} else if (values.worker) {
  serveSeeds((seed) => runSeed(seed, options));
} else if (values.mutants) {
  process.exit((await runMutants()) ? 0 : 1);
} else if (values.seed !== undefined) {
  await runOne(whole("seed", values.seed, 0));
} else {
  const [first, count] = [whole("from", values.from, 0), whole("seeds", values.seeds, 1)];
  await runMany(first, count, whole("workers", values.workers, 1));
}
