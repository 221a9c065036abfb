/** What the figures were measured on. */
import { readFileSync, statfsSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { resolve } from "node:path";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly node: string;
  /** Of the data directories: device, type and where it is mounted. */
  readonly filesystem: string;
}

export function describeMachine(directory: string): Machine {
  const all = cpus();
  return {
    cpu: all[0]?.model.trim() ?? "unknown",
    cores: all.length,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    filesystem: filesystemOf(directory),
  };
}

/** Load of the last minute, as the kernel averages it. */
export function machineLoad(): number {
  return loadavg()[0] ?? Number.NaN;
}

const tmpfs = 0x0102_1994;

/** A durable write into memory costs nothing: figures taken there would be of another system. */
export function isInMemory(directory: string): boolean {
  return statfsSync(directory).type === tmpfs;
}

/** The longest mount point that leads to the directory. */
function filesystemOf(directory: string): string {
  const path = resolve(directory);
  const mounts = readFileSync("/proc/mounts", "utf8")
    .trim()
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([, point = ""]) => point === "/" || path === point || path.startsWith(`${point}/`))
    .sort(([, a = ""], [, b = ""]) => b.length - a.length);
  const [device = "unknown", point = "/", type = "unknown"] = mounts[0] ?? [];
  return `${type} (${device} on ${point})`;
}
