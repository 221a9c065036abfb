/** The command line. */
import { parseArgs } from "node:util";

export interface BenchOptions {
  readonly figures: readonly string[];
  readonly runs: number;
  readonly warmupMs: number;
  readonly measureMs: number;
  readonly json: string | undefined;
  readonly directory: string;
  readonly portBase: number;
}

export type ParsedOptions =
  | { readonly kind: "run"; readonly options: BenchOptions }
  | { readonly kind: "help" }
  | { readonly kind: "wrong"; readonly reason: string };

export const usage = `npm run bench -- [options]

  --figures a,b,…   which figures (default: a,b,c)
  --runs N          runs of each, every one on a fresh chain (default 3)
  --seconds S       measured time of a run (default 20)
  --warmup S        before it, not counted (default: half of it, 3 to 10)
  --json FILE       writes everything that was measured
  --directory DIR   where the validators keep their data (default .bench): a disk, not memory
  --port-base N     first of the ports used (default 19600)
  --help`;

const letters = ["a", "b", "c"];

export function parseOptions(args: readonly string[]): ParsedOptions {
  let values: ReturnType<typeof read>;
  try {
    values = read(args);
  } catch (error) {
    return { kind: "wrong", reason: error instanceof Error ? error.message : String(error) };
  }
  if (values.help) return { kind: "help" };
  const figures = values.figures.split(",").map((letter) => letter.trim());
  const unknown = figures.find((letter) => !letters.includes(letter));
  if (unknown !== undefined) return { kind: "wrong", reason: `no figure ${unknown}: there are ${letters.join(", ")}` };
  const [runs, seconds, portBase] = [Number(values.runs), Number(values.seconds), Number(values["port-base"])];
  const warmup = values.warmup === undefined ? Math.min(10, Math.max(3, seconds / 2)) : Number(values.warmup);
  if (!Number.isInteger(runs) || runs < 1) return { kind: "wrong", reason: "--runs is a whole number from 1 on" };
  if (!(seconds > 0) || !(warmup >= 0)) return { kind: "wrong", reason: "--seconds and --warmup are positive numbers" };
  if (!Number.isInteger(portBase)) return { kind: "wrong", reason: "--port-base is a port" };
  return {
    kind: "run",
    options: {
      figures,
      runs,
      warmupMs: warmup * 1000,
      measureMs: seconds * 1000,
      json: values.json,
      directory: values.directory,
      portBase,
    },
  };
}

function read(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      figures: { type: "string", default: letters.join(",") },
      runs: { type: "string", default: "3" },
      seconds: { type: "string", default: "20" },
      warmup: { type: "string" },
      json: { type: "string" },
      directory: { type: "string", default: ".bench" },
      "port-base": { type: "string", default: "19600" },
      help: { type: "boolean", default: false },
    },
  }).values;
}
