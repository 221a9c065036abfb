/** One operator per swarm directory. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { readIdentity } from "./leftovers.ts";
import { identifyProcess, isAlive } from "./process-identity.ts";

export type LockResult =
  | { readonly kind: "locked"; readonly release: () => void }
  /** Another living process holds it. */
  | { readonly kind: "held"; readonly pid: number };

/** Takes the lock file, also from a holder that is dead. The file names the holder by pid and start time. */
export function takeLock(file: string): LockResult {
  const self = identifyProcess(process.pid);
  if (self === undefined) throw new Error("this process has no identity");
  mkdirSync(dirname(file), { recursive: true });
  for (let attempt = 0; attempt < 8; attempt++) {
    try {
      writeFileSync(file, JSON.stringify(self), { flag: "wx", mode: 0o600 });
      return { kind: "locked", release: () => rmSync(file, { force: true }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const holder = readIdentity(file);
    if (holder && isAlive(holder)) return { kind: "held", pid: holder.pid };
    // Renaming is atomic: of two that find the same dead holder, one moves the file and the other finds none.
    const stale = `${file}.${process.pid}.stale`;
    try {
      renameSync(file, stale);
      rmSync(stale, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  throw new Error(`${file} changes hands too fast`);
}
