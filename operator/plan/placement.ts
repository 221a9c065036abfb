/**
 * Where seats are and what they weigh. A region's power is its weight and is split among its seats, so that scaling
 * moves power inside a region and never between two. What cannot be is refused with the numbers and the nearest request
 * that can.
 */
import { totals } from "../../validator/consensus/power.ts";
import type { FaultModel } from "../../validator/consensus/types.ts";
import { power } from "../../validator/consensus/types.ts";
import type { Place } from "./actions.ts";
import { type Desired, seatName, seatsOf, splitPower } from "./desired.ts";
import type { Node } from "./snapshot.ts";

/** One seat of the layout. */
export interface SeatPlan {
  readonly id: string;
  readonly region: string;
  readonly power: number;
  readonly zones: readonly string[];
  readonly place: Place;
}

export type Layout =
  | { readonly kind: "placed"; readonly seats: readonly SeatPlan[]; readonly message: string }
  | { readonly kind: "refused"; readonly reason: string; readonly message: string };

/** Anything with power in a region. */
interface Weighed {
  readonly id: string;
  readonly power: number;
  readonly region: string;
}

/** F of any list of powers. */
export function faultPower(members: readonly { readonly power: number }[], faultModel: FaultModel): number {
  return totals(
    members.map((member) => ({ power: power(member.power) })),
    faultModel,
  ).fault;
}

/** Assigns every seat, or says why nobody could. */
export function solve(desired: Desired, nodes: readonly Node[] | undefined): Layout {
  return refusal(desired, nodes) ?? placed(desired, nodes);
}

function placed(desired: Desired, nodes: readonly Node[] | undefined): Layout {
  const seats = desired.regions.flatMap((region, i) => {
    const count = seatsOf(i, desired.replicas, desired.regions.length);
    const places = spread(region.name, count, nodes);
    return splitPower(region.weight, count).map(
      (share, n): SeatPlan => ({
        id: seatName(desired.name, region.name, n),
        region: region.name,
        power: share,
        zones: region.zones,
        place: places[n] ?? { region: region.name, zone: undefined, node: undefined },
      }),
    );
  });
  return { kind: "placed", seats, message: describe(desired, seats) };
}

function describe(desired: Desired, seats: readonly SeatPlan[]): string {
  const all = [...seats, ...desired.members];
  const fault = faultPower(all, desired.faultModel);
  const heaviest = regionPowers(all).reduce((most, [, held]) => Math.max(most, held), 0);
  const seat = all.find((each) => each.power > fault);
  const shape = `${seats.length} seats in ${desired.regions.length} regions, F = ${fault}`;
  if (seat)
    return `${shape}; ${seat.id} holds ${seat.power} > F, so no seat of its weight can be replaced while the swarm runs: for development only.`;
  return heaviest <= fault
    ? `${shape}; any one region may be lost, the heaviest holds ${heaviest}.`
    : `${shape}; losing the heaviest region, which holds ${heaviest}, stops the swarm until it is back.`;
}

/** Seats of one region over its zones, then over their nodes: the least used first, ties by name. */
function spread(region: string, count: number, nodes: readonly Node[] | undefined): readonly Place[] {
  const own = (nodes ?? []).filter((node) => node.region === region);
  const usable = own.filter((node) => node.reachable && !node.cordoned);
  const from = (usable.length > 0 ? usable : own).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const zones = [...new Set(from.map((node) => node.zone))].sort();
  const used = new Map<string, number>();
  return Array.from({ length: count }, (_, i) => {
    const zone = zones[i % Math.max(1, zones.length)];
    const node = from
      .filter((each) => each.zone === zone)
      .reduce<Node | undefined>(
        (best, each) => (best === undefined || usedBy(used, each) < usedBy(used, best) ? each : best),
        undefined,
      );
    if (node) used.set(node.name, usedBy(used, node) + 1);
    return { region, zone, node: node?.name };
  });
}
const usedBy = (used: ReadonlyMap<string, number>, node: Node) => used.get(node.name) ?? 0;

type Rule = (desired: Desired, nodes: readonly Node[] | undefined) => Layout | undefined;
const refuse = (reason: string, message: string): Layout => ({ kind: "refused", reason, message });

