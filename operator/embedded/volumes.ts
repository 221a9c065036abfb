/** Where a swarm on one machine keeps its things: volumes are directories. */
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";

/** Absolute paths under `.swarm/<swarm>/`. */
export interface SwarmLayout {
  readonly root: string;
  /** Who runs this swarm now. */
  readonly lock: string;
  readonly genesis: string;
  /** Where the services of the running swarm listen, for `swarm` and others. */
  readonly endpoints: string;
  /** Development keys of institutions, 0600. */
  readonly institutions: string;
  readonly governance: string;
  readonly logs: string;
  readonly run: string;
  readonly config: string;
  readonly volumes: string;
}

/** `base` is `SWARM_DIR`, or `.swarm` in the working directory. Nothing is created. */
export function swarmLayout(swarm: string, base = swarmDirectory()): SwarmLayout {
  const root = resolve(base, swarm);
  const at = (name: string) => join(root, name);
  return {
    root,
    lock: at("lock.json"),
    genesis: at("genesis.json"),
    endpoints: at("endpoints.json"),
    institutions: at("institutions"),
    governance: at("governance"),
    logs: at("logs"),
    run: at("run"),
    config: at("config"),
    volumes: at("volumes"),
  };
}

export function swarmDirectory(): string {
  return process.env["SWARM_DIR"] ?? ".swarm";
}

/** Creates the directories, readable by the owner alone. */
export function createLayout(layout: SwarmLayout): void {
  for (const directory of [
    layout.root,
    layout.institutions,
    layout.governance,
    layout.logs,
    layout.run,
    layout.config,
    layout.volumes,
  ])
    mkdirSync(directory, { recursive: true, mode: 0o700 });
}

/** The volume of an identity, created when it is not there. */
export function volumeOf(layout: SwarmLayout, identity: string): string {
  const volume = join(layout.volumes, identity);
  mkdirSync(volume, { recursive: true, mode: 0o700 });
  return volume;
}
