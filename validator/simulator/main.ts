/** `npm run simulate`: seeds of hostile worlds. Ends with `N passed, N failed`. */
import { parseArgs } from "node:util";
import { runSeed } from "./hostile-world.ts";

const help = `npm run simulate -- [--seeds N] [--from S] [--seed N]

  --seeds N   how many seeds (default 100)
  --from S    the first one (default 1)
  --seed N    one world again

A failing seed prints the command that replays it. Exit code: 0 all passed, 1 some failed, 2 wrong arguments.
`;

const options = {
  seeds: { type: "string", default: "100" },
  from: { type: "string", default: "1" },
  seed: { type: "string" },
  help: { type: "boolean", default: false },
} as const;
const { values } = parseArgs({ options });
if (values.help) {
  console.log(help);
  process.exit(0);
}
const [first, count] =
  values.seed === undefined ? [Number(values.from), Number(values.seeds)] : [Number(values.seed), 1];
if (!Number.isSafeInteger(first) || !Number.isSafeInteger(count) || count < 1) {
  console.error(help);
  process.exit(2);
}

let failed = 0;
const started = performance.now();
for (let seed = first; seed < first + count; seed++) {
  const verdict = await runSeed(seed);
  if (verdict.kind === "failed") {
    failed += 1;
    console.log(`seed ${seed} failed: ${verdict.reason}\n  replay: npm run simulate -- --seed ${seed}`);
  }
  if ((seed - first + 1) % 10 === 0)
    console.log(`${seed - first + 1} of ${count} seeds, ${((performance.now() - started) / 1000).toFixed(0)} s`);
}
console.log(`${count - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
