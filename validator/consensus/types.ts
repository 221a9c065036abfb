/**
 * The vocabulary of consensus: what members sign, what they hold, what the core is told and what it asks for.
 * Every union here is closed. The bytes of each shape are fixed in `codec/` and written down in `docs/formats.md`.
 */

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** Counts validator sets from 0 (genesis). */
export type Epoch = Branded<number, "Epoch">;
/** Counts leaders' turns within an epoch from 1; 0 is the epoch's anchor. */
export type View = Branded<number, "View">;
/** Counts blocks from 1; 0 is genesis. */
export type Height = Branded<number, "Height">;
/** Voting power, a positive integer. */
export type Power = Branded<number, "Power">;
/** A member's position in the validator set of its epoch, from 0. */
export type SeatIndex = Branded<number, "SeatIndex">;
/** 32 bytes as 64 lower-case hexadecimal digits. */
export type Digest = Branded<string, "Digest">;

export const epoch = (n: number): Epoch => n as Epoch;
export const view = (n: number): View => n as View;
export const height = (n: number): Height => n as Height;
export const power = (n: number): Power => n as Power;
export const seatIndex = (n: number): SeatIndex => n as SeatIndex;
export const digest = (hex: string): Digest => hex as Digest;
export const zeroDigest: Digest = digest("0".repeat(64));

/** One member of a validator set. Public keys are lower-case hexadecimal. */
export interface Member {
  /** The seat's name, unique in the swarm, e.g. `quickstart-eu-west-0`. */
  readonly id: string;
  readonly power: Power;
  readonly region: string;
  /** Residency zones this member may hold private data of, e.g. `["EU"]`. */
  readonly zones: readonly string[];
  /** BLS12-381 public key in G1, compressed, 48 bytes. */
  readonly blsKey: string;
  /** ed25519 public key of the libp2p identity, 32 bytes. */
  readonly peerKey: string;
}

export type FaultModel = "Byzantine" | "Crash";
export type TimeoutPolicy = "ema" | "jacobson" | "learned";

/** The parameters of `docs/parameters.md`. Durations are milliseconds. */
export interface Parameters {
  readonly timeoutPolicy: TimeoutPolicy;
  readonly minTimeout: number;
  readonly maxTimeout: number;
  readonly idleInterval: number;
  /** How soon an empty block follows while a final block still waits for coverage. */
  readonly settleInterval: number;
  /** A proposal's time may be at most this far ahead of the validator's clock. */
  readonly maxClockDrift: number;
  readonly maxBlockBatches: number;
  /** A leader proposes a batch without `F + 1` hints after this long. */
  readonly hintTimeout: number;
  /** A block whose parent is more than this many heights above its `rootHeight` carries no payments. */
  readonly maxExecutionLag: number;
  /** A member silent for this many of its own last views is nullified at once. */
  readonly silentViews: number;
  /** A region is suspected when no finalization of this many blocks, */
  readonly suspectBlocks: number;
  /** spanning at least this much block time, carries its signature. */
  readonly suspectAfter: number;
  readonly epochBlocks: number;
  readonly checkpointInterval: number;
  /** Blocks of views divisible by this carry the leader's reveal. */
  readonly revealInterval: number;
  /** Fewer reveals than this in an epoch hash its beacon forward instead of mixing. */
  readonly minReveals: number;
}

/** `(group, minimum power)` pairs over the signers of a finalization. */
export interface CoverageRules {
  /** Least power that must sign from each required region; every region of the set is required unless degraded. */
  readonly requiredRegions: Readonly<Record<string, number>>;
}

/** The part of chain state that says which regions settlement waits for. */
export interface CoverageState {
  /** Counts changes of mode; a suspicion names it, so that an old one cannot be replayed. */
  readonly modeSeq: number;
  /** Regions that settlement does not wait for now, sorted. */
  readonly degraded: readonly string[];
}

/** The block an epoch starts from: genesis, or the closing block of the epoch before. */
export interface Anchor {
  readonly hash: Digest;
  readonly height: Height;
  readonly time: number;
  readonly rootHeight: Height;
  readonly root: Digest;
}

