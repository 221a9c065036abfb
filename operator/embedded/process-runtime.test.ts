import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { backoffDelay } from "./backoff.ts";
import { endLeftovers, rememberProcess } from "./leftovers.ts";
import { takeLock } from "./lock.ts";
import { rotateWhenLarge } from "./log-rotation.ts";
import { identifyProcess, isAlive } from "./process-identity.ts";
import { createProcessRuntime, type ProcessRuntime, type ProcessSpec, type ProcessState } from "./process-runtime.ts";

const program = join(import.meta.dirname, "testing", "program.ts");
let directory: string;
let runtime: ProcessRuntime;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "runtime-"));
  runtime = createProcessRuntime(join(directory, "run"));
});
afterEach(async () => {
  await runtime.close(0);
  rmSync(directory, { recursive: true });
});

const spec = (...args: string[]): ProcessSpec => ({
  name: "seat",
  program,
  args,
  logFile: join(directory, "seat.log"),
  backoff: { initialMs: 1, maxMs: 4, healthyMs: 60_000 },
});

/** Resolves with the first state that fits. */
function reached<Kind extends ProcessState["kind"]>(
  kind: Kind,
  fits: (state: Extract<ProcessState, { kind: Kind }>) => boolean = () => true,
): Promise<Extract<ProcessState, { kind: Kind }>> {
  const { promise, resolve } = Promise.withResolvers<Extract<ProcessState, { kind: Kind }>>();
  const stop = runtime.watch((_, state) => {
    if (state.kind !== kind) return;
    const found = state as Extract<ProcessState, { kind: Kind }>;
    if (!fits(found)) return;
    stop();
    resolve(found);
  });
  return promise;
}

