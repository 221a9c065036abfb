/**
 * Round trips between four regions, and what the protocol needs at least on them. The figures are the yearly medians that
 * cloudping.co publishes of AWS regions (eu-west-1, us-east-1, ap-south-1, eu-north-1), rounded to milliseconds; inside a
 * region they are those of one machine.
 */

export const regions = ["eu-west", "us-east", "ap-south", "eu-north"] as const;
export type Region = (typeof regions)[number];

/** Milliseconds there and back. */
const roundTrips: readonly (readonly [Region, Region, number])[] = [
  ["eu-west", "us-east", 68],
  ["eu-west", "ap-south", 122],
  ["eu-west", "eu-north", 40],
  ["us-east", "ap-south", 188],
  ["us-east", "eu-north", 112],
  ["ap-south", "eu-north", 142],
];

/** One way, ms: half of the round trip. */
export function oneWay(from: Region, to: Region): number {
  const found = roundTrips.find(([a, b]) => (a === from && b === to) || (a === to && b === from));
  return found ? found[2] / 2 : 0;
}

/** The links between all regions, as the ConfigMap `<swarm>-links` has them. */
export function links(): Readonly<Record<string, string>> {
  const pairs = regions.flatMap((from) => regions.filter((to) => to !== from).map((to) => [from, to] as const));
  return Object.fromEntries(pairs.map(([from, to]) => [`${from}.${to}`, `delay=${oneWay(from, to)}ms`]));
}

/** Least times from a leader's proposal, ms, when nothing but the links takes time. */
export interface Floor {
  /** `observers` members know that the block is final: proposal, notarize votes, finalize votes. */
  readonly final: number;
  /** `observers` members have the finalize votes of every region. */
  readonly settled: number;
}

/** Of four equal members with a quorum of three. `observers`: so many have to know, F + 1 for a client. */
export function floorOf(leader: Region, observers: number): Floor {
  const quorum = 3;
  const nth = (values: readonly number[], n: number) => values.toSorted((a, b) => a - b)[n - 1] ?? Number.NaN;
  // A member votes when it has the proposal; it finalizes with the notarize votes of a quorum, its own among them.
  const proposed = new Map(regions.map((region) => [region, oneWay(leader, region)]));
  const heardBy = (sent: ReadonlyMap<Region, number>, region: Region) =>
    regions.map((from) => (sent.get(from) ?? 0) + oneWay(from, region));
  const notarized = new Map(regions.map((region) => [region, nth(heardBy(proposed, region), quorum)]));
  const final = regions.map((region) => nth(heardBy(notarized, region), quorum));
  const settled = regions.map((region) => nth(heardBy(notarized, region), regions.length));
  return { final: nth(final, observers), settled: nth(settled, observers) };
}

/** Mean over the leaders, which take turns. */
export function meanFloor(observers: number): Floor {
  const floors = regions.map((leader) => floorOf(leader, observers));
  const mean = (of: (floor: Floor) => number) => floors.reduce((sum, floor) => sum + of(floor), 0) / floors.length;
  return { final: mean(({ final }) => final), settled: mean(({ settled }) => settled) };
}
