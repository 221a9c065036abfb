/** The fleet as a newcomer starts it: `npm start` in a directory of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

export interface FleetProcess {
  /** The page's address. */
  readonly url: string;
  /** Resolves with the first line that matches, also one that was printed before. */
  readonly line: (pattern: RegExp) => Promise<RegExpExecArray>;
  /** Process ids by name, as the operator keeps them. */
  readonly processes: () => ReadonlyMap<string, number>;
  /** Ends it as Ctrl-C does; resolves with its exit code. */
  readonly stop: () => Promise<number | null>;
}

const root = join(import.meta.dirname, "../..");

/** Starts it and waits for the page's address; rejects with what it printed when it ends before. */
export async function startFleetProcess(directory: string, portBase: number): Promise<FleetProcess> {
  const child = spawn(process.execPath, ["operator/start.ts", "--port-base", String(portBase)], {
    cwd: root,
    env: { ...process.env, SWARM_DIR: directory, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  const waiting = new Set<(line: string) => void>();
  for (const stream of [child.stdout, child.stderr])
    createInterface(stream).on("line", (line) => {
      lines.push(line);
      for (const heard of [...waiting]) heard(line);
    });
  const ended = once(child, "exit");
  // However this script ends, the fleet does not outlive it: its own processes follow it by themselves.
  process.once("exit", () => child.kill("SIGKILL"));
  const line = (pattern: RegExp) => waitForLine(pattern, lines, waiting, ended);
  const [, url] = await line(/the page is at (http:\S+)/);
  if (url === undefined) throw new Error("no address");
  return { url, line, processes: () => readPids(join(directory, "run")), stop: () => stop(child, ended) };
}

async function waitForLine(
  pattern: RegExp,
  lines: readonly string[],
  waiting: Set<(line: string) => void>,
  ended: Promise<unknown>,
): Promise<RegExpExecArray> {
  const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
  const look = (line: string) => {
    const match = pattern.exec(line);
    if (match) resolve(match);
  };
  for (const line of lines) look(line);
  waiting.add(look);
  void ended.then(() => reject(new Error(`the fleet ended:\n${lines.slice(-30).join("\n")}`)));
  try {
    return await promise;
  } finally {
    waiting.delete(look);
  }
}

function readPids(run: string): ReadonlyMap<string, number> {
  const files = readdirSync(run).filter((file) => file.endsWith(".pid"));
  return new Map(
    files.map((file) => [file.slice(0, -".pid".length), JSON.parse(readFileSync(join(run, file), "utf8")).pid]),
  );
}

async function stop(child: ChildProcess, ended: Promise<unknown[]>): Promise<number | null> {
  child.kill("SIGINT");
  await ended;
  return child.exitCode;
}
