/** Parts of an exploration in processes of their own: one for each core, each with counters of its own. */
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Outcome, Part } from "./part.ts";

/** A part that takes longer than this has failed, ms. */
const patience = 900_000;

export type ChildResult = Outcome | { readonly kind: "crashed"; readonly reason: string };

/** Runs a part with the planner of the source tree at `root`. */
export function runChild(root: string, part: Part): Promise<ChildResult> {
  const script = join(root, "operator/plan/exploration/main.ts");
  const child = spawn(process.execPath, [script, "--part", JSON.stringify(part)], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: patience,
  });
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err = (err + text).slice(-600);
  });
  return new Promise((resolve) => {
    child.on("error", ({ message }) => resolve({ kind: "crashed", reason: message }));
    child.on("close", (code, signal) => {
      if (code === 0) resolve(JSON.parse(out) as Outcome);
      else resolve({ kind: "crashed", reason: err || `ended with ${signal ?? code}` });
    });
  });
}

/** Does all, as many at a time as there are cores; `done` hears each result as it comes. */
export async function onEveryCore<Item, Result>(
  items: readonly Item[],
  run: (item: Item) => Promise<Result>,
  done: (item: Item, result: Result) => void,
): Promise<void> {
  const left = [...items];
  const worker = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) done(item, await run(item));
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
}
