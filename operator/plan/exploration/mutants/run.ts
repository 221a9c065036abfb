/** `npm run explore -- --mutants`: each mutant is patched into a copy of the planner and has to be caught there; an unmutated copy has to hold. */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { patch } from "../../../../validator/simulator/mutants/patch.ts";
import { type ChildResult, onEveryCore, runChild } from "../child.ts";
import type { Part } from "../part.ts";
import { mutants, type PlannerMutant } from "./mutants.ts";

const root = join(import.meta.dirname, "../../../..");
/** Enough for every mutant; the controls get as much. */
const maxStates = 20_000;
const walks = 400;

type Case = Pick<PlannerMutant, "scene" | "faults" | "changes" | "safety">;
interface Job extends Case {
  readonly title: string;
  /** The folder with its copy of the source. */
  readonly folder: string;
  /** Undefined: an unmutated control, which has to hold. */
  readonly mutant: PlannerMutant | undefined;
}

/** Runs everything, or one mutant by its name, and prints the table. True when every mutant was caught and every control held. */
export async function runMutants(only: string | undefined): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), "swarm-planner-mutants-"));
  const failures: string[] = [];
  let count = 0;
  const row = (passed: boolean, name: string, text: string) => {
    count += 1;
    console.log(`${passed ? "ok  " : "FAIL"}  ${name.padEnd(40)}  ${text}`);
    if (!passed) failures.push(name);
  };
  try {
    const control = copySource(folder, "control");
    const jobs: Job[] = (only === undefined ? controls() : []).map((each) => ({
      ...each,
      title: `control ${each.scene} ${each.faults} ${each.changes}`,
      folder: control,
      mutant: undefined,
    }));
    for (const mutant of mutants.filter(({ name }) => only === undefined || name === only)) {
      const patched = patch(mutant.edits, (file) => readFileSync(join(control, file), "utf8"));
      if (patched.kind === "stale") {
        row(false, mutant.name, `no longer applies: ${patched.reason}`);
        continue;
      }
      const copy = copySource(folder, mutant.name.replaceAll(" ", "-"));
      for (const [file, content] of patched.files) writeFileSync(join(copy, file), content);
      jobs.push({ ...mutant, title: mutant.name, folder: copy, mutant });
    }
    await onEveryCore(
      jobs,
      (job) => runChild(job.folder, partOf(job)),
      ({ title, mutant }, result) => {
        const expected = mutant
          ? result.kind === "violated" && mutant.violates.includes(result.finding?.rule ?? "")
          : result.kind === "held";
        row(expected, title, text(result));
      },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(`${count - failures.length} passed, ${failures.length} failed`);
  return count > 0 && failures.length === 0;
}

function text(result: ChildResult): string {
  if (result.kind === "crashed") return `crashed: ${result.reason}`;
  const { finding, states } = result;
  return finding ? `"${finding.rule}" broken: ${finding.detail.slice(0, 120)}` : `held in ${states} states`;
}

/** Each case of the mutants once. */
function controls(): readonly Case[] {
  return [...new Map(mutants.map((each) => [`${each.scene} ${each.faults} ${each.changes}`, each])).values()].map(
    (each) => ({ ...each, safety: false }),
  );
}

function copySource(folder: string, name: string): string {
  const copy = join(folder, name);
  for (const part of [
    "operator/analysis",
    "operator/plan",
    "operator/api",
    "validator/consensus",
    "validator/simulator/mutants/patch.ts",
    "package.json",
  ])
    cpSync(join(root, part), join(copy, part), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  return copy;
}

const partOf = ({ scene, faults, changes, safety = false }: Case): Part => ({
  scene,
  seats: 4,
  start: "running",
  faults,
  changes,
  maxStates,
  walks,
  length: 120,
  seed: 1,
  safety,
});
