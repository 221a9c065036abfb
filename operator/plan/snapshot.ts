/**
 * Everything the planner looks at, taken at one moment and never changed. A world (Kubernetes, embedded) builds it from
 * the objects it lists and from what validators report over their admin RPC. What a validator says is a claim: it
 * carries whether the observer has verified it, and the planner acts on verified claims alone.
 */
import type { Tally, Verdict } from "../analysis/judge.ts";
import type { Window } from "../analysis/window.ts";
import type { Transaction } from "./transactions.ts";

/** What a validator said, and whether the observer found the proof that goes with it good. */
export type Claim<T> =
  | { readonly kind: "verified"; readonly value: T }
  /** Said without proof, or with one that does not hold: for display only, and `value` may be anything at all. */
  | { readonly kind: "unverified"; readonly value: unknown }
  | { readonly kind: "absent" };

/** The public half of an identity. Lower-case hexadecimal: 48, 32 and 96 bytes. */
export interface PublicKeys {
  readonly blsKey: string;
  readonly peerKey: string;
  readonly proofOfPossession: string;
}

/** Which identity an object belongs to: from its labels, not from its name. */
export interface IdentityLabels {
  /** The identity's name, `<swarm>-<seat>-g<generation>`: also the object's. */
  readonly name: string;
  /** The chain's name for the seat, `<swarm>-<region>-<n>`. */
  readonly seat: string;
  /** Counts the key pairs a seat has had, from 1. */
  readonly generation: number;
}

export interface Pod extends IdentityLabels {
  readonly uid: string;
  /** The object's resourceVersion: changes when its readiness does. */
  readonly version: string;
  /** Of the template it was made from (`Desired.podRevision`). */
  readonly revision: string;
  /** Absent while it is not scheduled. */
  readonly node: string | undefined;
  /**
   * `ended` only when the kubelet confirmed that every container terminated, or the node is declared out of service:
   * never because of the pod's phase alone, which the garbage collector of pods sets without asking the node.
   */
  readonly state: "unscheduled" | "running" | "ended";
  readonly ready: boolean;
  /** Its own conditions say that its node does not answer: all there is when nodes may not be listed. */
  readonly nodeLost: boolean;
  /** Its deletion was asked for. Our finalizer keeps the object until the planner releases it. */
  readonly deleting: boolean;
}

export interface Volume extends IdentityLabels {
  readonly uid: string;
  /** The public keys created inside, as the planner recorded them at first sight. */
  readonly keys: PublicKeys | undefined;
  /** `lost`: the storage behind the object is gone. */
  readonly state: "present" | "lost";
  /** The only node that can mount it; absent: any. */
  readonly node: string | undefined;
  readonly deleting: boolean;
}

/** A PodDisruptionBudget: one per voting identity, of its name. Open: an eviction may take the pod. */
export interface Budget {
  readonly name: string;
  /** The object's resourceVersion. */
  readonly version: string;
  readonly open: boolean;
}

export interface Node {
  readonly name: string;
  /** The region of the spec whose selector the node matches; absent: none. */
  readonly region: string | undefined;
  /** Value of the topology key, such as a cloud's availability zone. */
  readonly zone: string;
  /** Its kubelet reports in time. */
  readonly reachable: boolean;
  /** Since when it does not, ms since the Unix epoch. */
  readonly unreachableSince: number | undefined;
  /** Marked unschedulable: a request to move away. */
  readonly cordoned: boolean;
}

/** One member of a validator set as the chain certifies it. */
export interface SetMember {
  readonly id: string;
  readonly power: number;
  readonly region: string;
  readonly blsKey: string;
  readonly peerKey: string;
  /** The operator is its delegate. Others are other institutions': counted, never managed. */
  readonly managed: boolean;
}

export interface SetLearner {
  /** The identity's name. */
  readonly id: string;
  readonly peerKey: string;
}

/** A validator set with what governance fixes beside it. */
export interface ValidatorSet {
  readonly epoch: number;
  readonly members: readonly SetMember[];
  readonly learners: readonly SetLearner[];
  /** Governed parameters in force (docs/parameters.md). */
  readonly parameters: Readonly<Record<string, number | string>>;
  /** Least power that must sign from each region before a block settles. */
  readonly requiredRegions: Readonly<Record<string, number>>;
  /** Regions that settlement does not wait for now. */
  readonly degradedRegions: readonly string[];
}

