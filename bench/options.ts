/** The command line. */
import { parseArgs } from "node:util";
import { letters } from "./figures/figure.ts";

export interface BenchOptions {
  readonly figures: readonly string[];
  readonly runs: number;
  readonly warmupMs: number;
  readonly measureMs: number;
  /** Measured time of figure (e). */
  readonly soakMs: number;
  readonly peer: "cometbft" | undefined;
  readonly json: string | undefined;
  readonly write: string | undefined;
  readonly directory: string;
  readonly portBase: number;
}

export type ParsedOptions =
  | { readonly kind: "run"; readonly options: BenchOptions }
  | { readonly kind: "help" }
  | { readonly kind: "wrong"; readonly reason: string };

export const usage = `npm run bench -- [options]

  --figure a,b,…    which figures (default: all, a to f; with --peer those it can do: a,b,c,f)
  --peer cometbft   builds it (needs Go) and measures it in turns with this project, doing the same work
  --runs N          runs of each, every one on a fresh chain (default 3)
  --seconds S       measured time of a load (default 10)
  --warmup S        before it, not counted (default 8)
  --soak MINUTES    measured time of figure (e) (default 0.5; 10 shows whether memory stays flat)
  --json FILE       writes everything that was measured
  --write FILE      puts the table into this Markdown file, between its two "bench" comments
  --directory DIR   where the validators keep their data (default .bench): a disk, not memory
  --port-base N     first of the ports used (default 19600)
  --help`;

/** Those that a peer can do too. */
const comparedLetters = ["a", "b", "c", "f"];

export function parseOptions(args: readonly string[]): ParsedOptions {
  let values: ReturnType<typeof read>;
  try {
    values = read(args);
  } catch (error) {
    return { kind: "wrong", reason: error instanceof Error ? error.message : String(error) };
  }
  if (values.help) return { kind: "help" };
  const { peer } = values;
  if (peer !== undefined && peer !== "cometbft") return { kind: "wrong", reason: "--peer is cometbft" };
  const all: readonly string[] = peer === undefined ? letters : comparedLetters;
  const figures = values.figure?.split(",").map((letter) => letter.trim()) ?? all;
  const unknown = figures.find((letter) => !letters.some((known) => known === letter));
  if (unknown !== undefined) return { kind: "wrong", reason: `no figure ${unknown}: there are ${letters.join(", ")}` };
  const [runs, seconds, warmup] = [Number(values.runs), Number(values.seconds), Number(values.warmup)];
  const soak = Number(values.soak);
  const portBase = Number(values["port-base"]);
  if (!Number.isInteger(runs) || runs < 1) return { kind: "wrong", reason: "--runs is a whole number from 1 on" };
  if (!(seconds > 0) || !(warmup >= 0) || !(soak > 0))
    return { kind: "wrong", reason: "--seconds, --warmup and --soak are positive numbers" };
  if (!Number.isInteger(portBase)) return { kind: "wrong", reason: "--port-base is a port" };
  return {
    kind: "run",
    options: {
      figures,
      runs,
      warmupMs: warmup * 1000,
      measureMs: seconds * 1000,
      soakMs: soak * 60_000,
      peer,
      json: values.json,
      write: values.write,
      directory: values.directory,
      portBase,
    },
  };
}

function read(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      figure: { type: "string" },
      peer: { type: "string" },
      runs: { type: "string", default: "3" },
      seconds: { type: "string", default: "10" },
      warmup: { type: "string", default: "8" },
      soak: { type: "string", default: "0.5" },
      json: { type: "string" },
      write: { type: "string" },
      directory: { type: "string", default: ".bench" },
      "port-base": { type: "string", default: "19600" },
      help: { type: "boolean", default: false },
    },
  }).values;
}
