/** What the kernel counts of a process, from /proc. */
import { readFileSync } from "node:fs";

/** Of the clock in /proc/PID/stat: USER_HZ, 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

/** User and system time since it began, seconds. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name in parentheses may hold spaces; utime and stime are the 14th and 15th field.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** Time its first thread was ready to run and had no core, seconds since it began; NaN where the kernel does not count it. */
export function waitedSeconds(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[1]) / 1e9;
  } catch {
    return Number.NaN;
  }
}

/** Memory that belongs to the process alone: heap, buffers, stacks; bytes. */
export function anonymousBytes(pid: number): number {
  return numberOf(readFileSync(`/proc/${pid}/status`, "utf8"), "RssAnon") * 1024;
}

/** Bytes it had the kernel write to disks since it began. */
export function writtenBytes(pid: number): number {
  return numberOf(readFileSync(`/proc/${pid}/io`, "utf8"), "write_bytes");
}

function numberOf(text: string, name: string): number {
  const found = new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1];
  if (found === undefined) throw new Error(`the kernel does not say ${name}`);
  return Number(found);
}
