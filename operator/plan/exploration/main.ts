/** `npm run explore`: the shipped planner through every reachable state of small swarms. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startCoverage } from "./coverage.ts";
import type { Finding } from "./explore.ts";

const help = `npm run explore -- [--seats N] [--faults N] [--changes N] [--scene NAME] [--walks N]
npm run explore -- --mutants | --mutant NAME

  --seats N        seats of the swarms, 4 to 7 (default 4)
  --faults N       faults on one path (default 2, in all scenes but the widest)
  --changes N      changes of the spec on one path (default 1)
  --scene NAME     this scene only
  --start STAGE    "running" (default) or "empty": from nothing, bootstrap included
  --max-states N   stop a scene after this many states (default 2000000)
  --walks N        random walks beyond the bounds in each scene (default 2000)
  --length N       steps of a walk (default 120)
  --seed N         the first walk's seed (default 1)
  --safety         leave convergence out: only what must never happen
  --json           one line of JSON at the end: for the mutants
  --mutant NAME    only this one
  --mutants        break the planner on purpose in copies of the source: each mutant has to be caught

Prints the states explored, and the places of the planner that nothing reached. Exit code: 0 every rule held in every
state, 1 one was broken (with the path that leads there), 2 wrong arguments.
`;

const { values } = parseArgs({
  options: {
    seats: { type: "string", default: "4" },
    faults: { type: "string", default: "2" },
    changes: { type: "string", default: "1" },
    scene: { type: "string" },
    start: { type: "string", default: "running" },
    "max-states": { type: "string", default: "2000000" },
    walks: { type: "string", default: "2000" },
    length: { type: "string", default: "120" },
    seed: { type: "string", default: "1" },
    safety: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    mutants: { type: "boolean", default: false },
    mutant: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

function refuse(reason: string): never {
  console.error(`${reason}\n\n${help}`);
  process.exit(2);
}

function whole(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least || value > most)
    refuse(`--${name} is a whole number from ${least} to ${most}`);
  return value;
}

if (values.help) {
  console.log(help);
  process.exit(0);
}
if (values.mutants || values.mutant !== undefined) {
  const { runMutants } = await import("./mutants/run.ts");
  process.exit((await runMutants(values.mutant)) ? 0 : 1);
}

const seats = whole("seats", values.seats, 4, 7);
const bounds = { faults: whole("faults", values.faults, 0, 4), changes: whole("changes", values.changes, 0, 4) };
const maxStates = whole("max-states", values["max-states"], 1, 100_000_000);
const walks = whole("walks", values.walks, 0, 10_000_000);
const length = whole("length", values.length, 1, 100_000);
const seed = whole("seed", values.seed, 0, 4_294_967_295);
if (values.start !== "running" && values.start !== "empty") refuse("--start is running or empty");

const coverage = await startCoverage(join(import.meta.dirname, "../"));
const { explore } = await import("./explore.ts");
const { running, scenesOf } = await import("./scenes.ts");
const { viewOf } = await import("./view.ts");
const { walk } = await import("./walks.ts");
const { emptyWorld } = await import("./world.ts");

const scenes = scenesOf(seats).filter(({ name }) => values.scene === undefined || name === values.scene);
if (scenes.length === 0) refuse(`there is no scene ${values.scene}`);

const started = performance.now();
const seconds = () => `${((performance.now() - started) / 1_000).toFixed(0)} s`;
let [states, transitions, complete] = [0, 0, true];
console.log(`${seats} seats, at most ${bounds.faults} faults and ${bounds.changes} changes of the spec on one path`);

for (const scene of scenes) {
  const world = values.start === "empty" ? emptyWorld(scene) : running(scene);
  const result = explore(scene, world, {
    ...bounds,
    maxStates,
    safetyOnly: values.safety,
    progress: (done, open) => {
      if (done % 10_000 === 0) console.log(`  ${scene.name}: ${done} states, ${open} open, ${seconds()}`);
    },
  });
  states += result.states;
  transitions += result.transitions;
  complete &&= result.complete;
  const end = result.complete ? "all" : "stopped after";
  console.log(
    `${scene.name}: ${end} ${result.states} states, ${result.transitions} transitions, ${result.lost} with more than F gone, ${seconds()}`,
  );
  if (result.finding) fail(scene.name, result.finding);
  const view = viewOf(scene);
  for (let n = 0; n < walks && !values.safety; n += 1) {
    const { finding } = walk(view, world, seed + n, length);
    if (finding) fail(`${scene.name}, walk ${seed + n}`, finding);
  }
  if (walks > 0 && !values.safety) console.log(`${scene.name}: ${walks} walks of ${length} steps, ${seconds()}`);
}

const cold = await coverage.unreached();
if (!values.json) {
  console.log(`\n${cold.length} places of the planner were not reached:`);
  for (const { file, line, text } of cold) console.log(`  ${file}:${line}  ${text}`);
}
console.log(
  `\n${states} states and ${transitions} transitions explored${complete ? "" : " (not all)"}: every rule held`,
);
if (values.json) console.log(JSON.stringify({ kind: "held", states }));

function fail(where: string, { rule, detail, path }: Finding): never {
  console.log(`\nBROKEN in ${where}: ${rule}\n${detail}\n\nThe way there:`);
  for (const [i, step] of path.entries()) console.log(`${String(i + 1).padStart(4)}  ${step}`);
  if (values.json) console.log(JSON.stringify({ kind: "violated", rule, detail }));
  process.exit(1);
}
