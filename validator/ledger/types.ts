/** What the driver and the services see of the ledger: a deterministic machine that executes final blocks in order. */
import type { Block, CoverageState, Digest, EpochConfig, Height } from "../consensus/types.ts";
import type { GovernanceReceipt } from "./receipt-tree.ts";

/** What became of one payment message of a block. */
export interface MessageOutcome {
  readonly institution: number;
  readonly messageKey: Uint8Array;
  readonly messageHash: Uint8Array;
  readonly payments: number;
  readonly settled: number;
  /** One byte per payment in order: 0 settled, else why not (`receipts.ts`). */
  readonly codes: Uint8Array;
  /** Institutions credited by settled payments, ascending. */
  readonly creditors: readonly number[];
}

export interface ExecutedBlock {
  readonly height: Height;
  readonly root: Digest;
  readonly coverage: CoverageState;
  readonly receiptsRoot: Uint8Array;
  readonly messages: readonly MessageOutcome[];
  /** Receipts of the block's governance transactions, in order. */
  readonly governance: readonly GovernanceReceipt[];
}

/** Where an executed payment stands: the source of proofs and of status by UETR. */
export interface KeyLocation {
  readonly height: number;
  /** Position of the payment in its block, counted over all batches. */
  readonly position: number;
}

/**
 * Keys of executed payments inside the de-duplication window. The ledger decides, this remembers;
 * `storage/executed-keys.ts` keeps it on disk with bounded memory, a Map does in tests.
 * Synchronous: execution does not yield between two payments.
 */
export interface ExecutedKeys {
  /** Adds (kind, institution, the 16 bytes of `source` at `offset`) unless present; false when it was. */
  add(kind: number, institution: number, source: Uint8Array, offset: number, height: number, position: number): boolean;
  find(kind: number, institution: number, source: Uint8Array, offset: number): KeyLocation | undefined;
  /** Forgets what blocks up to this height added (the window moved on). May keep more than asked; the ledger's rules do not depend on it, see `expiry` in docs/formats.md. */
  forget(upToHeight: number): void;
}

export interface Ledger {
  /** The newest executed height with its root. */
  readonly executed: { readonly height: Height; readonly root: Digest; readonly coverage: CoverageState };
  /** Starts the next block; its height is `executed.height + 1`. */
  begin(block: Block): void;
  /**
   * Executes one batch of the block (canonical bytes, content already checked against its digest), in slices the
   * driver may space out. `authentic(i)` says whether the signature of message i was found good when the batch was stored.
   */
  apply(batch: Uint8Array, authentic: (message: number) => boolean): void;
  /** Executes governance and coverage changes of the block, checks the invariants, computes the root. */
  end(): ExecutedBlock;
  /** The epoch that starts from an executed closing block. */
  nextEpoch(closing: Block): EpochConfig;
  /** The whole state as canonical parts, for a checkpoint; `restoreLedger` is its inverse. */
  snapshot(): readonly Uint8Array[];
}
