/** Every parameter of the protocol in one table: `docs/parameters.md` is generated from it, genesis takes its defaults from it. */
import type { Parameters } from "./types.ts";

/** `local`: one validator may differ. `rolling`: differs harmlessly while being changed. `governed`: chain state, equal on all. */
export type ParameterScope = "local" | "rolling" | "governed";

export interface ParameterRow {
  readonly name: keyof Parameters;
  /** Inclusive bounds of a number, or the words allowed. */
  readonly range: readonly [number, number] | readonly string[];
  readonly unit: "ms" | "blocks" | "views" | "batches" | "reveals" | "";
  readonly scope: ParameterScope;
  readonly help: string;
}

export const parameterTable: readonly ParameterRow[] = [
  {
    name: "timeoutPolicy",
    range: ["ema", "jacobson", "learned"],
    unit: "",
    scope: "local",
    help: "How a view's timeout follows the round trips and view durations seen.",
  },
  { name: "minTimeout", range: [10, 60_000], unit: "ms", scope: "local", help: "Least timeout of a view." },
  {
    name: "maxTimeout",
    range: [100, 600_000],
    unit: "ms",
    scope: "local",
    help: "Cap of a view's timeout while it doubles.",
  },
  {
    name: "idleInterval",
    range: [50, 60_000],
    unit: "ms",
    scope: "rolling",
    help: "An idle leader's wait before an empty block.",
  },
  {
    name: "settleInterval",
    range: [10, 60_000],
    unit: "ms",
    scope: "rolling",
    help: "The same while a final block still waits for coverage.",
  },
  {
    name: "maxClockDrift",
    range: [100, 60_000],
    unit: "ms",
    scope: "governed",
    help: "How far a proposal's time may be ahead of a validator's clock.",
  },
  { name: "maxBlockBatches", range: [1, 320], unit: "batches", scope: "governed", help: "Most batches of one block." },
  {
    name: "hintTimeout",
    range: [1, 10_000],
    unit: "ms",
    scope: "local",
    help: "After this long a leader proposes a batch that F + 1 power has not hinted at.",
  },
  {
    name: "maxExecutionLag",
    range: [1, 10_000],
    unit: "blocks",
    scope: "governed",
    help: "Beyond this lag of rootHeight a block carries no payments.",
  },
  {
    name: "silentViews",
    range: [1, 1_000],
    unit: "views",
    scope: "local",
    help: "A leader not heard for more views than this, and for a timeout, is nullified at once.",
  },
  {
    name: "suspectBlocks",
    range: [1, 10_000],
    unit: "blocks",
    scope: "governed",
    help: "A region missing from this many finalizations in a row",
  },
  {
    name: "suspectAfter",
    range: [0, 3_600_000],
    unit: "ms",
    scope: "governed",
    help: "that span at least this much block time is suspected.",
  },
  { name: "epochBlocks", range: [2, 100_000_000], unit: "blocks", scope: "governed", help: "Longest epoch." },
  {
    name: "checkpointInterval",
    range: [2, 1_000_000],
    unit: "blocks",
    scope: "governed",
    help: "Blocks between checkpoints.",
  },
  {
    name: "revealInterval",
    range: [1, 10_000],
    unit: "views",
    scope: "governed",
    help: "Blocks of views divisible by this carry a reveal.",
  },
  {
    name: "minReveals",
    range: [1, 10_000],
    unit: "reveals",
    scope: "governed",
    help: "An epoch with fewer hashes its beacon forward.",
  },
];

/** What genesis takes where it says nothing. */
export const defaultParameters: Parameters = {
  timeoutPolicy: "jacobson",
  minTimeout: 150,
  maxTimeout: 10_000,
  idleInterval: 1_000,
  settleInterval: 200,
  maxClockDrift: 5_000,
  maxBlockBatches: 256,
  hintTimeout: 50,
  maxExecutionLag: 64,
  silentViews: 3,
  suspectBlocks: 8,
  suspectAfter: 1_500,
  epochBlocks: 100_000,
  checkpointInterval: 1_000,
  revealInterval: 32,
  minReveals: 4,
};