describe("a process of the runtime", () => {
  test("is killed when it holds more memory than it may, and one that holds less is not", async () => {
    const ended = reached("ended");
    runtime.create({ ...spec("run"), name: "modest", memoryBytes: 1 << 30 });
    runtime.create({ ...spec("hoard"), restart: false, memoryBytes: 256 << 20 });
    expect((await ended).exit).toEqual({ code: null, signal: "SIGKILL", outOfMemory: true });
    expect(runtime.observe("modest")).toMatchObject({ kind: "running", restarts: 0 });
  });

  test("runs, writes its log, and is gone when it is removed", async () => {
    const running = reached("running");
    runtime.create(spec("run"));
    const { pid } = await running;
    const process = identifyProcess(pid)!;
    expect(runtime.observe("seat")).toMatchObject({ kind: "running", pid, restarts: 0 });
    await runtime.remove("seat");
    expect(isAlive(process)).toBe(false);
    expect(runtime.observe("seat")).toBeUndefined();
    expect(readdirSync(join(directory, "run"))).toEqual([]);
  });

  test("starts again when it is killed, as often as that happens", async () => {
    const first = reached("running");
    runtime.create(spec("run"));
    const { pid } = await first;
    for (const restarts of [1, 2, 3]) {
      const again = reached("running", (state) => state.restarts === restarts);
      const died = reached("backing-off");
      runtime.signal("seat", "SIGKILL");
      expect((await died).exit.signal).toBe("SIGKILL");
      expect((await again).pid).not.toBe(pid);
    }
  });

  test("waits longer after each failure", async () => {
    const waits: number[] = [];
    runtime.watch((_, state) => {
      // Rounded: the clock may tick between the state and this line.
      if (state.kind === "backing-off") waits.push(Math.round((state.until - Date.now()) / 10) * 10);
    });
    const fourth = reached("backing-off", (state) => state.restarts === 3);
    runtime.create({ ...spec("exit", "1"), backoff: { initialMs: 20, maxMs: 50, healthyMs: 60_000 } });
    await fourth;
    expect(waits).toEqual([20, 40, 50, 50]);
  });

  test("stays down when its exit code says that starting again does not help", async () => {
    const ended = reached("ended");
    runtime.create({ ...spec("exit", "3"), finalExitCodes: [3] });
    expect((await ended).exit).toEqual({ code: 3, signal: null });
  });

  test("stays down when whoever created it decides what comes next", async () => {
    const ended = reached("ended");
    runtime.create({ ...spec("exit", "1"), restart: false });
    expect((await ended).exit).toEqual({ code: 1, signal: null });
    await runtime.remove("seat");
    const again = reached("running");
    runtime.create(spec("run"));
    await again;
  });

  test("runs where it is told, with the environment of its runtime", async () => {
    const own = createProcessRuntime(join(directory, "own"), { PATH: process.env["PATH"], ONE: "1" });
    const log = join(directory, "where.log");
    own.create({ ...spec("where"), logFile: log, directory, env: { TWO: "2" }, restart: false });
    await expect
      .poll(() => (existsSync(log) ? readFileSync(log, "utf8") : ""), { interval: 10, timeout: 30_000 })
      .toContain(`in ${directory} with ONE PATH TWO\n`);
    await own.close(0);
  });

  test("is killed when it does not end in time", async () => {
    const log = () => readFileSync(join(directory, "seat.log"), "utf8");
    runtime.create(spec("stubborn"));
    await expect.poll(log, { interval: 10 }).toContain("ready");
    const ended = reached("ended");
    await runtime.remove("seat", 100);
    expect((await ended).exit.signal).toBe("SIGKILL");
    expect(log()).toContain("asked to end");
  });

  test("does not start again when it is removed while it waits", async () => {
    const waiting = reached("backing-off");
    runtime.create({ ...spec("exit", "1"), backoff: { initialMs: 60_000, maxMs: 60_000, healthyMs: 1 } });
    await waiting;
    await runtime.remove("seat");
    expect(runtime.observe("seat")).toBeUndefined();
  });

  test("has a name of its own", () => {
    runtime.create(spec("run"));
    expect(() => runtime.create(spec("run"))).toThrow("a process named seat exists");
  });

  test("dies with its parent, even by kill -9", async () => {
    const parent = spawn(process.execPath, [join(import.meta.dirname, "testing", "parent.ts"), directory], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = await once(createInterface(parent.stdout!), "line");
    const child = identifyProcess(Number(line))!;
    parent.kill("SIGKILL");
    // Returns once the process is gone, killing it only if its lifeline did not.
    await expect.poll(() => isAlive(child), { timeout: 10_000, interval: 10 }).toBe(false);
  });
});

test("the back-off doubles up to its cap and starts over after health", () => {
  const backoff = { initialMs: 250, maxMs: 30_000, healthyMs: 1 };
  expect([0, 1, 2, 3, 7, 8, 9, 1e9].map((failures) => backoffDelay(backoff, failures))).toEqual([
    250, 250, 500, 1_000, 16_000, 30_000, 30_000, 30_000,
  ]);
});

describe("a start after a crash", () => {
  test("ends what still runs, and spares a stranger that has the pid now", async () => {
    const run = join(directory, "left");
    mkdirSync(run);
    const left = spawn(process.execPath, ["-e", "setInterval(() => {}, 1e6)"], { stdio: "ignore" });
    const died = once(left, "exit");
    rememberProcess(run, "left", left.pid!);
    writeFileSync(join(run, "stranger.pid"), JSON.stringify({ pid: process.pid, started: "long ago" }));
    writeFileSync(join(run, "torn.pid"), '{"pid":');
    expect(await endLeftovers(run)).toEqual(["left"]);
    expect((await died)[1]).toBe("SIGKILL");
    expect(readdirSync(run)).toEqual([]);
  });

  test("takes the lock of a dead holder, not that of a living one", () => {
    const file = join(directory, "lock.json");
    writeFileSync(file, JSON.stringify({ pid: process.pid, started: "long ago" }));
    const lock = takeLock(file);
    expect(lock.kind).toBe("locked");
    expect(takeLock(file)).toEqual({ kind: "held", pid: process.pid });
    if (lock.kind === "locked") lock.release();
    expect(takeLock(file).kind).toBe("locked");
  });
});

test("a log never exceeds its bound by more than what is written between two looks", async () => {
  const file = join(directory, "seat.log");
  writeFileSync(file, "x".repeat(100));
  expect(await rotateWhenLarge(file, 100)).toBe(false);
  writeFileSync(file, "y".repeat(101));
  expect(await rotateWhenLarge(file, 100)).toBe(true);
  expect(statSync(file).size).toBe(0);
  expect(readFileSync(`${file}.1`, "utf8")).toBe("y".repeat(101));
});
