/** `npm run explore`: the shipped planner through the reachable states of small swarms. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { onEveryCore, runChild } from "./child.ts";
import { coldInBoth, placesOf, startCoverage } from "./coverage.ts";
import type { Outcome, Part } from "./part.ts";

const help = `npm run explore
npm run explore -- --scene NAME [--seats N] [--faults N] [--changes N] [--start STAGE] [--walks N] [--safety]
npm run explore -- --mutants | --mutant NAME

Without arguments: every part of operator/plan/exploration/program.ts, about ten minutes on two cores.

  --scene NAME     this scene alone
  --seats N        seats of the swarm, 4 to 7 (default 4)
  --faults N       faults on one path (default 1)
  --changes N      changes of the spec on one path (default 1)
  --start STAGE    "running" (default) or "empty": from nothing, bootstrap included
  --max-states N   stop after this many states (default 2000000)
  --walks N        random walks beyond the bounds (default 200)
  --length N       steps of a walk (default 120)
  --seed N         the first walk's seed (default 1)
  --safety         leave convergence out: only what must never happen
  --mutants        break the planner on purpose in copies of the source: each mutant has to be caught
  --mutant NAME    only this one

Prints the states explored, and the places of the planner that nothing reached. Exit code: 0 every rule held in every
state, 1 one was broken (with the path that leads there), 2 wrong arguments.
`;

const { values } = parseArgs({
  options: {
    scene: { type: "string" },
    seats: { type: "string", default: "4" },
    faults: { type: "string", default: "1" },
    changes: { type: "string", default: "1" },
    start: { type: "string", default: "running" },
    "max-states": { type: "string", default: "2000000" },
    walks: { type: "string", default: "200" },
    length: { type: "string", default: "120" },
    seed: { type: "string", default: "1" },
    safety: { type: "boolean", default: false },
    mutants: { type: "boolean", default: false },
    mutant: { type: "string" },
    /** A part as JSON, its outcome as JSON: between processes. */
    part: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

function refuse(reason: string): never {
  console.error(`${reason}\n\n${help}`);
  process.exit(2);
}

function whole(
  name: "seats" | "faults" | "changes" | "max-states" | "walks" | "length" | "seed",
  least: number,
  most: number,
) {
  const value = Number(values[name]);
  if (!Number.isSafeInteger(value) || value < least || value > most)
    refuse(`--${name} is a whole number from ${least} to ${most}`);
  return value;
}

const planner = join(import.meta.dirname, "../");
const started = performance.now();
const seconds = () => `${((performance.now() - started) / 1_000).toFixed(0)} s`;

if (values.help) console.log(help);
else if (values.part !== undefined) console.log(JSON.stringify(await runHere(JSON.parse(values.part) as Part, false)));
else if (values.mutants || values.mutant !== undefined) {
  const { runMutants } = await import("./mutants/run.ts");
  process.exitCode = (await runMutants(values.mutant)) ? 0 : 1;
} else if (values.scene === undefined) await runProgram();
else await runScene(values.scene);

/** Coverage has to count before the planner is loaded. */
async function runHere(part: Part, aloud: boolean): Promise<Outcome> {
  const cold = await startCoverage(planner);
  const { runPart } = await import("./part.ts");
  const { scenesOf } = await import("./scenes.ts");
  const names = scenesOf(part.seats).map(({ name }) => name);
  if (!names.includes(part.scene)) refuse(`there is no scene ${part.scene}, but: ${names.join(", ")}`);
  const outcome = runPart(part, (states, open) => {
    if (aloud && states % 10_000 === 0) console.log(`  ${states} states, ${open} open, ${seconds()}`);
  });
  return { ...outcome, cold: await cold() };
}

async function runScene(scene: string): Promise<void> {
  const { start } = values;
  if (start !== "running" && start !== "empty") refuse("--start is running or empty");
  const part: Part = {
    scene,
    start,
    seats: whole("seats", 4, 7),
    faults: whole("faults", 0, 4),
    changes: whole("changes", 0, 4),
    maxStates: whole("max-states", 1, 100_000_000),
    walks: whole("walks", 0, 10_000_000),
    length: whole("length", 1, 100_000),
    seed: whole("seed", 0, 4_294_967_295),
    safety: values.safety,
  };
  report([part], [await runHere(part, true)]);
}

async function runProgram(): Promise<void> {
  const { program } = await import("./program.ts");
  const outcomes: Outcome[] = [];
  const root = join(import.meta.dirname, "../../..");
  await onEveryCore(
    program,
    (part) => runChild(root, part),
    (part, result) => {
      if (result.kind === "crashed") {
        console.log(`CRASHED  ${titleOf(part)}: ${result.reason}`);
        process.exitCode = 1;
      } else {
        console.log(lineOf(part, result));
        outcomes.push(result);
      }
    },
  );
  report([], outcomes);
}

function titleOf({ scene, seats, start, faults, changes }: Part): string {
  return `${scene}, ${seats} seats${start === "empty" ? " from nothing" : ""}, at most ${faults} faults and ${changes} changes of the spec`;
}

function lineOf(part: Part, { states, transitions, lost, complete }: Outcome): string {
  const size = `${complete ? "all" : "the first"} ${states} states, ${transitions} transitions, ${lost} that wait for a person`;
  return `${titleOf(part)}: ${size}; ${part.walks} walks of ${part.length} steps; ${seconds()}`;
}

function report(parts: readonly Part[], outcomes: readonly Outcome[]): void {
  if (outcomes.length === 0) return;
  for (const [i, part] of parts.entries()) {
    const outcome = outcomes[i];
    if (outcome) console.log(lineOf(part, outcome));
  }
  const broken = outcomes.flatMap(({ finding }) => (finding ? [finding] : []));
  for (const { where, rule, detail, path } of broken) {
    console.log(`\nBROKEN in ${where}: ${rule}\n${detail}\n\nThe way there:`);
    for (const [i, step] of path.entries()) console.log(`${String(i + 1).padStart(4)}  ${step}`);
  }
  const cold = placesOf(outcomes.map((outcome) => outcome.cold).reduce(coldInBoth), planner);
  console.log(`\n${cold.length} places of the planner were not reached:`);
  for (const { file, line, text } of cold) console.log(`  ${file}:${line}  ${text}`);
  const sum = (of: (outcome: Outcome) => number) => outcomes.reduce((total, outcome) => total + of(outcome), 0);
  const total = `${sum(({ states }) => states)} states and ${sum(({ transitions }) => transitions)} transitions explored in ${seconds()}`;
  console.log(`\n${total}: ${broken.length === 0 ? "every rule held" : `${broken.length} rules were broken`}`);
  if (broken.length > 0) process.exitCode = 1;
}
