/** The contract that every world keeps, run over this server too: the suite reads KUBECONFIG. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import type { Suite } from "./suite.ts";

const root = join(import.meta.dirname, "../..");
const limitMs = 300_000;

export async function contract(suite: Suite): Promise<void> {
  await suite.scenario("the contract of both worlds over a real API server", () => run(suite));
}

function run(suite: Suite): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const env = { ...process.env, KUBECONFIG: suite.plane.kubeconfig, NO_COLOR: "1" };
  const options = { cwd: root, env, timeout: limitMs, maxBuffer: 16 << 20 };
  execFile(process.execPath, [vitest, "run", "operator/contract"], options, (error, stdout, stderr) => {
    if (error) return reject(new Error(`${failuresIn(stdout)}\n${stderr.slice(-2_000)}`));
    resolve(/Tests\s+(.*)/.exec(stdout)?.[1] ?? "no count of tests");
  });
  return promise;
}

/** What vitest says of the tests that failed. */
function failuresIn(stdout: string): string {
  const lines = stdout.split("\n").filter((line) => !/^\s*[✓↓]/.test(line));
  return lines.slice(0, 120).join("\n");
}
