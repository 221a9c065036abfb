/** `npm run explore -- --mutants`: each mutant is patched into a copy of the planner and has to be caught there; an unmutated copy has to hold. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { patch } from "../../../../validator/simulator/mutants/patch.ts";
import { mutants, type PlannerMutant } from "./mutants.ts";

const root = join(import.meta.dirname, "../../../..");
/** Enough for every mutant; the controls get as much. */
const maxStates = 20_000;
const walks = 400;

type Case = Pick<PlannerMutant, "scene" | "faults" | "changes" | "safety">;
interface Verdict {
  readonly kind: "held" | "violated" | "crashed";
  readonly rule?: string;
  readonly detail?: string;
}

/** Runs everything, or one mutant by its name, and prints the table. True when every mutant was caught and every control held. */
export async function runMutants(only: string | undefined): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), "swarm-planner-mutants-"));
  const failures: string[] = [];
  let count = 0;
  const row = (passed: boolean, name: string, text: string) => {
    count += 1;
    console.log(`${passed ? "ok  " : "FAIL"}  ${name.padEnd(32)}  ${text}`);
    if (!passed) failures.push(name);
  };
  try {
    const control = copySource(folder, "control");
    for (const each of only === undefined ? controls() : []) {
      const verdict = run(control, each);
      row(verdict.kind === "held", `control ${each.scene} ${each.faults} ${each.changes}`, text(verdict));
    }
    for (const mutant of mutants.filter(({ name }) => only === undefined || name === only)) {
      const patched = patch(mutant.edits, (file) => readFileSync(join(control, file), "utf8"));
      if (patched.kind === "stale") {
        row(false, mutant.name, `no longer applies: ${patched.reason}`);
        continue;
      }
      const copy = copySource(folder, mutant.name.replaceAll(" ", "-"));
      for (const [file, content] of patched.files) writeFileSync(join(copy, file), content);
      const verdict = run(copy, mutant);
      row(verdict.kind === "violated" && mutant.violates.includes(verdict.rule ?? ""), mutant.name, text(verdict));
      rmSync(copy, { recursive: true });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(`${count - failures.length} passed, ${failures.length} failed`);
  return count > 0 && failures.length === 0;
}

const text = ({ kind, rule, detail }: Verdict) =>
  kind === "violated" ? `"${rule}" broken: ${detail?.slice(0, 120)}` : `${kind} ${detail ?? ""}`;

/** Each case of the mutants once. */
function controls(): readonly Case[] {
  return [...new Map(mutants.map((each) => [`${each.scene} ${each.faults} ${each.changes}`, each])).values()];
}

function copySource(folder: string, name: string): string {
  const copy = join(folder, name);
  for (const part of ["operator/plan", "validator/consensus", "validator/simulator/mutants/patch.ts", "package.json"])
    cpSync(join(root, part), join(copy, part), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  return copy;
}

function run(folder: string, { scene, faults, changes, safety }: Case): Verdict {
  const script = join(folder, "operator/plan/exploration/main.ts");
  const bounds = ["--faults", faults, "--changes", changes, "--max-states", maxStates, "--walks", walks].map(String);
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [script, "--json", ...(safety ? ["--safety"] : []), "--scene", scene, ...bounds],
    {
      cwd: folder,
      encoding: "utf8",
      timeout: 600_000,
      maxBuffer: 64 * 1024 * 1024,
    },
  );
  const last = stdout.trimEnd().split("\n").at(-1) ?? "";
  return last.startsWith("{") ? (JSON.parse(last) as Verdict) : { kind: "crashed", detail: stderr.slice(-600) };
}