/** Both sets proven by handovers from the trust anchor (docs/formats.md, Trust in a later set). */
export interface CertifiedSets {
  readonly current: ValidatorSet;
  /** What a finalized closing block made of it: starts with the next epoch. */
  readonly pending: ValidatorSet | undefined;
}

/** What one validator reported. The caller was authenticated by the peer key in `keys`. */
export interface Report {
  /** The identity's name; for a member run elsewhere, the member's id. */
  readonly identity: string;
  /** Uid of the pod that answered; "" for a member run elsewhere. */
  readonly podUid: string;
  /** The operator's clock when the answer came, ms since the Unix epoch. */
  readonly observedAt: number;
  /** Verified: the proof of possession holds and the connection was authenticated by the peer key. */
  readonly keys: Claim<PublicKeys>;
  /** `waiting`: has no genesis yet. `retired`: its record is missing or older than its boot marker. */
  readonly role: "waiting" | "learner" | "validator" | "quarantined" | "retired" | "unknown";
  /** Says that it signs votes. */
  readonly voting: boolean;
  /** The epoch it says it is in: counted by power, believed by nobody's word alone. */
  readonly epoch: number;
  readonly view: number;
  /** Newest final height. Verified: with its finalization. */
  readonly height: Claim<number>;
  /** Executed root. Verified: named by a finalized header. */
  readonly root: Claim<string>;
  readonly sets: Claim<CertifiedSets>;
  /** Of a learner: verified when the computed root of `height` is the one that a finalized header names. */
  readonly shadow?: Claim<Shadow>;
  /** Ids of the members whose votes it saw in its last views. */
  readonly heard: readonly string[];
  /** Ids of transactions whose receipts it showed under a certified root, by outcome. */
  readonly outcomes: Claim<readonly TransactionOutcome[]>;
}

/** What a learner executed by itself and compared with the roots that finalized headers name, since its process began. */
export interface Shadow {
  /** Height of the newest block compared. */
  readonly height: number;
  /** Blocks compared, all with equal roots but that of `mismatch`. */
  readonly blocks: number;
  /** Payments in them. */
  readonly payments: number;
  /** The first block whose roots differ: it executes no further. Roots in lower-case hexadecimal. */
  readonly mismatch: { readonly height: number; readonly expected: string; readonly computed: string } | undefined;
}

export interface TransactionOutcome {
  /** `Transaction.id`. */
  readonly id: string;
  readonly outcome: "granted" | "refused";
  /** The chain's sentence when refused. */
  readonly reason: string;
}

/** What the one permit was taken for. */
export interface Claimed {
  /** Names the disruption: the same act has the same id in every plan. */
  readonly id: string;
  readonly purpose: "restart" | "drain" | "membership" | "parameters";
  /** Seats whose power is at stake. */
  readonly seats: readonly string[];
  /** Identities that must not be deleted while it is held. */
  readonly identities: readonly string[];
  /** Power taken on top of what is unavailable already. */
  readonly power: number;
  /** Uid of the pod to be replaced (`restart`, `drain`); "" otherwise. */
  readonly podUid: string;
  /** What is asked of the chain (`membership`, `parameters`). */
  readonly transaction: Transaction | undefined;
}

/** The disruption permit as it stands in the API: at most one. */
export interface Permit extends Claimed {
  /** resourceVersion of the object that holds it. */
  readonly version: string;
  /** ms since the Unix epoch. */
  readonly takenAt: number;
  /** When its transaction was last handed to a validator; undefined: never. */
  readonly submittedAt: number | undefined;
}

/** What genesis fixed, from the object that holds it: the planner's own record, believed. */
export interface GenesisRecord {
  readonly set: ValidatorSet;
}

