/**
 * Which TCP ports of 127.0.0.1 the processes of this machine's swarms use: given out from a base, the same for a use
 * at every start. A book in a file remembers them.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname } from "node:path";
import { z } from "zod";

/** A port that something else listens on. */
export interface TakenPort {
  readonly port: number;
  /** What it is wanted for, as given to `port`. */
  readonly use: string;
}

/** All ports are given out. Not a bug: somebody asked for more than a machine has. */
export class NoPortsLeft extends Error {
  readonly code = "ENOPORTS";
}

export interface PortBook {
  readonly base: number;
  /** The port for a use, such as `quickstart-eu-west-0-g1 rpc`. The first call gives it out. Throws `NoPortsLeft`. */
  readonly port: (use: string) => number;
  /** The use is over: its port may be given to another. */
  readonly release: (use: string) => void;
  readonly uses: () => ReadonlyMap<string, number>;
  /** Tries to listen on the ports of these uses: only before their processes run. */
  readonly taken: (uses: readonly string[]) => Promise<readonly TakenPort[]>;
}

export interface PortBookOptions {
  readonly file: string;
  /** First port given out. Another base than the file's makes a new book. */
  readonly base: number;
  /** Ports with a place of their own, by use. They are not given to others. */
  readonly fixed?: Readonly<Record<string, number>>;
}

/**
 * Above are the ports that Linux gives to outgoing connections: one of ours would be taken now and then by chance.
 * Given out nevertheless when the base is above, too.
 */
const endOfQuietPorts = 32_768;
const endOfPorts = 65_536;

const port = z.int().min(1).max(65_535);
const fileSchema = z.strictObject({ base: port, ports: z.record(z.string(), port) });

/** A damaged book is given up: ports are a convenience, and those of a new book work as well. */
export function openPortBook({ file, base, fixed = {} }: PortBookOptions): PortBook {
  const fixedPorts = new Map(Object.entries(fixed));
  const given = readBook(file, base);
  const reserved = new Set(fixedPorts.values());
  // A use whose port was fixed to another use since has to move.
  for (const [use, number] of given) if (reserved.has(number) || fixedPorts.has(use)) given.delete(use);
  const inUse = new Set([...reserved, ...given.values()]);
  let cursor = base;
  let saving = false;

  function save(): void {
    saving = false;
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(`${file}.new`, JSON.stringify({ base, ports: Object.fromEntries(given) }), { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }

  /** Once for all ports given out in one turn, and before anything else can be told about them. */
  function saveSoon(): void {
    if (saving) return;
    saving = true;
    queueMicrotask(save);
  }

  function free(): number {
    const end = base < endOfQuietPorts ? endOfQuietPorts : endOfPorts;
    for (let tried = base; tried < end; tried++) {
      const candidate = cursor;
      cursor = cursor + 1 < end ? cursor + 1 : base;
      if (!inUse.has(candidate)) return candidate;
    }
    throw new NoPortsLeft(`all ports from ${base} to ${end - 1} are given out`);
  }

  return {
    base,
    port(use) {
      const known = fixedPorts.get(use) ?? given.get(use);
      if (known !== undefined) return known;
      const number = free();
      given.set(use, number);
      inUse.add(number);
      saveSoon();
      return number;
    },
    release(use) {
      const number = given.get(use);
      if (number === undefined) return;
      given.delete(use);
      inUse.delete(number);
      saveSoon();
    },
    uses: () => new Map([...fixedPorts, ...given]),
    async taken(uses) {
      const wanted = uses.map((use) => ({ use, port: fixedPorts.get(use) ?? given.get(use) ?? 0 }));
      const known = wanted.filter(({ port: number }) => number !== 0);
      const frees = await Promise.all(known.map(({ port: number }) => isPortFree(number)));
      return known.filter((_, at) => !frees[at]);
    },
  };
}

const mostNamed = 3;

/** A sentence with the way out; "" when nothing is taken. */
export function describeTaken(taken: readonly TakenPort[], base: number): string {
  if (taken.length === 0) return "";
  const first = taken.slice(0, mostNamed).map(({ port: number, use }) => `${number} for ${use}`);
  const others = taken.length - first.length;
  const named = [...first, ...(others > 0 ? [`${others} more`] : [])].join(", ");
  const plural = taken.length === 1 ? "Port" : "Ports";
  return `${plural} taken by another program: ${named}. Stop it, or choose others with --port-base N (now ${base}).`;
}

function readBook(file: string, base: number): Map<string, number> {
  if (!existsSync(file)) return new Map();
  try {
    const parsed = fileSchema.safeParse(JSON.parse(readFileSync(file, "utf8")));
    if (parsed.success && parsed.data.base === base) return new Map(Object.entries(parsed.data.ports));
  } catch {
    // Torn: as if there were none.
  }
  return new Map();
}

/** Whether a port of 127.0.0.1 can be listened on now. */
export function isPortFree(number: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.once("error", () => resolve(false));
  server.listen({ port: number, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)));
  return promise;
}
