/**
 * `npm run e2e:rollouts`: rollouts, canaries and checkpoints of real processes under a constant load of at least 1,000
 * payments/s. About 10 minutes, and 5 more the first time, for the object store. Ends with `N passed, N failed`.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { canary } from "./canary.ts";
import { restore } from "./restore.ts";
import { shadow } from "./shadow.ts";

/** Its own directory and ports: what one leaves behind troubles no other. */
interface Scenario {
  readonly name: string;
  /** On two cores. */
  readonly minutes: number;
  /** Resolves with figures, rejects with what did not hold. */
  readonly run: (place: { readonly directory: string; readonly portBase: number }) => Promise<string>;
}

const scenarios: readonly Scenario[] = [restore, canary, shadow];
const firstPort = 19_200;
const portsEach = 1_000;

const help = `npm run e2e:rollouts -- [--only NAME]…

${scenarios.map(({ name, minutes }) => `  ${name.padEnd(20)} about ${minutes} minutes`).join("\n")}`;

const { values } = parseArgs({
  options: { only: { type: "string", multiple: true }, help: { type: "boolean", default: false } },
});
const unknown = values.only?.find((name) => scenarios.every((scenario) => scenario.name !== name));
if (values.help || unknown !== undefined) {
  if (unknown !== undefined) console.error(`There is no scenario ${unknown}.\n`);
  console.log(help);
  process.exit(unknown === undefined ? 0 : 2);
}

const directory = mkdtempSync(join(tmpdir(), "swarm-rollouts-"));
let passed = 0;
let failed = 0;
for (const [index, { name, run }] of scenarios.entries()) {
  if (values.only && !values.only.includes(name)) continue;
  const own = join(directory, name);
  mkdirSync(own);
  const started = performance.now();
  try {
    const figures = await run({ directory: own, portBase: firstPort + index * portsEach });
    passed++;
    console.log(`passed  ${name} (${((performance.now() - started) / 1_000).toFixed(1)} s)\n        ${figures}`);
  } catch (error) {
    failed++;
    console.log(`FAILED  ${name}\n        ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
}
if (failed === 0) rmSync(directory, { recursive: true, force: true });
else console.log(`logs: ${directory}`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
