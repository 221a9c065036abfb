/** What is measured: this project, or a peer doing the same work. */
import type { LoadTarget } from "./load/protocol.ts";

export interface StartOptions {
  /** Where data directories are made. */
  readonly directory: string;
  /** First of the ports used. */
  readonly portBase: number;
  readonly signal: AbortSignal;
}

/** Four validator processes of a chain of their own. */
export interface Chain {
  /** What the load generator needs to know. */
  readonly target: LoadTarget;
  /** SIGKILL to who leads right now; it is not started again. Its name. */
  readonly killLeader: () => Promise<string>;
  /** Ends the processes and removes their data. */
  readonly close: () => Promise<void>;
}

export interface System {
  readonly name: string;
  /** In words: what it is, its version and what of its set-up matters. */
  readonly description: string;
  /** Letters of the figures in which it is measured. */
  readonly figures: readonly string[];
  readonly start: (options: StartOptions) => Promise<Chain>;
}
