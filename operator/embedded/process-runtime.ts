/**
 * The process runtime: the port through which the operator creates, signals, observes and removes the processes of a
 * swarm, and its implementation with child processes.
 *
 * - Each process leads its own process group, so that a signal from the terminal reaches the operator alone.
 * - Each holds a pipe whose other end only this process has (`lifeline.ts`): it ends when the pipe closes, however we die.
 * - A process that ends by itself is started again after a back-off, unless its exit code says that it does not help.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Backoff, backoffDelay, defaultBackoff } from "./backoff.ts";
import { forgetProcess, rememberProcess } from "./leftovers.ts";
import { watchLogSize } from "./log-rotation.ts";
import { watchMemory } from "./memory-limit.ts";

/** What to run. */
export interface ProcessSpec {
  /** Unique in the runtime, e.g. `quickstart-eu-west-0-g1`. */
  readonly name: string;
  /** Path of a TypeScript or JavaScript file that Node runs. */
  readonly program: string;
  readonly args: readonly string[];
  /** Working directory; absent: that of this process. */
  readonly directory?: string;
  /** False: ends for good whenever it ends; who created it decides what then. Absent: true. */
  readonly restart?: boolean;
  /** Added to the runtime's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Standard output and standard error are appended here; at most `2 × logBytes` are kept. */
  readonly logFile: string;
  readonly logBytes?: number;
  /** Absent: `defaultBackoff`. */
  readonly backoff?: Backoff;
  /** Killed when it holds more memory. Absent: no limit. */
  readonly memoryBytes?: number;
  /** Exit codes after which starting again does not help. */
  readonly finalExitCodes?: readonly number[];
}

/** How a process ended: one of the first two is set. */
interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** It was killed for the memory it held. */
  readonly outOfMemory?: boolean;
}

/** Where a process stands. Times are milliseconds of `Date.now`. */
export type ProcessState =
  | { readonly kind: "running"; readonly pid: number; readonly since: number; readonly restarts: number }
  /** Ended by itself; starts again at `until`. */
  | { readonly kind: "backing-off"; readonly exit: Exit; readonly until: number; readonly restarts: number }
  /** Ended for good: removed, or its exit code is final. */
  | { readonly kind: "ended"; readonly exit: Exit; readonly restarts: number };

type ProcessListener = (name: string, state: ProcessState) => void;

/** The port. */
export interface ProcessRuntime {
  /** Starts it. Throws when the name is taken. */
  create(spec: ProcessSpec): void;
  /** Sends a signal to the process if it runs; says whether it did. The restart policy goes on. */
  signal(name: string, signal: NodeJS.Signals): boolean;
  /** `undefined`: never created, or removed. */
  observe(name: string): ProcessState | undefined;
  /** Hears every change of state, in order. The result unsubscribes. */
  watch(listener: ProcessListener): () => void;
  /** Ends it (SIGTERM, after `graceMs` SIGKILL to its group) and forgets it; resolves when it is gone. */
  remove(name: string, graceMs?: number): Promise<void>;
  /** Removes all. */
  close(graceMs?: number): Promise<void>;
}

interface Entry {
  readonly spec: ProcessSpec;
  state: ProcessState;
  child: ChildProcess | undefined;
  /** Failures in a row, none of which ran for the healthy time. */
  failures: number;
  removing: boolean;
  cancelRestart: () => void;
  readonly stopLogWatch: () => void;
  readonly gone: PromiseWithResolvers<void>;
}

const lifeline = pathToFileURL(join(import.meta.dirname, "lifeline.ts")).href;
const defaultGraceMs = 5_000;

/**
 * Runs processes as children of this one. `runDir` keeps who runs, for the next start to clean up after us.
 * `environment` is what every process gets; absent: that of this process.
 */