/** Everything an epoch fixes. Derived from chain state alone, hence equal on every member. */
export interface EpochConfig {
  readonly chainId: Digest;
  readonly epoch: Epoch;
  readonly members: readonly Member[];
  readonly faultModel: FaultModel;
  readonly coverage: CoverageRules;
  readonly parameters: Parameters;
  /** Seeds `leader(epoch, view)`. */
  readonly beacon: Digest;
  readonly anchor: Anchor;
}

/** What a leader proposes to order: a batch by content address. */
export interface BatchReference {
  readonly digest: Digest;
  readonly payments: number;
  readonly bytes: number;
  /** The residency zone whose members must finalize it; "" for none. */
  readonly zone: string;
}

/** A change of a region's mode, proven by a quorum of suspicions (or of sightings, for its return). */
export interface CoverageChange {
  readonly kind: "degrade-region" | "restore-region";
  readonly region: string;
  readonly certificate: Certificate;
}

/** A signed governance transaction; its inside is the ledger's (`ledger/governance.ts`). */
export interface GovernanceTransaction {
  readonly bytes: Uint8Array;
  /** True when it changes the validator set or governed parameters: the block that carries it closes its epoch. */
  readonly closesEpoch: boolean;
}

export interface Header {
  readonly chainId: Digest;
  readonly epoch: Epoch;
  readonly view: View;
  readonly height: Height;
  /** The view in which the parent was notarized; 0 when the parent is the epoch's anchor. */
  readonly parentView: View;
  readonly parent: Digest;
  /** Milliseconds since the Unix epoch, above the parent's. */
  readonly time: number;
  readonly proposer: SeatIndex;
  /** True for the last block of its epoch that has a height; only empty carriers follow it. */
  readonly closing: boolean;
  readonly rootHeight: Height;
  readonly root: Digest;
  readonly bodyHash: Digest;
  /** The proposer's BLS signature over (reveal domain, chainId, epoch, view), 96 bytes; present when `view % revealInterval == 0`. */
  readonly reveal: Uint8Array | undefined;
}

export interface Body {
  readonly batches: readonly BatchReference[];
  readonly governance: readonly GovernanceTransaction[];
  readonly coverage: readonly CoverageChange[];
}

/** A block with its hash, `sha256(header bytes)`; the header commits to the body. */
export interface Block {
  readonly hash: Digest;
  readonly header: Header;
  readonly body: Body;
}

export type VoteKind = "notarize" | "nullify" | "finalize" | "suspect" | "sight";

/** What a vote says. For `nullify` the block is zero; for `suspect` and `sight`, `view` is the modeSeq and `block` names the region (`coverage.ts`). */
export interface Ballot {
  readonly kind: VoteKind;
  readonly epoch: Epoch;
  readonly view: View;
  readonly block: Digest;
}

export interface Vote extends Ballot {
  readonly signer: SeatIndex;
  /** BLS12-381 signature in G2, compressed, 96 bytes. Unverified until its certificate is. */
  readonly signature: Uint8Array;
}

/** A quorum's signatures over one ballot, aggregated. Named after its kind: notarization, nullification, finalization. */
export interface Certificate extends Ballot {
  /** Ascending. On the wire and on disk a bitmap. */
  readonly signers: readonly SeatIndex[];
  readonly signature: Uint8Array;
}

declare const verified: unique symbol;
/** A value whose signatures were checked. Only `crypto/` makes one. */
export type Verified<T> = T & { readonly [verified]: true };

/** A leader's block with its ed25519 signature (peer key) and the finalization that shows `rootHeight` to be final. */
export interface Proposal {
  readonly block: Block;
  readonly signature: Uint8Array;
  /** A finalization at or above `rootHeight` in this epoch; absent while `rootHeight` is at or below the anchor. */
  readonly finalization: Certificate | undefined;
}

/** Two signatures of one member that the rules never allow together. */
export type Evidence =
  | { readonly kind: "conflicting-votes"; readonly first: Vote; readonly second: Vote }
  | { readonly kind: "conflicting-proposals"; readonly first: Proposal; readonly second: Proposal };

/** The clocks' readings that come with every input. Milliseconds. */
export interface Time {
  /** Never goes back; from an arbitrary start. */
  readonly monotonic: number;
  /** Since the Unix epoch, as far as this machine knows. */
  readonly wall: number;
}

