/**
 * Regions and residency zones: which final blocks are settled, and which regions settlement waits for
 * (consensus.md, Coverage). Never weakens a quorum; it only delays settlement.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import type {
  Block,
  Certificate,
  CoverageState,
  Digest,
  EpochConfig,
  Height,
  SeatIndex,
  Verified,
  Vote,
} from "./types.ts";
import { digest } from "./types.ts";

/** A final block that waits for coverage. */
export interface Unsettled {
  readonly height: Height;
  /** Zones whose data it carries. */
  readonly zones: readonly string[];
  readonly payments: boolean;
}

/** Where something was last seen: a final block's height and time. */
export interface Sighting {
  readonly height: Height;
  readonly time: number;
}

export interface CoverageTracker {
  readonly settled: Height;
  readonly unsettled: readonly Unsettled[];
  /** Newest height whose finalization covered every region required by the state its header names. */
  readonly regional: Height;
  /** Newest height finalized by more than 2/3 of a zone's power. */
  readonly zonal: ReadonlyMap<string, Height>;
  /** Newest finalization signed from each region. */
  readonly seen: ReadonlyMap<string, Sighting>;
  readonly newest: Sighting;
  /** Finalizations signed from a degraded region since it was degraded. */
  readonly returns: ReadonlyMap<string, { readonly modeSeq: number; readonly count: number; readonly height: Height }>;
  /** Votes to suspect or sight a region, by ballot: one slot a member. */
  readonly slots: ReadonlyMap<string, ReadonlyMap<SeatIndex, Vote>>;
  /** Quorums of such votes, verified, for leaders to put into a block. */
  readonly proven: readonly Verified<Certificate>[];
  /** Ballots this member has cast. */
  readonly cast: ReadonlySet<string>;
}

export function initialCoverage(config: EpochConfig, previous: CoverageTracker | undefined): CoverageTracker {
  const start: Sighting = { height: config.anchor.height, time: config.anchor.time };
  return {
    settled: previous?.settled ?? config.anchor.height,
    unsettled: previous?.unsettled ?? [],
    regional: previous?.regional ?? config.anchor.height,
    zonal: previous?.zonal ?? new Map(),
    seen: new Map(regionsOf(config).map((region) => [region, previous?.seen.get(region) ?? start])),
    newest: start,
    returns: new Map(),
    slots: new Map(),
    proven: [],
    cast: new Set(),
  };
}

/** What a `suspect` or `sight` ballot names in place of a block. */
export function regionDigest(region: string): Digest {
  return digest(bytesToHex(sha256(utf8ToBytes(`validator-swarm/v1/region${region}`))));
}

export function regionsOf(config: EpochConfig): readonly string[] {
  return [...new Set(config.members.map((member) => member.region))].sort();
}

/** Power of the signers in each region. */
function powerByRegion(config: EpochConfig, signers: readonly SeatIndex[]): Map<string, number> {
  const powers = new Map<string, number>();
  for (const seat of signers) {
    const member = config.members[seat];
    if (member) powers.set(member.region, (powers.get(member.region) ?? 0) + member.power);
  }
  return powers;
}

/** Regions that the state requires and these signers do not cover, sorted. */
export function uncoveredRegions(
  config: EpochConfig,
  coverage: CoverageState,
  signers: readonly SeatIndex[],
): readonly string[] {
  const powers = powerByRegion(config, signers);
  return Object.entries(config.coverage.requiredRegions)
    .filter(([region, least]) => !coverage.degraded.includes(region) && (powers.get(region) ?? 0) < least)
    .map(([region]) => region)
    .sort();
}

/** Have more than 2/3 of the zone's power signed? A zone without members is never covered. */
export function coversZone(config: EpochConfig, zone: string, signers: readonly SeatIndex[]): boolean {
  const inZone = (seat: number) => config.members[seat]?.zones.includes(zone) === true;
  const total = config.members.reduce((sum, member, i) => (inZone(i) ? sum + member.power : sum), 0);
  const signed = signers.reduce((sum, seat) => (inZone(seat) ? sum + (config.members[seat]?.power ?? 0) : sum), 0);
  return total > 0 && 3 * signed > 2 * total;
}

/** Does this member's signature cover a region or a zone that these signers do not yet? */
export function addsCoverage(config: EpochConfig, signers: readonly SeatIndex[], seat: SeatIndex): boolean {
  const member = config.members[seat];
  if (!member || signers.includes(seat)) return false;
  const least = config.coverage.requiredRegions[member.region] ?? 1;
  const region = signers.filter((signer) => config.members[signer]?.region === member.region);
  const power = region.reduce((sum, signer) => sum + (config.members[signer]?.power ?? 0), 0);
  return power < least || member.zones.some((zone) => !coversZone(config, zone, signers));
}