export function createProcessRuntime(
  runDir: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): ProcessRuntime {
  const entries = new Map<string, Entry>();
  const listeners = new Set<ProcessListener>();
  mkdirSync(runDir, { recursive: true });

  const enter = (entry: Entry, state: ProcessState) => {
    entry.state = state;
    for (const listener of [...listeners]) listener(entry.spec.name, state);
  };

  const start = (entry: Entry, restarts: number) => {
    const { spec } = entry;
    const log = openSync(spec.logFile, "a", 0o600);
    const child = spawn(process.execPath, ["--import", lifeline, spec.program, ...spec.args], {
      detached: true,
      stdio: ["ignore", log, log, "pipe"],
      env: { ...environment, ...spec.env, SWARM_LIFELINE: "3" },
      ...(spec.directory === undefined ? {} : { cwd: spec.directory }),
    });
    closeSync(log);
    entry.child = child;
    const since = Date.now();
    // "error" comes instead of "spawn" when there is nothing to run; both end in `ended` exactly once.
    let over = false;
    let outOfMemory = false;
    let stopMemoryWatch = () => {};
    const ended = (exit: Exit) => {
      if (over) return;
      over = true;
      entry.child = undefined;
      stopMemoryWatch();
      forgetProcess(runDir, spec.name);
      settle(entry, exit, Date.now() - since, restarts);
    };
    child.on("error", () => ended({ code: 127, signal: null }));
    child.on("exit", (code, signal) => ended({ code, signal, ...(outOfMemory ? { outOfMemory } : {}) }));
    if (child.pid === undefined) return;
    rememberProcess(runDir, spec.name, child.pid);
    if (spec.memoryBytes !== undefined)
      stopMemoryWatch = watchMemory(child.pid, spec.memoryBytes, () => {
        outOfMemory = true;
        child.kill("SIGKILL");
      });
    enter(entry, { kind: "running", pid: child.pid, since, restarts });
  };

  const settle = (entry: Entry, exit: Exit, ranFor: number, restarts: number) => {
    const { spec } = entry;
    if (
      entry.removing ||
      spec.restart === false ||
      (exit.code !== null && (spec.finalExitCodes ?? []).includes(exit.code))
    ) {
      entry.stopLogWatch();
      enter(entry, { kind: "ended", exit, restarts });
      entry.gone.resolve();
      return;
    }
    const backoff = spec.backoff ?? defaultBackoff;
    entry.failures = ranFor >= backoff.healthyMs ? 0 : entry.failures + 1;
    const delay = backoffDelay(backoff, entry.failures);
    const timer = setTimeout(() => start(entry, restarts + 1), delay);
    entry.cancelRestart = () => clearTimeout(timer);
    enter(entry, { kind: "backing-off", exit, until: Date.now() + delay, restarts });
  };

  const remove = async (name: string, graceMs = defaultGraceMs) => {
    const entry = entries.get(name);
    if (entry === undefined) return;
    if (!entry.removing) {
      entry.removing = true;
      entry.cancelRestart();
      if (entry.state.kind === "backing-off") settle(entry, entry.state.exit, 0, entry.state.restarts);
      else end(entry, graceMs);
    }
    await entry.gone.promise;
    entries.delete(name);
  };

  return {
    create(spec) {
      if (entries.has(spec.name)) throw new Error(`a process named ${spec.name} exists`);
      mkdirSync(dirname(spec.logFile), { recursive: true });
      const entry: Entry = {
        spec,
        state: { kind: "backing-off", exit: { code: null, signal: null }, until: 0, restarts: 0 },
        child: undefined,
        failures: 0,
        removing: false,
        cancelRestart: () => {},
        stopLogWatch: watchLogSize(spec.logFile, spec.logBytes ?? 16 * 1024 * 1024),
        gone: Promise.withResolvers(),
      };
      entries.set(spec.name, entry);
      start(entry, 0);
    },
    signal: (name, signal) => entries.get(name)?.child?.kill(signal) ?? false,
    observe: (name) => entries.get(name)?.state,
    watch(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    remove,
    async close(graceMs) {
      await Promise.all([...entries.keys()].map((name) => remove(name, graceMs)));
    },
  };
}

/** SIGTERM now; SIGKILL to the whole group when the grace is over. */
function end(entry: Entry, graceMs: number) {
  const { child } = entry;
  if (child?.pid === undefined) return;
  const group = -child.pid;
  child.kill("SIGTERM");
  // A stopped process keeps SIGTERM pending until it continues.
  child.kill("SIGCONT");
  const timer = setTimeout(() => killGroup(group), graceMs);
  void entry.gone.promise.then(() => clearTimeout(timer));
}

function killGroup(group: number) {
  try {
    process.kill(group, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