/**
 * `view`: the view's deadline. `idle`: a leader's wait for payload is over. `resend`: say again what may have been lost.
 * `gather`: finalize votes beyond the quorum had their moment. `share`: certificates collected here go to who may lack them.
 */
export type Timer = "view" | "idle" | "resend" | "gather" | "share";

/** Everything that can happen to the core. `from` is authenticated by the network: the peer that said it, as a seat. */
export type Input =
  /** Begins, after `startEpoch` or `recover`: enters the view. */
  | { readonly kind: "start" }
  /** The signature, the body hash, the reveal and every signature in the body were checked. */
  | { readonly kind: "proposal"; readonly from: SeatIndex; readonly proposal: Verified<Proposal> }
  /** A proposal whose leader signed it and that is wrong whatever the chain holds: the view is nullified. */
  | { readonly kind: "invalid-proposal"; readonly from: SeatIndex; readonly view: View; readonly reason: string }
  | { readonly kind: "vote"; readonly from: SeatIndex; readonly vote: Vote }
  | { readonly kind: "certificate"; readonly from: SeatIndex | undefined; readonly certificate: Certificate }
  /** Answers `verify-certificate`. */
  | { readonly kind: "certificate-verified"; readonly certificate: Verified<Certificate> }
  | { readonly kind: "certificate-refused"; readonly from: SeatIndex | undefined; readonly certificate: Certificate }
  /** Answers `assemble`: the aggregate verified, or it did not and these members' signatures are bad. */
  | { readonly kind: "assembled"; readonly certificate: Verified<Certificate> }
  | { readonly kind: "assembly-refused"; readonly ballot: Ballot; readonly bad: readonly SeatIndex[] }
  /** Answers `verify-vote` (late finalize votes, and votes that may be evidence). */
  | { readonly kind: "vote-verified"; readonly vote: Verified<Vote> }
  | { readonly kind: "vote-refused"; readonly vote: Vote }
  /** The batch is durable here (with its private part, if this member is of its zone). `creator` is undefined when it was fetched. */
  | { readonly kind: "batch-held"; readonly batch: BatchReference; readonly creator: SeatIndex | undefined }
  /** These members say that they hold the batch. */
  | { readonly kind: "batch-hinted"; readonly digest: Digest; readonly holders: readonly SeatIndex[] }
  /** A governance transaction whose signatures satisfy the governance set waits for a block. */
  | { readonly kind: "governance"; readonly transaction: GovernanceTransaction }
  /** Blocks that were fetched, ascending, hash-linked; with the certificate that finalizes the last, if the peer had one. */
  | { readonly kind: "blocks"; readonly blocks: readonly Block[]; readonly finalization: Certificate | undefined }
  /** The ledger executed the final block at this height. */
  | { readonly kind: "executed"; readonly height: Height; readonly root: Digest; readonly coverage: CoverageState }
  | { readonly kind: "timer"; readonly timer: Timer; readonly view: View }
  /** `gone`: nobody this member is connected to is connected to it any more; its turns are not waited for. */
  | { readonly kind: "presence"; readonly seat: SeatIndex; readonly gone: boolean }
  /** A round trip to a member took this many milliseconds. */
  | { readonly kind: "round-trip"; readonly seat: SeatIndex; readonly milliseconds: number }
  /** The disk failed or recovered; between the two nothing is signed. */
  | { readonly kind: "disk"; readonly healthy: boolean };

/** What a resend or a catch-up says to others: each is gossiped as one message. */
export type Broadcast =
  | { readonly kind: "certificate"; readonly certificate: Certificate }
  | { readonly kind: "vote"; readonly vote: Vote }
  | { readonly kind: "proposal"; readonly proposal: Proposal };

/** Why a view ended without its block, or a view's vote was a nullify. */
export type NullifyReason = "timeout" | "invalid-proposal" | "leader-equivocated" | "leader-silent" | "leader-gone";

