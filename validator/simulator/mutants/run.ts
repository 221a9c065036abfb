/**
 * `npm run simulate -- --mutants`: each mutant is patched into a copy of the source and has to be caught there by its
 * scenario; the same scenarios have to hold on an unmutated copy.
 */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Mutant, mutants } from "./mutants.ts";
import { patch } from "./patch.ts";
import type { ScenarioVerdict } from "./scenario.ts";

const root = join(import.meta.dirname, "../../..");
/** A child has its own bounds in virtual time; this one ends a child that no longer makes any pass. */
const wallLimitMs = 180_000;
const atOnce = 2;

interface Job {
  readonly name: string;
  readonly scenario: string;
  readonly seeds: number;
  /** Undefined: the control. */
  readonly mutant: Mutant | undefined;
}

interface Row {
  readonly passed: boolean;
  readonly text: string;
}

/** Runs everything and prints the table. True when every mutant was caught and every control held. */
export async function runMutants(): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), "swarm-mutants-"));
  try {
    const base = join(folder, "control");
    copySource(root, base);
    const jobs = [...controls(), ...mutants.map(jobOf)];
    const width = Math.max(...jobs.map(({ name }) => name.length));
    let passed = 0;
    const work = async () => {
      for (let job = jobs.shift(); job; job = jobs.shift()) {
        const started = performance.now();
        const row = await judge(job, base, folder);
        const seconds = ((performance.now() - started) / 1000).toFixed(1);
        console.log(`${row.passed ? "ok  " : "FAIL"}  ${job.name.padEnd(width)}  ${row.text}, ${seconds} s`);
        if (row.passed) passed += 1;
      }
    };
    const total = jobs.length;
    await Promise.all(Array.from({ length: atOnce }, work));
    console.log(`${passed} passed, ${total - passed} failed`);
    return passed === total;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const jobOf = (mutant: Mutant): Job => ({ ...mutant, mutant });

/** Every scenario in use, with as many seeds as any mutant gets. */
function controls(): readonly Job[] {
  const seeds = new Map<string, number>();
  for (const mutant of mutants) seeds.set(mutant.scenario, Math.max(mutant.seeds, seeds.get(mutant.scenario) ?? 0));
  return [...seeds].map(([scenario, count]) => ({
    name: `control ${scenario}`,
    scenario,
    seeds: count,
    mutant: undefined,
  }));
}

function copySource(from: string, to: string): void {
  for (const part of ["validator", "proto", "package.json"])
    cpSync(join(from, part), join(to, part), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(to, "node_modules"));
}

async function judge(job: Job, base: string, folder: string): Promise<Row> {
  const { mutant } = job;
  if (!mutant) return judgeControl(await runScenario(base, job));
  const patched = patch(mutant.edits, (file) => readFileSync(join(base, file), "utf8"));
  if (patched.kind === "stale") return { passed: false, text: `the mutant no longer applies: ${patched.reason}` };
  const copy = join(folder, mutant.name.replaceAll(" ", "-"));
  copySource(base, copy);
  for (const [file, text] of patched.files) writeFileSync(join(copy, file), text);
  const verdict = await runScenario(copy, job);
  rmSync(copy, { recursive: true });
  return judgeMutant(mutant, verdict);
}

function judgeControl(verdict: ScenarioVerdict): Row {
  if (verdict.kind === "held") return { passed: true, text: `held for ${verdict.seeds} seeds` };
  return { passed: false, text: describe(verdict) };
}

function judgeMutant({ scenario, violates }: Mutant, verdict: ScenarioVerdict): Row {
  if (verdict.kind === "held") return { passed: false, text: `SURVIVED ${verdict.seeds} seeds of ${scenario}` };
  if (verdict.kind === "crashed") return { passed: false, text: describe(verdict) };
  const expected = violates.includes(verdict.property);
  return {
    passed: expected,
    text: `caught by ${scenario}, ${describe(verdict)}${expected ? "" : `, expected ${violates.join(" or ")}`}`,
  };
}

function describe(verdict: Exclude<ScenarioVerdict, { kind: "held" }>): string {
  const what = verdict.kind === "violated" ? `"${verdict.property}" violated` : "CRASHED";
  return `seed ${verdict.seed}: ${what} (${verdict.detail})`;
}

function runScenario(folder: string, { scenario, seeds }: Job): Promise<ScenarioVerdict> {
  return new Promise((resolve) => {
    const script = join(folder, "validator/simulator/mutants/scenario.ts");
    const child = spawn(process.execPath, [script, scenario, String(seeds)], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    let errors = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      errors = (errors + chunk.toString()).slice(-2_000);
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), wallLimitMs);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const last = output.trimEnd().split("\n").at(-1) ?? "";
      resolve(
        last.startsWith("{")
          ? (JSON.parse(last) as ScenarioVerdict)
          : { kind: "crashed", seed: 0, detail: signal ? `killed after ${wallLimitMs} ms` : `exit ${code}: ${errors}` },
      );
    });
  });
}