/** Takes a new final block into account. Carriers have no height of their own and are not added. */
export function addFinal(tracker: CoverageTracker, block: Block): CoverageTracker {
  const zones = [...new Set(block.body.batches.map((batch) => batch.zone))].filter((zone) => zone !== "").sort();
  const entry: Unsettled = { height: block.header.height, zones, payments: block.body.batches.length > 0 };
  return {
    ...tracker,
    unsettled: [...tracker.unsettled, entry],
    newest: { height: block.header.height, time: block.header.time },
  };
}

/** Takes a finalization of `block` (new, or extended by late votes) into account. `required` is the coverage state its header names. */
export function addFinalization(
  tracker: CoverageTracker,
  config: EpochConfig,
  block: Block,
  signers: readonly SeatIndex[],
  required: CoverageState | undefined,
  current: CoverageState,
): CoverageTracker {
  const { height, time } = block.header;
  const powers = powerByRegion(config, signers);
  const seen = new Map(tracker.seen);
  const returns = new Map(tracker.returns);
  for (const [region, power] of powers) {
    if (power < (config.coverage.requiredRegions[region] ?? 1)) continue;
    const last = seen.get(region);
    if (last === undefined || last.height < height) seen.set(region, { height, time });
    if (!current.degraded.includes(region)) continue;
    const back = returns.get(region);
    if (back === undefined || back.modeSeq !== current.modeSeq)
      returns.set(region, { modeSeq: current.modeSeq, count: 1, height });
    else if (back.height < height) returns.set(region, { ...back, count: back.count + 1, height });
  }
  const zonal = new Map(tracker.zonal);
  for (const zone of new Set(config.members.flatMap((member) => member.zones))) {
    if ((zonal.get(zone) ?? -1) < height && coversZone(config, zone, signers)) zonal.set(zone, height);
  }
  const covers = required !== undefined && uncoveredRegions(config, required, signers).length === 0;
  const regional = covers && height > tracker.regional ? height : tracker.regional;
  return { ...tracker, seen, returns, zonal, regional };
}

/** Settles, in order, every final block that is covered now. */
export function settleCovered(tracker: CoverageTracker): CoverageTracker {
  let settled = tracker.settled;
  let count = 0;
  for (const { height, zones } of tracker.unsettled) {
    const covered = height <= tracker.regional && zones.every((zone) => (tracker.zonal.get(zone) ?? -1) >= height);
    if (!covered) break;
    settled = height;
    count += 1;
  }
  return count === 0 ? tracker : { ...tracker, settled, unsettled: tracker.unsettled.slice(count) };
}

export interface RegionBallot {
  readonly kind: "suspect" | "sight";
  readonly region: string;
}

/** What this member would say of regions now: silent ones to suspect, degraded ones that are back to sight. Sorted by region. */
export function regionBallots(
  tracker: CoverageTracker,
  config: EpochConfig,
  current: CoverageState,
): readonly RegionBallot[] {
  const { suspectBlocks, suspectAfter } = config.parameters;
  const ballots: RegionBallot[] = [];
  for (const region of Object.keys(config.coverage.requiredRegions).sort()) {
    if (current.degraded.includes(region)) {
      const back = tracker.returns.get(region);
      if (back !== undefined && back.modeSeq === current.modeSeq && back.count >= suspectBlocks)
        ballots.push({ kind: "sight", region });
      continue;
    }
    const last = tracker.seen.get(region);
    if (last === undefined) continue;
    const silentBlocks = tracker.newest.height - last.height;
    if (silentBlocks >= suspectBlocks && tracker.newest.time - last.time >= suspectAfter)
      ballots.push({ kind: "suspect", region });
  }
  return ballots;
}

/** A new mode makes every vote and proof of the old one void: they name its modeSeq. */
export function forgetOtherModes(tracker: CoverageTracker, modeSeq: number): CoverageTracker {
  const slots = new Map(
    [...tracker.slots].filter(([, slot]) => [...slot.values()].every((vote) => vote.view === modeSeq)),
  );
  const proven = tracker.proven.filter((certificate) => certificate.view === modeSeq);
  if (slots.size === tracker.slots.size && proven.length === tracker.proven.length) return tracker;
  return { ...tracker, slots, proven };
}