/** Everything the core can ask for. The driver performs each in order, without policy of its own. */
export type Effect =
  /** Persist (the ballot, and the block and batches it relies on, in one group commit), sign, give back as input `vote`, send. Indivisible. */
  | {
      readonly kind: "cast";
      readonly ballot: Ballot;
      readonly block: Block | undefined;
      readonly reason: NullifyReason | undefined;
    }
  /** Persist the block as this view's only proposal, sign, give back as input `proposal`, broadcast. Indivisible. `reveal` asks the driver to add it before hashing. */
  | {
      readonly kind: "propose";
      readonly header: Omit<Header, "bodyHash" | "reveal">;
      readonly body: Body;
      readonly reveal: boolean;
      readonly finalization: Certificate | undefined;
    }
  | { readonly kind: "assemble"; readonly ballot: Ballot; readonly votes: readonly Vote[] }
  /** Verify these late votes and add them to a verified certificate; answered like `assemble`. */
  | { readonly kind: "extend"; readonly certificate: Verified<Certificate>; readonly votes: readonly Vote[] }
  | { readonly kind: "verify-certificate"; readonly from: SeatIndex | undefined; readonly certificate: Certificate }
  | { readonly kind: "verify-vote"; readonly vote: Vote }
  /** Keep the certificate (not awaited: it can be collected again). */
  | { readonly kind: "keep-certificate"; readonly certificate: Verified<Certificate> }
  | { readonly kind: "broadcast"; readonly message: Broadcast }
  | { readonly kind: "set-timer"; readonly timer: Timer; readonly view: View; readonly milliseconds: number }
  | { readonly kind: "clear-timer"; readonly timer: Timer }
  /** Ask `from` first, then anyone, until held; asked once for a batch. */
  | { readonly kind: "fetch-batches"; readonly batches: readonly BatchReference[]; readonly from: readonly SeatIndex[] }
  /** Fetch the chain that ends in `tip`, from `above` (exclusive) on. */
  | { readonly kind: "fetch-blocks"; readonly tip: Digest; readonly above: Height; readonly from: readonly SeatIndex[] }
  /** Final, in height order, each once: execute it. */
  | { readonly kind: "commit"; readonly block: Block; readonly finalization: Certificate }
  /** Every block up to this height is settled; `finalization` covers it. */
  | { readonly kind: "settle"; readonly height: Height; readonly finalization: Certificate }
  | { readonly kind: "report-evidence"; readonly evidence: Evidence; readonly offender: SeatIndex }
  /** A root notarized by a quorum differs from this validator's own: stop voting, keep the evidence, tell the operator. */
  | {
      readonly kind: "quarantine";
      readonly height: Height;
      readonly own: Digest;
      readonly certified: Digest;
      readonly block: Block;
    }
  /** For metrics and the log: nothing depends on it. */
  | { readonly kind: "observe"; readonly event: Observation };

export type Observation =
  | { readonly kind: "entered-view"; readonly view: View; readonly leader: SeatIndex }
  | { readonly kind: "proposed"; readonly view: View; readonly block: Digest }
  | { readonly kind: "notarized"; readonly view: View; readonly block: Digest }
  | { readonly kind: "nullified"; readonly view: View }
  | { readonly kind: "finalized"; readonly view: View; readonly height: Height; readonly block: Digest }
  | { readonly kind: "timed-out"; readonly view: View; readonly leader: SeatIndex }
  | { readonly kind: "ignored"; readonly reason: string }
  | { readonly kind: "bad-vote"; readonly signer: SeatIndex; readonly voteKind: VoteKind };

/** What a member's disk says it has signed in an epoch: the source of recovery. */
export interface DurableRecord {
  /** Own votes above the finalized view, with their signatures. */
  readonly votes: readonly Vote[];
  /** Own proposals above the finalized view. */
  readonly proposals: readonly Verified<Proposal>[];
  /** Blocks above the finalized height that own votes rely on. */
  readonly blocks: readonly Block[];
  /** Certificates at or above the finalized view, verified again. */
  readonly certificates: readonly Verified<Certificate>[];
  /** The newest final block of this epoch and its finalization; undefined when it is the anchor. */
  readonly finalized: { readonly block: Block; readonly finalization: Verified<Certificate> } | undefined;
  /** Final blocks that may not be settled yet, ascending; taking too many is harmless. */
  readonly unsettled: readonly Block[];
  /** Newest executed states, ascending, at least one: they name roots and coverage. */
  readonly executed: readonly { readonly height: Height; readonly root: Digest; readonly coverage: CoverageState }[];
}
