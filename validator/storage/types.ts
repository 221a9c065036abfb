/** What the driver sees of its volume. Everything is an append-only log with checksums, read back at the next start. */
import type { Ballot, Block, Certificate, Digest, Height, Proposal } from "../consensus/types.ts";
import type { DurableExecutedKeys } from "./executed-keys.ts";
import type { KeyExport } from "./key-export.ts";
import type { StagedKeys } from "./staged-keys.ts";

/** One durable fact. Own ballots are kept unsigned: BLS and ed25519 signatures are deterministic. */
export type Entry =
  | { readonly kind: "ballot"; readonly ballot: Ballot }
  | { readonly kind: "proposal"; readonly proposal: Omit<Proposal, "signature"> }
  | { readonly kind: "block"; readonly block: Block }
  | { readonly kind: "batch"; readonly digest: Digest; readonly bytes: Uint8Array }
  /** A private payload by its messageHash (hex), sealed at rest under a key made in the volume. */
  | { readonly kind: "private"; readonly message: string; readonly content: Uint8Array }
  | { readonly kind: "certificate"; readonly certificate: Certificate }
  /** The block is final; entries come in height order. */
  | { readonly kind: "final"; readonly height: Height; readonly hash: Digest; readonly finalization: Certificate }
  /** What execution made of the final block at this height: canonical bytes of `ledger/outcome.ts`, opaque here. A later entry of a height replaces an earlier one. */
  | { readonly kind: "outcome"; readonly height: Height; readonly bytes: Uint8Array }
  /** Every block up to this height is settled by this finalization. */
  | { readonly kind: "settled"; readonly height: Height; readonly finalization: Certificate };

/** What the log held at start, for `recover` and for the driver. Torn tails are cut; any other damage is a `StorageFault`. */
export interface Recovered {
  readonly ballots: readonly Ballot[];
  readonly proposals: readonly Omit<Proposal, "signature">[];
  readonly certificates: readonly Certificate[];
  /** Blocks above the newest final height. */
  readonly blocks: readonly Block[];
  readonly finalized: { readonly block: Block; readonly finalization: Certificate } | undefined;
  /** Digests of the batches in the log, oldest first: those that no final block carries yet are still to be ordered. */
  readonly batches: readonly Digest[];
  /** The newest `settled` entry. */
  readonly settled: { readonly height: Height; readonly finalization: Certificate } | undefined;
  /** The newest checkpoint whose parts are whole. */
  readonly checkpoint: Checkpoint | undefined;
}

export interface Checkpoint {
  readonly height: Height;
  readonly root: Digest;
  /** The block whose header names (height, root), and the certificate that finalizes it: absent until known. */
  readonly proof: { readonly block: Block; readonly finalization: Certificate } | undefined;
  /** `Ledger.snapshot()`. */
  readonly parts: readonly Uint8Array[];
}

/** A checkpoint that stays on the volume, with its executed keys and the blocks above it, until `release`. */
export interface HeldCheckpoint {
  readonly checkpoint: Checkpoint & { readonly proof: NonNullable<Checkpoint["proof"]> };
  readonly keys: KeyExport | undefined;
  release(): void;
}

export interface StorageFault {
  readonly kind: "corrupt" | "missing" | "older-than-boot-marker" | "no-space" | "input-output";
  readonly path: string;
  /** Byte offset of the damage, when it has one. */
  readonly offset: number | undefined;
  readonly message: string;
}

/** How storage throws what went wrong with the volume: from `persist` and the reads, and from lookups of executed keys. */
export class StorageFaultError extends Error {
  readonly fault: StorageFault;
  constructor(fault: StorageFault, options?: ErrorOptions) {
    super(`${fault.path}: ${fault.message}`, options);
    this.name = "StorageFaultError";
    this.fault = fault;
  }
}

export interface Store {
  readonly recovered: Recovered;
  /** As of `recovered.checkpoint` after opening (empty without one): blocks above it are to be executed again. */
  readonly keys: DurableExecutedKeys;
  /** A place for a peer's keys of the blocks (above, height] until they are believed; one at a time. */
  stageKeys(range: { readonly above: number; readonly height: number }): Promise<StagedKeys>;
  /** One group commit: resolves when every entry (and everything kept before) is durable; rejects with `StorageFaultError` when the disk fails. Concurrent calls share a sync. */
  persist(entries: readonly Entry[]): Promise<void>;
  /** After a rejected `persist`: tries the disk again with a small durable write. True: it works and `persist` may be called again; nothing kept was lost. */
  probe(): Promise<boolean>;
  /** The volume's folder or open log was removed or replaced under this process. Checked before every commit too; cheap enough to poll each second. */
  checkVolume(): StorageFault | undefined;
  /** Appends without waiting; durable with the next `persist`. */
  keep(entry: Entry): void;
  hasBatch(digest: Digest): boolean;
  batch(digest: Digest): Promise<Uint8Array | undefined>;
  privatePayload(message: string): Promise<Uint8Array | undefined>;
  block(hash: Digest): Promise<Block | undefined>;
  finalBlock(height: Height): Promise<{ readonly block: Block; readonly finalization: Certificate } | undefined>;
  /** The newest outcome kept for this height. */
  outcome(height: Height): Promise<Uint8Array | undefined>;
  /** Lowest final height still kept. */
  readonly lowestHeight: Height;
  /** Saves the state with the executed keys as of its height; call it with the ledger at that height or a little above. Again with a proof, once it is known. */
  saveCheckpoint(checkpoint: Checkpoint): Promise<void>;
  checkpoint(): Promise<Checkpoint | undefined>;
  /** The newest proven checkpoint kept here, or the proven one of this height; undefined when there is none. What it needs stays until it is released. */
  holdCheckpoint(height?: Height): Promise<HeldCheckpoint | undefined>;
  /** Bytes of `ledger/proof-bytes.ts` by epoch, ascending, opaque here: how trust passes to later validator sets. */
  readonly handovers: ReadonlyMap<number, Uint8Array>;
  /** Durable when it resolves; an epoch's first stays. */
  saveHandover(epoch: number, bytes: Uint8Array): Promise<void>;
  /** Drops whole log segments that nothing at or above this height needs. */
  prune(belowHeight: Height): Promise<void>;
  close(): Promise<void>;
}
