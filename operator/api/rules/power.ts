/** Voting power as a spec fixes it, in TypeScript and in CEL. */
import { mostRegions } from "../spec/regions.ts";
import type { ValidatorSwarmSpec } from "../spec/spec.ts";

type Weighed = Pick<ValidatorSwarmSpec, "regions" | "members" | "faultModel">;

/** Largest power that may fail, and the power a decision needs (docs/decisions/consensus-choices.md). */
export function faultBudget(total: number, faultModel: ValidatorSwarmSpec["faultModel"]): { F: number; Q: number } {
  const F = Math.floor((total - 1) / (faultModel === "Byzantine" ? 3 : 2));
  return { F, Q: total - F };
}

/** F of everything the spec names. */
export const faultOf = (spec: Weighed) =>
  faultBudget(
    regionNames(spec).reduce((sum, name) => sum + powerOf(spec, name), 0),
    spec.faultModel,
  ).F;

/** Power that the spec puts into a region: its weight and the members run elsewhere. */
export const powerOf = ({ regions, members }: Weighed, name: string) =>
  [...regions.filter((each) => each.name === name).map(({ weight }) => weight)]
    .concat(members.filter(({ region }) => region === name).map(({ power }) => power))
    .reduce((sum, power) => sum + power, 0);

/** Every region the spec names, first those it lists, each once. */
export const regionNames = ({ regions, members }: Weighed): readonly string[] => [
  ...new Set([...regions.map(({ name }) => name), ...members.map(({ region }) => region)]),
];

/** Seats of the region at a position: the first regions take one more when they do not divide evenly. */
export function seatsOf(region: number, replicas: number, regions: number): number {
  return Math.floor(replicas / regions) + (region < replicas % regions ? 1 : 0);
}

/** Power of the lightest seat: a region's weight is split evenly among its seats. */
export const lightestSeat = ({ regions, replicas }: Pick<ValidatorSwarmSpec, "regions" | "replicas">) =>
  Math.min(...regions.map(({ weight }, i) => Math.floor(weight / Math.max(1, seatsOf(i, replicas, regions.length)))));

/**
 * Positions of listed regions. Literal, because an API server bounds neither the cost of `indexOf` nor counts
 * otherwise; as many as `spec.regions` may have.
 */
const positions = `[${Array.from({ length: mostRegions }, (_, i) => i).join(", ")}].filter(i, i < size(self.regions))`;
/** `i`: a CEL expression for the position of a listed region; `seats`: for how many there are in all. */
const celSeatsOf = (i: string, seats = "self.replicas") =>
  `(${seats} / size(self.regions) + (${i} < ${seats} % size(self.regions) ? 1 : 0))`;

/** CEL for the above, over `self` as the spec. */
export const cel = {
  fault:
    "((self.regions.map(r, r.weight) + self.members.map(m, m.power)).sum() - 1) / (self.faultModel == 'Byzantine' ? 3 : 2)",
  /** A region may come more than once. */
  regionNames: "(self.regions.map(r, r.name) + self.members.map(m, m.region))",
  /** `name`: a CEL expression of type string. */
  powerOf: (name: string) =>
    `(self.regions.filter(r, r.name == ${name}).map(r, r.weight) + self.members.filter(m, m.region == ${name}).map(m, m.power)).sum()`,
  positions,
  seatsOf: celSeatsOf,
  lightestSeat: `${positions}.map(i, self.regions[i].weight / (${celSeatsOf("i")} > 0 ? ${celSeatsOf("i")} : 1)).min()`,
} as const;
