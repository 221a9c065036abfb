/** Who runs, on disk: so that a start after a crash ends what the crash left behind. One small file per process. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { identifyProcess, isAlive, type ProcessIdentity } from "./process-identity.ts";

const identitySchema = z.strictObject({ pid: z.int().min(2), started: z.string() });
const fileOf = (runDir: string, name: string) => join(runDir, `${name}.pid`);

export function rememberProcess(runDir: string, name: string, pid: number): void {
  const identity = identifyProcess(pid);
  if (identity) writeFileSync(fileOf(runDir, name), JSON.stringify(identity), { mode: 0o600 });
}

export function forgetProcess(runDir: string, name: string): void {
  rmSync(fileOf(runDir, name), { force: true });
}

/** Reads one identity file; `undefined` when there is none or it is torn. */
export function readIdentity(file: string): ProcessIdentity | undefined {
  try {
    const parsed = identitySchema.safeParse(JSON.parse(readFileSync(file, "utf8")));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Kills what an earlier run left (its lifeline should have ended it already) and waits until it is gone.
 * Returns the names of those that were still alive. Throws when one does not go within five seconds.
 */
export async function endLeftovers(runDir: string): Promise<readonly string[]> {
  mkdirSync(runDir, { recursive: true });
  const names = readdirSync(runDir)
    .filter((file) => file.endsWith(".pid"))
    .map((file) => file.slice(0, -".pid".length));
  const ended: string[] = [];
  for (const name of names) {
    const identity = readIdentity(fileOf(runDir, name));
    if (identity && isAlive(identity)) {
      process.kill(identity.pid, "SIGKILL");
      await gone(identity, name);
      ended.push(name);
    }
    forgetProcess(runDir, name);
  }
  return ended;
}

async function gone(identity: ProcessIdentity, name: string): Promise<void> {
  // Not our child: the system tells us of its end only when asked.
  for (let waited = 0; isAlive(identity); waited += 10) {
    if (waited > 5_000) throw new Error(`process ${identity.pid} (${name}) of an earlier run does not end`);
    await delay(10);
  }
}
