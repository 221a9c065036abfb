/** What the page shows, as plain values: JSON between the server and the page. Whoever runs a swarm provides a `ConsoleSource`. */

/** What does not change while the swarm runs. */
export interface ConsoleSwarm {
  readonly name: string;
  /** 64 hexadecimal digits. */
  readonly chainId: string;
  readonly faultModel: string;
  readonly totalPower: number;
  /** Power that may fail. */
  readonly faultPower: number;
  /** Power a decision needs. */
  readonly quorum: number;
  readonly regions: readonly { readonly name: string; readonly power: number }[];
  /** Where files are sent, a URL. */
  readonly gateway: string;
}

/** One seat as it was last seen. */
export interface ConsoleSeat {
  readonly name: string;
  readonly region: string;
  readonly power: number;
  readonly state: "voting" | "catching-up" | "quarantined" | "down";
  /** Why it does not vote, a sentence; "" when it does. */
  readonly trouble: string;
  readonly leader: boolean;
  readonly epoch: number;
  readonly view: number;
  readonly height: number;
  readonly settledHeight: number;
  readonly stateRoot: string;
  readonly queuedPayments: number;
  readonly timeouts: number;
  readonly restarts: number;
  readonly links: readonly { readonly seat: string; readonly connected: boolean; readonly rttMs: number }[];
}

export interface ConsoleBlock {
  readonly height: number;
  readonly view: number;
  /** Block time, ms since the Unix epoch. */
  readonly time: number;
  readonly hash: string;
  readonly payments: number;
  /** Since the block before, ms of block time; 0 while unknown. */
  readonly interval: number;
}

/** The swarm's figures at one moment. */
export interface ConsoleFigures {
  /** ms since the Unix epoch. */
  readonly time: number;
  readonly height: number;
  readonly settledHeight: number;
  readonly paymentsPerSecond: number;
  /** From acceptance to settlement, ms; `null` while nothing was measured. */
  readonly p50: number | null;
  readonly p99: number | null;
  readonly settledPayments: number;
  /** Voting power that votes now. */
  readonly votingPower: number;
  /** Regions settlement does not wait for now. */
  readonly degradedRegions: readonly string[];
  /** Height up to which every seat reported the same state root. */
  readonly agreedHeight: number;
  /** A height at which two seats reported different roots. */
  readonly divergedAt: number | null;
}

export interface ConsolePayment {
  readonly uetr: string;
  readonly from: string;
  readonly to: string;
  /** Decimal text in the currency's major unit. */
  readonly amount: string;
  readonly currency: string;
  readonly settled: boolean;
  /** Why it was rejected; "" when it settled. */
  readonly reason: string;
  readonly height: number;
  /** Block time, ms since the Unix epoch. */
  readonly time: number;
}

/** One link of the chain from a receipt to what is trusted. */
export interface ConsoleProofStep {
  readonly title: string;
  readonly says: string;
  readonly facts: readonly { readonly label: string; readonly value: string }[];
}

export type ConsoleProof =
  | {
      readonly kind: "proof";
      readonly uetr: string;
      /** Did the offline verifier accept it, from this chain's genesis? */
      readonly verified: boolean;
      readonly verdict: string;
      readonly bytes: number;
      readonly steps: readonly ConsoleProofStep[];
    }
  | { readonly kind: "none"; readonly reason: string };

export interface ConsoleSnapshot {
  readonly swarm: ConsoleSwarm;
  readonly seats: readonly ConsoleSeat[];
  /** Ascending, the newest last. */
  readonly blocks: readonly ConsoleBlock[];
  readonly figures: readonly ConsoleFigures[];
  readonly payments: readonly ConsolePayment[];
}

/** What the page hears, one JSON value per server-sent event. */
export type ConsoleEvent =
  | { readonly kind: "snapshot"; readonly snapshot: ConsoleSnapshot }
  | { readonly kind: "seat"; readonly seat: ConsoleSeat }
  | { readonly kind: "block"; readonly block: ConsoleBlock }
  | { readonly kind: "figures"; readonly figures: ConsoleFigures }
  | { readonly kind: "payment"; readonly payment: ConsolePayment };

export interface ConsoleSource {
  readonly snapshot: () => ConsoleSnapshot;
  readonly watch: (listener: (event: ConsoleEvent) => void) => () => void;
  /** `uetr`: 36 characters, checked. */
  readonly proof: (uetr: string) => Promise<ConsoleProof>;
  /** The proof's canonical bytes. */
  readonly proofBytes: (uetr: string) => Promise<Uint8Array | undefined>;
}
