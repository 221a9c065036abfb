/** What a swarm's user asks for, in the planner's words: every default filled in, every seat's share still to be computed. */
import type { FaultModel } from "../../validator/consensus/types.ts";
import type { Analysis } from "../analysis/window.ts";

export interface DesiredRegion {
  readonly name: string;
  /** Voting power of the region, split among its seats. */
  readonly weight: number;
  /** Residency zones whose private data its seats may hold. */
  readonly zones: readonly string[];
}

/** A seat that another institution runs. */
export interface ExternalMember {
  readonly id: string;
  readonly power: number;
  readonly region: string;
  readonly zones: readonly string[];
  readonly blsKey: string;
  readonly peerKey: string;
  readonly proofOfPossession: string;
}

/** A trial of overrides on a few seats. */
export interface DesiredCanary {
  /** Names the trial: another when what is tried, on how many seats, or the revision it stands on changes. */
  readonly trial: string;
  /** Names how it is judged: another one is used at once, and is a reason to try again what was not promoted. */
  readonly terms: string;
  /** Seats to try them on. */
  readonly seats: number;
  /** Of the pods of these seats: the overrides with closer logs and traces. */
  readonly revision: string;
  /** Of every pod once they are promoted: the overrides alone. Equal to `podRevision` when the spec says the same. */
  readonly promotedRevision: string;
  /** How long they are watched, ms. */
  readonly duration: number;
  readonly analysis: readonly Analysis[];
}

export interface Desired {
  /** Name of the swarm. */
  readonly name: string;
  readonly faultModel: FaultModel;
  /** Seats to run here, spread over the regions in their order. */
  readonly replicas: number;
  readonly regions: readonly DesiredRegion[];
  readonly surviveRegionLoss: boolean;
  readonly members: readonly ExternalMember[];
  /** Governed parameters the spec names. */
  readonly parameters: Readonly<Record<string, number | string>>;
  readonly requiredRegions: Readonly<Record<string, number>>;
  /** Digest of everything that takes a new pod: image, local and rolling parameters, resources, template. */
  readonly podRevision: string;
  /** Absent: none. */
  readonly canary?: DesiredCanary | undefined;
  /** A restart may leave a required region without a vote until the chain degrades it. */
  readonly allowSettlementPause: boolean;
  /** Volumes outlive the swarm (`Retain`) or go with it (`Delete`). */
  readonly retainPolicy: "Retain" | "Delete";
  readonly paused: boolean;
  readonly hibernate: boolean;
  /** Identities that a person wants to be replaced by new ones. */
  readonly replaced: readonly string[];
  /** An identity that cannot be reached for this long is given up, ms. */
  readonly identityTimeout: number;
}

/** Name of a seat: its member id on chain. */
export const seatName = (swarm: string, region: string, index: number): string => `${swarm}-${region}-${index}`;

/** Name of an identity, its pod, its volume and its budget. */
export const identityName = (seat: string, generation: number): string => `${seat}-g${generation}`;

/** Seats of the region at a position: the first regions take one more when they do not divide evenly. */
export function seatsOf(region: number, replicas: number, regions: number): number {
  return Math.floor(replicas / regions) + (region < replicas % regions ? 1 : 0);
}

/** A region's power over its seats: as even as whole numbers can be, the first seats take the rest. */
export function splitPower(weight: number, seats: number): readonly number[] {
  return Array.from({ length: seats }, (_, i) => Math.floor(weight / seats) + (i < weight % seats ? 1 : 0));
}
