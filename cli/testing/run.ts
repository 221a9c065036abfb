/** Runs the program as its users do: a process with arguments, an environment and a standard input. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Running {
  /** Lines of standard output as they come. */
  readonly lines: Interface;
  readonly ended: Promise<Ended>;
  /** Closes the reading end of its standard output. */
  readonly hangUp: () => void;
}

export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** What is run instead of the program's own file, e.g. a link to it. */
  readonly file?: string;
}

/** A home of its own: neither the user's clusters nor a swarm of this machine are seen. */
export interface Home {
  readonly path: string;
  readonly start: (args: readonly string[], options?: RunOptions) => Running;
  readonly run: (args: readonly string[], options?: RunOptions) => Promise<Ended>;
  readonly [Symbol.dispose]: () => void;
}

export const mainFile: string = join(import.meta.dirname, "../main.ts");
/** Shared by all runs of a test process: only the first compiles. */
const cache = mkdtempSync(join(tmpdir(), "swarm-cache-"));
process.once("exit", () => rmSync(cache, { recursive: true, force: true }));

export function createHome(): Home {
  const path = mkdtempSync(join(tmpdir(), "swarm-home-"));
  const children = new Set<ChildProcessByStdio<Writable, Readable, Readable>>();

  function start(args: readonly string[], options: RunOptions = {}): Running {
    const child = spawn(process.execPath, [options.file ?? mainFile, ...args], {
      cwd: options.cwd ?? path,
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: path,
        SWARM_DIR: join(path, ".swarm"),
        XDG_CACHE_HOME: cache,
        ...options.env,
      },
      stdio: ["pipe", "pipe", "pipe"],
    });
    children.add(child);
    const { promise: ended, resolve, reject } = Promise.withResolvers<Ended>();
    let out = "";
    let err = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      err += text;
    });
    child.once("error", reject);
    child.once("close", (code) => {
      children.delete(child);
      resolve({ code: code ?? -1, out, err });
    });
    // A program that reads nothing may end before it is written to.
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
    return { lines: createInterface(child.stdout), ended, hangUp: () => void child.stdout.destroy() };
  }

  return {
    path,
    start,
    run: (args, options) => start(args, options).ended,
    [Symbol.dispose]() {
      for (const child of children) child.kill("SIGKILL");
      rmSync(path, { recursive: true, force: true });
    },
  };
}
