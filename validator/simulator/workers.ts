/** Spreads seeds over processes: each asks for the next seed when it is done with one. */
import { fork } from "node:child_process";
import { join } from "node:path";
import type { Verdict } from "./hostile-world.ts";

/**
 * Runs `count` seeds from `first` on in child processes with these command-line arguments; `take` hears each verdict as
 * it comes, in any order. Rejects when a child dies.
 */
export async function runInWorkers(
  first: number,
  count: number,
  workers: number,
  args: readonly string[],
  take: (verdict: Verdict) => void,
): Promise<void> {
  let next = first;
  const end = first + count;
  const run = () =>
    new Promise<void>((resolve, reject) => {
      const child = fork(join(import.meta.dirname, "main.ts"), [...args, "--worker"]);
      let running: number | undefined;
      const give = () => {
        running = next < end ? next++ : undefined;
        if (running === undefined) child.disconnect();
        else child.send(running);
      };
      child.on("message", (message) => {
        if (message !== "ready") take(message as Verdict);
        give();
      });
      child.on("error", reject);
      child.on("exit", (code) => {
        if (running === undefined && code === 0) resolve();
        else reject(new Error(`a worker died (exit code ${code}) in seed ${running}`));
      });
    });
  await Promise.all(Array.from({ length: workers }, run));
}

/** The other side: runs what it is given until the parent hangs up. */
export function serveSeeds(run: (seed: number) => Promise<Verdict>): void {
  process.on("message", (seed) => {
    void run(Number(seed)).then((verdict) => process.send?.({ ...verdict, story: [] }));
  });
  process.on("disconnect", () => process.exit(0));
  process.send?.("ready");
}