/** The part of the status that the planner reads back: its only memory. */
export interface Memory {
  readonly seats: readonly SeatMemory[];
  /** Identities missed, by name. */
  readonly lost: readonly LostIdentity[];
  /** The newest epoch ever seen certified: an older view of the chain is out of date. */
  readonly epoch: number;
  /** Cordoned nodes that nobody drained while their budget was open. */
  readonly declinedDrains: readonly string[];
  /** The last transaction that the chain refused. */
  readonly refused: RefusedTransaction | undefined;
  /** The trial under way or last ended; absent: none. */
  readonly canary?: CanaryTrial | undefined;
}

/** A canary as far as it has come. */
export interface CanaryTrial {
  /** `DesiredCanary.trial`. */
  readonly trial: string;
  /** `DesiredCanary.terms`, under which the tallies were made. */
  readonly terms: string;
  /** Seats that have the overrides: written before any of them is restarted. */
  readonly seats: readonly string[];
  /** When they were chosen, ms since the Unix epoch. */
  readonly chosenAt: number;
  /** When all of them were first seen voting with the overrides, ms since the Unix epoch. */
  readonly since: number | undefined;
  /** End of the newest window that is counted, ms since the Unix epoch; 0: none is. */
  readonly counted: number;
  readonly tallies: readonly Tally[];
  /** Undefined while it goes on. */
  readonly outcome: CanaryOutcome | undefined;
}

export interface CanaryOutcome {
  readonly kind: Verdict["kind"];
  /** A sentence, with the numbers. */
  readonly message: string;
  /** ms since the Unix epoch. */
  readonly at: number;
}

export interface SeatMemory {
  readonly seat: string;
  /** The highest generation handed out. Written before anything is created under it. */
  readonly generation: number;
  /** Its volume was seen: never create another of this name. */
  readonly made: boolean;
}

export interface LostIdentity {
  readonly identity: string;
  /** ms since the Unix epoch. */
  readonly since: number;
  readonly why: LossReason;
}

export type LossReason = "volume-gone" | "node-unreachable" | "keys-differ" | "retired" | "quarantined" | "replaced";

export interface RefusedTransaction {
  readonly id: string;
  /** While the chain is in it, the transaction could still be granted when somebody submits it again, */
  readonly epoch: number;
  /** so these identities stay. */
  readonly identities: readonly string[];
  readonly reason: string;
  /** ms since the Unix epoch. */
  readonly at: number;
  /** Of the spec when it was refused: a new spec asks anew. */
  readonly generation: number;
}

export type ConditionType =
  | "Ready"
  | "Progressing"
  | "Degraded"
  | "PlacementSatisfied"
  | "QuorumAvailable"
  | "RolloutHealthy"
  | "CheckpointFresh";

/** As in the Kubernetes API. */
export interface Condition {
  readonly type: ConditionType;
  readonly status: "True" | "False" | "Unknown";
  /** One word in CamelCase. */
  readonly reason: string;
  /** A sentence a person can act on. */
  readonly message: string;
  readonly observedGeneration: number;
  /** RFC 3339, seconds. */
  readonly lastTransitionTime: string;
}

export interface Snapshot {
  /** The object itself. */
  readonly swarm: {
    readonly generation: number;
    readonly deleting: boolean;
    /** Our finalizer is on it. */
    readonly finalizer: boolean;
  };
  /** Undefined: no status was ever written. */
  readonly memory: Memory | undefined;
  readonly conditions: readonly Condition[];
  readonly pods: readonly Pod[];
  readonly volumes: readonly Volume[];
  /** Names of the swarm's services. */
  readonly services: readonly string[];
  readonly budgets: readonly Budget[];
  /** Undefined: nodes may not be listed (an operator of one namespace). */
  readonly nodes: readonly Node[] | undefined;
  readonly genesis: GenesisRecord | undefined;
  readonly permit: Permit | undefined;
  /** resourceVersion of the object that would hold the permit; "" when there is none. */
  readonly permitVersion: string;
  readonly reports: readonly Report[];
  /** What seats did, while `Plan.watch` asks for it. */
  readonly analysis?: Samples;
}

export interface Samples {
  /** Oldest first: as many as a planner may have missed. */
  readonly windows: readonly Window[];
  /** Why some could not be read; empty: all could. */
  readonly problem: string;
}
