/** Where the services of a running swarm are: written by the operator, read by `swarm` and other tools of this machine. */
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { readIdentity } from "./leftovers.ts";
import { isAlive } from "./process-identity.ts";
import { lockOf, swarmDirectory, swarmLayout } from "./volumes.ts";

const url = z.url({ protocol: /^https?$/ });
const schema = z.strictObject({
  swarm: z.string(),
  chainId: z.string(),
  pid: z.int(),
  faultPower: z.int(),
  gateway: url,
  console: url,
  genesis: z.string(),
  seats: z.array(
    z.strictObject({
      seat: z.string(),
      identity: z.string(),
      region: z.string(),
      power: z.int(),
      rpc: url,
      metrics: url,
      log: z.string(),
    }),
  ),
  institutions: z.array(z.strictObject({ bic: z.string(), name: z.string() })),
});

export type Endpoints = z.infer<typeof schema>;

/** Replaces the file whole: a reader sees the old or the new one. */
export function writeEndpoints(file: string, endpoints: Endpoints): void {
  writeFileSync(`${file}.new`, `${JSON.stringify(endpoints, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

export function removeEndpoints(file: string): void {
  rmSync(file, { force: true });
}

export type FoundEndpoints =
  | { readonly kind: "found"; readonly endpoints: Endpoints }
  /** A sentence: no swarm runs here, more than one does, or the file is damaged. */
  | { readonly kind: "none"; readonly reason: string };

/** The running swarm of that name; without a name the only one there is. */
export function findEndpoints(swarm: string | undefined, directory = swarmDirectory()): FoundEndpoints {
  // An operator that was killed leaves its files; its lock names who it was.
  const names = isRunning(lockOf(directory)) ? (swarm === undefined ? listSwarms(directory) : [swarm]) : [];
  const running = names
    .map((name) => ({ name, text: readText(swarmLayout(name, directory).endpoints) }))
    .filter(({ text }) => text !== undefined);
  const [first, ...others] = running;
  if (first?.text === undefined)
    return {
      kind: "none",
      reason: `No ${swarm === undefined ? "swarm" : `swarm named ${swarm}`} runs from ${directory}. Start one with npm start, or set SWARM_DIR.`,
    };
  if (others.length > 0)
    return {
      kind: "none",
      reason: `Several swarms run: ${running.map(({ name }) => name).join(", ")}. Choose one with --swarm NAME.`,
    };
  const parsed = parseEndpoints(first.text);
  return parsed === undefined
    ? { kind: "none", reason: `${swarmLayout(first.name, directory).endpoints} is damaged. Start the swarm again.` }
    : { kind: "found", endpoints: parsed };
}

function isRunning(lock: string): boolean {
  const holder = readIdentity(lock);
  return holder !== undefined && isAlive(holder);
}

function parseEndpoints(text: string): Endpoints | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function listSwarms(directory: string): readonly string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .sort();
  } catch {
    return [];
  }
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
