/** What every figure is: named rows of one value a run, with the goal where there is one. */
import { type GeneratorOptions, type LoadGenerator, startGenerator } from "../load/generator.ts";
import type { Chain, System } from "../system.ts";

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

/** Of all figures. */
export const letters = ["a", "b", "c", "d", "e", "f"] as const;

/** What a run is given. */
export interface RunContext {
  readonly system: System;
  readonly directory: string;
  readonly portBase: number;
  readonly warmupMs: number;
  readonly measureMs: number;
  /** Measured time of figure (e). */
  readonly soakMs: number;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
  /** A peer is measured too: then it matters what messages of one payment do. */
  readonly compared: boolean;
  /** At saturation by messages of so many payments: as figure (a) measured last, else screened on a chain of its own. */
  readonly saturation: (payments: number) => Promise<Saturation>;
  /** Figure (a) measured it. */
  readonly saturated: (payments: number, now: Saturation) => void;
}

export interface Saturation {
  /** Messages under way. */
  readonly window: number;
  readonly paymentsPerSecond: number;
}

export interface Figure {
  readonly letter: (typeof letters)[number];
  readonly title: string;
  readonly run: (context: RunContext) => Promise<FigureRun>;
}

/** Runs work on a fresh chain with a load generator; both are gone afterwards, whatever happens. */
export async function onFreshChain<Result>(
  context: Pick<RunContext, "system" | "directory" | "portBase" | "signal">,
  options: GeneratorOptions,
  work: (chain: Chain, load: LoadGenerator) => Promise<Result>,
): Promise<Result> {
  return underLoad(await context.system.start(context), { ...options, signal: context.signal }, work);
}

/** Runs work on a chain that was just started; it is gone afterwards, whatever happens. */
export async function underLoad<Started extends Chain, Result>(
  chain: Started,
  options: GeneratorOptions,
  work: (chain: Started, load: LoadGenerator) => Promise<Result>,
): Promise<Result> {
  try {
    const load = await startGenerator(chain.target, options);
    try {
      return await work(chain, load);
    } finally {
      await load.close();
    }
  } finally {
    await chain.close();
  }
}

/** The payments of every message at saturation. */
export const fullMessage = 1_000;
