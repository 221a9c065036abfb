/**
 * `npm test`: every check that needs nothing but npm, one after the other; all run even when one fails.
 * Arguments are handed to vitest alone: `npm test -- validator/ledger`.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const bin = join(import.meta.dirname, "..", "node_modules", ".bin");
const filters = process.argv.slice(2);

const steps: readonly { readonly name: string; readonly command: string; readonly args: readonly string[] }[] =
  filters.length > 0
    ? [{ name: "tests", command: "vitest", args: ["run", ...filters] }]
    : [
        { name: "types", command: "tsc", args: ["-p", "."] },
        { name: "format and lint", command: "biome", args: ["check", "."] },
        { name: "dead code", command: "knip", args: [] },
        { name: "wire", command: "buf", args: ["lint", "proto"] },
        { name: "generated files", command: "node", args: ["tools/generate.ts", "--check"] },
        { name: "tests", command: "vitest", args: ["run", "--reporter=dot"] },
      ];

const results = steps.map(({ name, command, args }) => {
  console.log(`\n── ${name}: ${command} ${args.join(" ")}`);
  const started = performance.now();
  const { status } = spawnSync(join(bin, command), args, { stdio: "inherit" });
  return { name, ok: status === 0, seconds: (performance.now() - started) / 1000 };
});

console.log();
for (const { name, ok, seconds } of results)
  console.log(`${ok ? "passed" : "FAILED"}  ${name} (${seconds.toFixed(1)} s)`);
const failed = results.filter(({ ok }) => !ok).length;
console.log(`${results.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
