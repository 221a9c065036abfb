/** A process's limit on memory, as a container's: one that holds more is killed. */
import { readFileSync } from "node:fs";

/** A leak of 100 MB/s goes this much over the limit at most, ms. */
const everyMs = 500;
/** Linux's on every architecture that Node has builds for, but some with larger pages: there the limit is looser. */
const pageBytes = 4_096;

/** Calls `exceeded` once. The result ends the watch. */
export function watchMemory(pid: number, limitBytes: number, exceeded: () => void): () => void {
  const timer = setInterval(() => {
    if (residentBytes(pid) <= limitBytes) return;
    clearInterval(timer);
    exceeded();
  }, everyMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** 0 for a process that is gone, and where the system does not say. */
function residentBytes(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1] ?? 0) * pageBytes;
  } catch {
    return 0;
  }
}