/** The first rule that refuses names the reason. */
const rules: readonly Rule[] = [
  function everyRegionHasASeat({ replicas, regions }) {
    if (regions.length === 0) return refuse("NoRegion", "The spec names no region. Name at least one.");
    if (replicas >= regions.length) return undefined;
    return refuse(
      "TooFewSeats",
      `${replicas} seats cannot fill ${regions.length} regions. Set replicas to at least ${regions.length}, or name ${replicas} regions.`,
    );
  },
  function everySeatHasPower({ replicas, regions }) {
    for (const [i, region] of regions.entries()) {
      const seats = seatsOf(i, replicas, regions.length);
      if (region.weight < seats)
        return refuse(
          "WeightTooSmall",
          `Region ${region.name} has weight ${region.weight} for ${seats} seats: one would hold nothing. Multiply every weight by ${Math.ceil(seats / Math.max(1, region.weight))}, or ask for at most ${region.weight * regions.length} replicas.`,
        );
    }
    return undefined;
  },
  function everyRegionMayBeLost(desired) {
    if (!desired.surviveRegionLoss) return undefined;
    const all = weights(desired);
    const fault = faultPower(all, desired.faultModel);
    const regions = regionPowers(all);
    const heavy = regions.filter(([, held]) => held > fault);
    if (heavy.length === 0) return undefined;
    const [, first] = heavy[0] ?? ["", 0];
    const equal = regions.length > 1 && regions.every(([, held]) => held === first);
    const held = equal
      ? `${regions.length} equal regions of ${first} hold ${first} > F = ${fault} each`
      : `${heavy.map(([name, its]) => `${name} holds ${its}`).join(", ")} > F = ${fault}`;
    return refuse("RegionTooHeavy", `${held}: losing one would stop the swarm. ${nearest(desired, regions, heavy)}`);
  },
  function everyRegionHasNodes(desired, nodes) {
    if (!nodes) return undefined;
    const empty = desired.regions.find((region) => !nodes.some((node) => node.region === region.name));
    return empty
      ? refuse(
          "RegionWithoutNodes",
          `No node is in region ${empty.name}. Add one, correct the region's node selector, or remove the region.`,
        )
      : undefined;
  },
];

function refusal(desired: Desired, nodes: readonly Node[] | undefined): Layout | undefined {
  for (const rule of rules) {
    const layout = rule(desired, nodes);
    if (layout) return layout;
  }
  return undefined;
}

const weights = (desired: Desired): readonly Weighed[] => [
  ...desired.regions.map((region) => ({ id: region.name, power: region.weight, region: region.name })),
  ...desired.members,
];

/** Power by region, in the order of first mention. */
export function regionPowers(members: readonly Weighed[]): readonly (readonly [string, number])[] {
  const held = new Map<string, number>();
  for (const member of members) held.set(member.region, (held.get(member.region) ?? 0) + member.power);
  return [...held];
}

/** The nearest request that could be granted. */
function nearest(
  { faultModel, regions: own }: Desired,
  regions: readonly (readonly [string, number])[],
  heavy: readonly (readonly [string, number])[],
): string {
  const least = faultModel === "Byzantine" ? 4 : 3;
  const words = ["", "one region", "two regions", "three regions", "four regions"];
  const options: string[] = [];
  if (regions.length < least) options.push(`use ${words[least]} of equal weight`);
  const total = regions.reduce((sum, [, held]) => sum + held, 0);
  const [name, held] = heavy[0] ?? ["", 0];
  const rest = total - held;
  // Largest x with x <= F(rest + x): 3x <= rest + x - 1, or 2x <= rest + x - 1.
  const most = faultModel === "Byzantine" ? Math.floor((rest - 1) / 2) : rest - 1;
  const others = regions.filter(([other]) => other !== name);
  const shrunk = faultPower([{ power: most }, ...others.map(([, its]) => ({ power: its }))], faultModel);
  const shrinks = own.some((region) => region.name === name);
  if (shrinks && most > 0 && others.every(([, its]) => its <= shrunk))
    options.push(`lower the weight of ${name} to at most ${most}`);
  options.push("set placement.surviveRegionLoss to false");
  const sentence = options.join(", or ");
  return `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}.`;
}

/**
 * The guarantee that holds in one set and would not in the next, as a sentence; undefined when none lapses. What did not
 * hold before cannot lapse: a swarm that is short of it must be able to get better step by step.
 */
export function lapse(
  from: readonly Weighed[],
  to: readonly Weighed[],
  { faultModel, surviveRegionLoss, requiredRegions }: Desired,
): string | undefined {
  const [before, after] = [faultPower(from, faultModel), faultPower(to, faultModel)];
  if (from.every((member) => member.power <= before)) {
    const heavy = to.find((member) => member.power > after);
    if (heavy) return `${heavy.id} would hold ${heavy.power} > F = ${after}: no seat of its weight could be replaced`;
  }
  const [held, next] = [regionPowers(from), regionPowers(to)];
  if (surviveRegionLoss && held.every(([, power]) => power <= before)) {
    const heavy = next.find(([, power]) => power > after);
    if (heavy) return `region ${heavy[0]} would hold ${heavy[1]} > F = ${after}: losing it would stop the swarm`;
  }
  for (const [region, least] of Object.entries(requiredRegions)) {
    const had = held.find(([name]) => name === region)?.[1] ?? 0;
    const has = next.find(([name]) => name === region)?.[1] ?? 0;
    if (had >= least && has < least)
      return `region ${region} would hold ${has} of the ${least} power that settlement requires of it`;
  }
  return undefined;
}
