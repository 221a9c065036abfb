/** Where a swarm on one machine keeps its things: volumes are directories. What all swarms share is beside them. */
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";

/** Absolute paths under `.swarm/<swarm>/`. */
export interface SwarmLayout {
  readonly root: string;
  /** A copy of the chain's genesis document, for `verify-proof`. */
  readonly genesis: string;
  readonly logs: string;
  readonly volumes: string;
}

/** `base` is `SWARM_DIR`, or `.swarm` in the working directory. Nothing is created. */
export function swarmLayout(swarm: string, base = swarmDirectory()): SwarmLayout {
  const root = resolve(base, swarm);
  const at = (name: string) => join(root, name);
  return {
    root,
    genesis: at("genesis.json"),
    logs: at("logs"),
    volumes: at("volumes"),
  };
}

export function swarmDirectory(): string {
  return process.env["SWARM_DIR"] ?? ".swarm";
}

/** File that the one operator of a directory holds. */
export const lockOf = (directory: string) => join(resolve(directory), "lock");

/** Creates the directories, readable by the owner alone. */
export function createLayout({ root, logs, volumes }: SwarmLayout): void {
  for (const directory of [root, logs, volumes]) mkdirSync(directory, { recursive: true, mode: 0o700 });
}
