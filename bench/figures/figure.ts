/** What every figure is: named rows of one value a run, with the goal where there is one. */
import { type BenchFleet, startBenchFleet } from "../fleet.ts";
import { type GeneratorOptions, type LoadGenerator, startGenerator } from "../load/generator.ts";

/** One value of one run. */
export interface Measurement {
  /** What it is, the same text at every run. */
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What the project aims at. */
  readonly goal?: Goal;
}

export interface Goal {
  readonly bound: "at-least" | "at-most";
  readonly value: number;
}

/** One run of a figure: its measurements, and what else is worth keeping in the JSON. */
export interface FigureRun {
  readonly measurements: readonly Measurement[];
  readonly details: unknown;
}

/** What a run is given. */
export interface RunContext {
  readonly directory: string;
  readonly portBase: number;
  readonly warmupMs: number;
  readonly measureMs: number;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
  /** Window and rate at saturation, screened once on a chain of its own. */
  readonly saturation: () => Promise<Saturation>;
}

export interface Saturation {
  /** Messages of 1,000 payments under way. */
  readonly window: number;
  readonly paymentsPerSecond: number;
}

export interface Figure {
  readonly letter: string;
  readonly title: string;
  readonly run: (context: RunContext) => Promise<FigureRun>;
}

/** Runs work on a fresh chain with a load generator; both are gone afterwards, whatever happens. */
export async function onFreshChain<Result>(
  context: Pick<RunContext, "directory" | "portBase" | "signal">,
  options: GeneratorOptions,
  work: (fleet: BenchFleet, load: LoadGenerator) => Promise<Result>,
): Promise<Result> {
  const fleet = await startBenchFleet(context);
  try {
    const load = await startGenerator(fleet.target, options);
    try {
      return await work(fleet, load);
    } finally {
      await load.close();
    }
  } finally {
    await fleet.close();
  }
}

/** The payments of every message at saturation. */
export const fullMessage = 1_000;
