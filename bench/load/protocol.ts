/** What the benchmark and its load generator say to each other: plain values over the child's channel. */
import type { Percentiles } from "../statistics.ts";

export type LoadTarget = SwarmTarget | CometTarget;

/** CometBFT nodes: WebSocket addresses of their RPC. */
export interface CometTarget {
  readonly system: "cometbft";
  readonly urls: readonly string[];
}

export interface SwarmTarget {
  readonly system: "validator-swarm";
  /** The validators' services, in the order of the seats. */
  readonly urls: readonly string[];
  /** Hexadecimal. */
  readonly chainId: string;
  /** Of every message, ms since the Unix epoch. */
  readonly expiry: number;
  /** A message is settled when so many validators say so: F + 1. */
  readonly settledBy: number;
  /** With the ed25519 seed each signs with, hexadecimal. */
  readonly institutions: readonly { readonly index: number; readonly seed: string }[];
  /** `code`: ISO 4217 numeric. */
  readonly accounts: readonly {
    readonly index: number;
    readonly institution: number;
    readonly code: number;
  }[];
}

export type LoadCommand =
  /** Connects, and watches settlements at the first `watch` validators. */
  | { readonly kind: "connect"; readonly target: LoadTarget; readonly watch: number; readonly finality: boolean }
  /** Makes, signs and encodes messages before anything is measured, as many as fit into memory. */
  | { readonly kind: "prepare"; readonly messages: number; readonly payments: number }
  /** Keeps `window` messages submitted and not yet settled. */
  | { readonly kind: "closed"; readonly window: number; readonly warmupMs: number; readonly measureMs: number }
  /** One message every 1000/perSecond ms, whatever becomes of the ones before. */
  | { readonly kind: "open"; readonly perSecond: number; readonly warmupMs: number; readonly measureMs: number }
  /** One message, settled, a pause, the next. */
  | { readonly kind: "alone"; readonly count: number; readonly warmup: number };

export interface LoadResult {
  /** Of the measured interval, ms. */
  readonly elapsedMs: number;
  readonly messages: number;
  readonly payments: number;
  /** Payments of messages settled inside the interval, per second. */
  readonly paymentsPerSecond: number;
  /** Of the messages the interval counts, ms. */
  readonly accepted: Percentiles;
  /** From the answer "accepted" to settlement. */
  readonly settlement: Percentiles;
  /** From the answer "accepted" to the finality of its block; only when `finality` was asked for. */
  readonly finality: Percentiles;
  /** From the intended time of submission (open loop) or the submission (closed) to settlement. */
  readonly total: Percentiles;
  /** From the intended time to the finality of its block; only when `finality` was asked for. */
  readonly commit: Percentiles;
  /** One row a message in order of intention: ms since the command's first; -1 where it never came. */
  readonly samples: readonly Sample[];
  /** Submissions answered "later" or lost and sent again. */
  readonly retries: number;
  /** Messages never seen settled before the time to drain was over. */
  readonly unsettled: number;
  readonly rejectedPayments: number;
  /** Share of one core the generator itself took while it measured. */
  readonly generatorCpu: number;
}

/** Times of one message, ms of the generator's clock since its command began. */
export interface Sample {
  readonly intended: number;
  readonly accepted: number;
  readonly final: number;
  readonly settled: number;
}

export type LoadEvent =
  | { readonly kind: "ready" }
  /** The warm-up is over. */
  | { readonly kind: "measuring" }
  /** The measured interval is over; what is under way still drains. */
  | { readonly kind: "measured" }
  | { readonly kind: "result"; readonly result: LoadResult }
  | { readonly kind: "failed"; readonly reason: string };
