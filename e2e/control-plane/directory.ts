/** Temporary directories that name their process, so that those of processes that were killed can be swept. */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { identifyProcess, isAlive } from "../../operator/embedded/process-identity.ts";

const prefix = "swarm-control-plane-";
let made = 0;

/** A new directory, readable by its owner only; first removes what processes that are gone have left. */
export function makeDirectory(): string {
  for (const name of readdirSync(tmpdir())) {
    const [, pid, started] = /^swarm-control-plane-(\d+)-([0-9a-f]*)-\d+$/.exec(name) ?? [];
    if (pid === undefined || started === undefined) continue;
    if (isAlive({ pid: Number(pid), started: Buffer.from(started, "hex").toString() })) continue;
    rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
  const own = identifyProcess(process.pid);
  const started = Buffer.from(own?.started ?? "").toString("hex");
  const directory = join(tmpdir(), `${prefix}${process.pid}-${started}-${made++}`);
  mkdirSync(directory, { mode: 0o700 });
  return directory;
}
