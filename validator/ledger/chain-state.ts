/** The small part of chain state: institutions, validator set, governance, coverage, beacon. */
import { sha256 } from "@noble/hashes/sha2.js";
import { hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { concat, toHex } from "../codec/bytes.ts";
import type { CoverageChange, CoverageState, Digest, FaultModel, Member, Parameters } from "../consensus/types.ts";
import { digest } from "../consensus/types.ts";
import type { Genesis } from "./genesis.ts";
import type { Governance, SeatOwner } from "./governance.ts";

export interface InstitutionState {
  readonly bic: string;
  readonly key: string;
  readonly certificateSubject: string;
  readonly suspended: boolean;
}

/** A process that follows the chain: its name and its ed25519 peer key, hexadecimal; `seat`: the one it follows for. */
export interface Learner {
  readonly id: string;
  readonly peerKey: string;
  readonly seat?: string | undefined;
}

export interface ValidatorSet {
  readonly members: readonly Member[];
  /** Each member's proof of possession, in their order: a reader of proofs checks those of a set it does not know yet. */
  readonly possession: readonly string[];
  readonly faultModel: FaultModel;
  readonly requiredRegions: Readonly<Record<string, number>>;
  readonly parameters: Parameters;
  readonly epoch: number;
  /** Every BLS and peer key that ever was in a set: none comes back, but for a seat's predecessor. */
  readonly usedKeys: readonly string[];
  /** Seats proven to have equivocated in this epoch: they have no power in the next. */
  readonly offenders: readonly string[];
  /** Who follows without a vote: may connect to the members. */
  readonly learners: readonly Learner[];
  /** Who may act for a seat, by its name; a seat without an owner is the governance set's. */
  readonly owners: Readonly<Record<string, SeatOwner>>;
  /** The key a seat had before its last rotation: what a rollback may return to. */
  readonly predecessors: Readonly<Record<string, { readonly blsKey: string; readonly peerKey: string }>>;
}

export interface BeaconState {
  /** Of the epoch under way, and of the next. */
  readonly current: Digest;
  readonly next: Digest;
  /** Hash over this epoch's reveals in block order. */
  readonly mixed: Digest;
  readonly reveals: number;
}

export interface ChainState {
  readonly chainId: Digest;
  readonly zones: readonly string[];
  readonly expiryWindow: number;
  readonly institutions: readonly InstitutionState[];
  readonly set: ValidatorSet;
  readonly governance: Governance;
  readonly coverage: CoverageState;
  readonly beacon: BeaconState;
  /** Money put in less money taken out, minor units, by currency. */
  readonly issued: Readonly<Record<string, number>>;
  /** Payments settled since genesis. */
  readonly settledPayments: number;
}

type MemberDocument = Genesis["members"][number];

export function memberOf({ proofOfPossession: _, owner: __, delegate: ___, ...member }: MemberDocument): Member {
  return member;
}

/** Who may act for the seats; `known`: of seats whose document does not say. */
export function ownersOf(
  members: readonly MemberDocument[],
  known: ValidatorSet["owners"] = {},
): Readonly<Record<string, SeatOwner>> {
  const owners = members.flatMap(({ id, owner, delegate }) => {
    const seat = owner === undefined ? known[id] : { owner, ...(delegate !== undefined && { delegate }) };
    return seat ? [[id, seat] as const] : [];
  });
  return Object.fromEntries(owners);
}

export function initialChainState(genesis: Genesis, chainId: Digest): ChainState {
  const members = genesis.members.map(memberOf);
  const first = hashOf("beacon", chainId);
  const issued: Record<string, number> = {};
  for (const account of genesis.accounts)
    issued[account.currency] = (issued[account.currency] ?? 0) + account.openingBalance;
  return {
    chainId,
    zones: genesis.zones,
    expiryWindow: genesis.expiryWindow,
    institutions: genesis.institutions.map((institution) => ({ ...institution, suspended: false })),
    set: {
      members,
      possession: genesis.members.map((member) => member.proofOfPossession),
      faultModel: genesis.faultModel,
      requiredRegions: genesis.requiredRegions ?? Object.fromEntries(members.map((member) => [member.region, 1])),
      parameters: genesis.parameters,
      epoch: 0,
      owners: ownersOf(genesis.members),
      usedKeys: members.flatMap((member) => [member.blsKey, member.peerKey]),
      offenders: [],
      learners: genesis.learners ?? [],
      predecessors: {},
    },
    governance: { ...genesis.governance, sequence: 0 },
    coverage: { modeSeq: 0, degraded: [] },
    beacon: { current: first, next: hashOf("beacon", first), mixed: first, reveals: 0 },
    issued,
    settledPayments: 0,
  };
}

function hashOf(word: string, ...parts: readonly Digest[]): Digest {
  return digest(
    toHex(sha256(concat(utf8ToBytes(`validator-swarm/v1/${word}`), ...parts.map((part) => hexToBytes(part))))),
  );
}

/** Takes a block's reveal into the beacon. */
export function mixReveal(beacon: BeaconState, reveal: Uint8Array): BeaconState {
  const mixed = digest(toHex(sha256(concat(hexToBytes(beacon.mixed), reveal))));
  return { ...beacon, mixed, reveals: beacon.reveals + 1 };
}

/** The beacon at the start of the next epoch: this epoch's reveals seed the one after it. */
export function turnBeacon(beacon: BeaconState, minReveals: number): BeaconState {
  const after =
    beacon.reveals >= minReveals ? hashOf("beacon", beacon.next, beacon.mixed) : hashOf("beacon", beacon.next);
  return { current: beacon.next, next: after, mixed: after, reveals: 0 };
}

/** A proven change of a region's mode; undefined when it names another mode or changes nothing. */
export function changeCoverage(
  state: ChainState,
  { kind, region, certificate }: CoverageChange,
): CoverageState | undefined {
  const { modeSeq, degraded } = state.coverage;
  const isDegraded = degraded.includes(region);
  if (certificate.view !== modeSeq || state.set.requiredRegions[region] === undefined) return undefined;
  if (isDegraded === (kind === "degrade-region")) return undefined;
  const next = kind === "degrade-region" ? [...degraded, region].sort() : degraded.filter((other) => other !== region);
  return { modeSeq: modeSeq + 1, degraded: next };
}
