/**
 * What `rpc/` asks of a running validator, and what the validator tells the metrics, the log and the traces.
 * The driver implements `ValidatorServices` and calls `Observer`; it knows nothing of HTTP, protobuf services,
 * prom-client or pino. Identity and genesis are `main.ts`'s: a driver exists only once its chain does.
 */
import type {
  Block,
  Certificate,
  Digest,
  Header,
  Height,
  NullifyReason,
  Observation,
  VoteKind,
} from "../consensus/types.ts";
import type { CertifiedComponents } from "../ledger/proof-report.ts";
import type { MessageOutcome } from "../ledger/types.ts";
import type { PeerName } from "./ports.ts";
import type { ShadowState } from "./shadow.ts";

/** What became of a submission. All four are ordinary answers; a rejection of the promise is a bug. */
export type SubmitResult =
  /** Members with `F + 1` power (this one included) hold the message's batch durably, or it was accepted before. */
  | { readonly kind: "accepted"; readonly messageHash: Uint8Array }
  /** Never to be accepted as it is: an ISO external status reason code and a sentence. */
  | { readonly kind: "refused"; readonly code: string; readonly reason: string }
  /** The queue is full: nothing was kept, try again after the time given. */
  | { readonly kind: "overloaded"; readonly retryAfterMs: number }
  /** This validator cannot accept now (learner, quarantined, disk, too few members reached). */
  | { readonly kind: "not-ready"; readonly reason: string };

/** A settled block with the outcomes of its messages, in chain order. */
export interface SettledBlock {
  readonly height: Height;
  readonly view: number;
  readonly epoch: number;
  /** Block time, ms since the Unix epoch. */
  readonly time: number;
  readonly block: Digest;
  /** 32 bytes, equal on all honest validators. */
  readonly receiptsRoot: Uint8Array;
  readonly messages: readonly MessageOutcome[];
}

export type MessageState =
  | { readonly kind: "unknown" }
  /** Held here, in no final block yet. */
  | { readonly kind: "pending" }
  /** In a final block that is not settled yet. */
  | { readonly kind: "ordered"; readonly height: Height }
  | { readonly kind: "settled"; readonly height: Height; readonly outcome: MessageOutcome };

export type PaymentState =
  | { readonly kind: "unknown" }
  | { readonly kind: "pending"; readonly messageKey: Uint8Array; readonly record: Uint8Array }
  | { readonly kind: "ordered"; readonly height: Height; readonly messageKey: Uint8Array; readonly record: Uint8Array }
  | {
      readonly kind: "settled";
      readonly height: Height;
      /** Receipt code: 0 settled, else why not (`ledger/receipts.ts`). */
      readonly code: number;
      readonly messageKey: Uint8Array;
      /** The 64-byte record. */
      readonly record: Uint8Array;
    };

export type ProofResult =
  /** Canonical bytes for the offline verifier. */
  | { readonly kind: "proof"; readonly bytes: Uint8Array }
  /** No settled payment of this key, or its block is pruned here; the sentence says which. */
  | { readonly kind: "none"; readonly reason: string };

export type PrivateResult =
  | {
      readonly kind: "found";
      readonly content: Uint8Array;
      /** The signed message itself, header and records. */
      readonly signed: Uint8Array;
      /** Who may read it: the institution that sent the message, and those it credited. */
      readonly institution: number;
      readonly creditors: readonly number[];
    }
  /** Not settled, not of a zone of this member, or pruned; the sentence says which. */
  | { readonly kind: "none"; readonly reason: string };

export interface DirectoryInstitution {
  readonly index: number;
  readonly bic: string;
  /** ed25519, 32 bytes. */
  readonly key: Uint8Array;
  /** Distinguished name of its client certificate, e.g. `CN=gateway,O=Bank A,C=DE`; "" when none is registered. */
  readonly certificateSubject: string;
  readonly suspended: boolean;
}

export interface DirectoryAccount {
  readonly index: number;
  readonly institution: number;
  /** ISO 4217 alphabetic code. */
  readonly currency: string;
  /** Minor units. */
  readonly balance: bigint;
  readonly debitCap: bigint;
}

/** The executed state's institutions and accounts, and the current validator set. */
export interface Directory {
  readonly chainId: Digest;
  /** Position i holds the institution with index i; likewise for accounts. */
  readonly institutions: readonly DirectoryInstitution[];
  readonly accounts: readonly DirectoryAccount[];
  readonly zones: readonly string[];
  /** Milliseconds of block time. */
  readonly expiryWindow: number;
  readonly members: readonly { readonly seat: string; readonly power: number; readonly region: string }[];
  /** `F`: the power the current set can lose. */
  readonly faultPower: number;
}

export interface PeerState {
  readonly seat: string;
  readonly region: string;
  readonly connected: boolean;
  /** Smoothed; 0 while unknown. */
  readonly rttMs: number;
}

