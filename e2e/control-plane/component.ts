/** One process of the control plane. It ends with the process that started it, however that ends. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";

export interface Component {
  readonly name: string;
  readonly pid: number;
  /** Aborted when it has ended. */
  readonly ended: AbortSignal;
  /** Sends the signal and waits for the end. */
  readonly end: (signal: "SIGTERM" | "SIGKILL") => Promise<void>;
  /** The last lines of its log. */
  readonly tail: () => string;
}

/** Throws when the program cannot be run. `log` is appended to. */
export async function startComponent(
  binary: string,
  name: string,
  args: readonly string[],
  log: string,
): Promise<Component> {
  const output = openSync(log, "a");
  const child = spawn(binary, [name, ...args], {
    // Its standard input is the lifeline: closed by the kernel with this process.
    stdio: ["pipe", output, output],
    env: { ...process.env, HYPER_LIFELINE: "1" },
    // Ctrl-C is for this process, which ends them in order.
    detached: true,
  });
  closeSync(output);
  const ended = new AbortController();
  child.once("close", () => ended.abort());
  child.stdin?.on("error", () => {});
  await once(child, "spawn");
  const { pid } = child;
  if (pid === undefined) throw new Error(`${name} has no process id`);
  return {
    name,
    pid,
    ended: ended.signal,
    async end(signal) {
      if (ended.signal.aborted) return;
      const gone = once(child, "close");
      child.kill(signal);
      await gone;
    },
    tail: () => readFileSync(log, "utf8").trimEnd().split("\n").slice(-15).join("\n"),
  };
}