export interface ValidatorStatus {
  readonly seat: string;
  readonly region: string;
  readonly epoch: number;
  readonly view: number;
  readonly finalizedHeight: number;
  readonly settledHeight: number;
  readonly executedHeight: number;
  /** Root after `executedHeight`. */
  readonly stateRoot: Digest;
  readonly role: "validator" | "learner" | "quarantined";
  readonly voting: boolean;
  /** Why it is not ready, a sentence; "" when it is (storage healthy, a quorum connected, not quarantined, caught up). */
  readonly notReady: string;
  readonly queuedPayments: number;
  /** Since genesis. */
  readonly settledPayments: number;
  readonly degradedRegions: readonly string[];
  readonly peers: readonly PeerState[];
  /** Seat that leads the current view. */
  readonly leader: string;
  readonly timeouts: number;
  /** Of the newest final block. */
  readonly blockTime: number;
  readonly block: Digest;
  readonly blockPayments: number;
  readonly blockView: number;
  /** Seats whose votes were seen here in the last views (`hearing.ts`). */
  readonly heard: readonly string[];
}

export type GovernanceResult =
  /** sha256 of the transaction's bytes; it waits for a block and is gossiped to the leaders. */
  { readonly kind: "accepted"; readonly hash: Uint8Array } | { readonly kind: "refused"; readonly reason: string };

/** What became of a governance transaction, as far as this validator can show it. */
export interface GovernanceOutcome {
  /** sha256 of the transaction's bytes. */
  readonly hash: Uint8Array;
  readonly granted: boolean;
  /** Why not; "" when granted, and when only the outcome is kept here any more. */
  readonly reason: string;
  /** `ledger/proof-report.ts`: leads to the root that the report's header names. */
  readonly receipt: Uint8Array;
}

/** What this validator can prove of the chain, each part in the bytes that the proof's verifier takes (docs/formats.md, Chain report). */
export interface ChainReport {
  /** The newest header that a finalization of its own block made final; undefined when none was seen since the start. */
  readonly final: { readonly header: Header; readonly finalization: Certificate } | undefined;
  /** From the reader's set to that of the header's epoch, that one included. */
  readonly handovers: readonly Uint8Array[];
  /** Components under the header's root; undefined while it is not executed here. */
  readonly components: CertifiedComponents | undefined;
  readonly outcomes: readonly GovernanceOutcome[];
  /** With a mismatch, `final` is the header that shows it. */
  readonly shadow: ShadowState;
}

/** A checkpoint on its way out of the volume: the head, final blocks above it each with its batches, its state, its executed keys. */
export type BackupPart =
  | {
      readonly kind: "head";
      readonly height: Height;
      readonly root: Digest;
      /** Canonical JSON: its hash is the chain's id. */
      readonly genesis: Uint8Array;
      /** Names the height with its root. */
      readonly proof: { readonly block: Block; readonly finalization: Certificate };
      /** From genesis to the set of the proof's epoch. */
      readonly handovers: readonly Uint8Array[];
      /** Finalizes the last of the blocks, which names the root at `replayTo`. */
      readonly finalization: Certificate;
      /** Blocks up to this height come with their batches. */
      readonly replayTo: Height;
    }
  | { readonly kind: "block"; readonly block: Block }
  | { readonly kind: "batch" | "state" | "keys"; readonly content: Uint8Array };

export type BackupResult =
  | { readonly kind: "parts"; readonly parts: AsyncIterable<BackupPart> }
  /** Not kept here, or not yet to be proven: a sentence. */
  | { readonly kind: "none"; readonly reason: string };

export interface BackupOptions {
  /** Of the checkpoint; undefined: the newest that is proven. */
  readonly height: Height | undefined;
  /** Blocks above it that are to be executed again; one will do when the chain rests. */
  readonly replay: number;
}

/** A running validator, as its services see it. */
export interface ValidatorServices {
  /**
   * Takes a signed payment message (`docs/formats.md`). The arrays are the callee's to keep.
   * `traceparent` (W3C, "" when not traced) comes back in `batch-sealed`, for spans.
   */
  submit(message: Uint8Array, privatePayload: Uint8Array | undefined, traceparent: string): Promise<SubmitResult>;
  /**
   * Settled blocks from a height on (0: those to come), each once, ascending, for ever; empty ones may be left out.
   * Ends when `signal` aborts. A slow reader holds only its own cursor: blocks are read again from the store.
   * Throws `RangeError` when `fromHeight` is below what is kept.
   */
  settlements(fromHeight: number, signal: AbortSignal): AsyncIterable<SettledBlock>;
  message(institution: number, messageKey: Uint8Array): Promise<MessageState>;
  /** `uetr`: 16 bytes. */
  payment(institution: number, uetr: Uint8Array): Promise<PaymentState>;
  /** `fromEpoch`: whose set the reader trusts; default genesis. */
  proof(institution: number, uetr: Uint8Array, fromEpoch?: number): Promise<ProofResult>;
  privatePayload(messageHash: Uint8Array): Promise<PrivateResult>;
  /** Cheap enough for every request: cached until execution changes institutions or the set (balances may lag a block). */
  directory(): Directory;
  /** Cheap: a view of counters, no I/O. */
  status(): ValidatorStatus;
  /** Calls after a view ended, a block became final or settled, a peer came or went, readiness changed. The result unsubscribes. */
  watchStatus(changed: () => void): () => void;
  submitGovernance(transaction: Uint8Array): Promise<GovernanceResult>;
  /** For a reader who trusts the set of epoch `from`. `transactions`: hashes of those whose outcome is wanted. */
  chainReport(from: number, transactions: readonly Uint8Array[]): Promise<ChainReport>;
  /** For who keeps checkpoints elsewhere. While `parts` is read, what it needs stays on the volume; the reader ends it. */
  backup(options: BackupOptions, signal: AbortSignal): Promise<BackupResult>;
}

/** Where a validator's CPU time goes. */
export type Stage =
  | "ingress-check"
  | "batch-store"
  | "dissemination"
  | "batch-verify"
  | "execute"
  | "root"
  | "bls-sign"
  | "bls-verify"
  | "persist"
  | "step";

/** Everything a validator tells about itself as it runs. Closed; reported synchronously, in order, where it happens. */
export type DriverEvent =
  /** The core's own observations. */
  | { readonly kind: "consensus"; readonly event: Observation }
  | {
      readonly kind: "vote-cast";
      readonly vote: VoteKind;
      readonly view: number;
      readonly reason: NullifyReason | undefined;
    }
  /** From a peer whose connection was authenticated; the vote's own signature is not checked yet. */
  | {
      readonly kind: "vote-received";
      readonly from: PeerName;
      /** The member's; undefined when the peer holds none in this epoch, or the vote is in another's name or of another epoch. */
      readonly seat: string | undefined;
      readonly vote: VoteKind;
      readonly epoch: number;
      readonly view: number;
      /** What it is for: two of one kind for different blocks of a view are a double vote. */
      readonly block: Digest;
    }
  /** Microseconds spent in a stage; may sum several calls. For `persist` it is the wait, not CPU. */
  | { readonly kind: "stage"; readonly stage: Stage; readonly microseconds: number }
  /** Own batch closed: `traceparents` are those of its traced messages. */
  | {
      readonly kind: "batch-sealed";
      readonly digest: Digest;
      readonly messages: number;
      readonly payments: number;
      readonly bytes: number;
      readonly traceparents: readonly string[];
    }
  /** Own batch reported durable by `F + 1` power: its messages are accepted. */
  | { readonly kind: "batch-available"; readonly digest: Digest; readonly milliseconds: number }
  /** A batch became durable here. */
  | {
      readonly kind: "batch-stored";
      readonly bytes: number;
      readonly payments: number;
      readonly source: "own" | "pushed" | "fetched";
    }
  /** Submissions waiting for a block, after a change. */
  | { readonly kind: "queue"; readonly payments: number; readonly bytes: number }
  | {
      readonly kind: "block-final";
      readonly height: number;
      readonly view: number;
      readonly block: Digest;
      readonly batches: readonly Digest[];
      readonly payments: number;
    }
  | { readonly kind: "block-executed"; readonly height: number; readonly settled: number; readonly rejected: number }
  | { readonly kind: "block-settled"; readonly height: number }
  /** A message accepted here settled: milliseconds from its acceptance. */
  | { readonly kind: "message-settled"; readonly payments: number; readonly milliseconds: number }
  | { readonly kind: "peer"; readonly seat: string; readonly connected: boolean }
  | { readonly kind: "round-trip"; readonly seat: string; readonly milliseconds: number }
  | { readonly kind: "peer-penalized"; readonly peer: string; readonly reason: string }
  | {
      readonly kind: "equivocation";
      readonly offender: string;
      readonly evidence: "conflicting-votes" | "conflicting-proposals";
    }
  | { readonly kind: "quarantined"; readonly height: number; readonly own: Digest; readonly certified: Digest }
  /** `fault` names what and where while unhealthy, e.g. `no-space: votes.log`. */
  | { readonly kind: "disk"; readonly healthy: boolean; readonly fault: string }
  /** Voting stopped or resumed, whatever the cause (disk, clock step, quarantine, shutdown). */
  | { readonly kind: "voting"; readonly allowed: boolean; readonly reason: string }
  | { readonly kind: "region-mode"; readonly region: string; readonly degraded: boolean; readonly height: number }
  /** `powers`: of the members, by seat. `others`: ids of the members but this one. */
  | {
      readonly kind: "epoch";
      readonly epoch: number;
      readonly powers: readonly number[];
      readonly others: readonly string[];
    }
  | { readonly kind: "catch-up"; readonly from: number; readonly to: number; readonly source: "blocks" | "checkpoint" }
  | { readonly kind: "checkpoint"; readonly height: number };

/** Hears every event. Must not throw and must not call back into the driver. */
export type Observer = (event: DriverEvent) => void;
