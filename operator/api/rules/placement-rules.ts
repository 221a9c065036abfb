/** Rules about seats, regions and voting power. */
import type { ValidatorSwarmSpec } from "../spec/spec.ts";
import { cel, faultOf, lightestSeat, powerOf, regionNames, seatsOf } from "./power.ts";
import type { Rule } from "./rule.ts";

type Spec = ValidatorSwarmSpec;

const tooLight = ({ regions }: Spec, replicas: number) =>
  regions
    .map(({ name, weight }, i) => ({ name, weight, seats: seatsOf(i, replicas, regions.length) }))
    .find(({ weight, seats }) => weight < seats);
const canaryPower = (spec: Spec) => (spec.canary?.seats ?? 0) * lightestSeat(spec);
const tooHeavy = (spec: Spec) => regionNames(spec).find((name) => powerOf(spec, name) > faultOf(spec));
const required = ({ consensus }: Spec) => consensus.coverage.requiredRegions ?? {};
const unknownRequired = (spec: Spec) => Object.keys(required(spec)).find((name) => !regionNames(spec).includes(name));
const overRequired = (spec: Spec) =>
  Object.keys(required(spec)).find(
    (name) => regionNames(spec).includes(name) && (required(spec)[name] ?? 0) > powerOf(spec, name),
  );

const celTooLight = (seats?: string) =>
  `${cel.positions}.filter(i, self.regions[i].weight < ${cel.seatsOf("i", seats)})`;
const celCanaryPower = `self.canary.seats * ${cel.lightestSeat}`;
const celTooHeavy = `${cel.regionNames}.filter(n, ${cel.powerOf("n")} > ${cel.fault})`;
const celRequired = "self.consensus.coverage.requiredRegions";
const celUnknown = `${celRequired}.filter(n, !(n in ${cel.regionNames}))`;
const celOver = `${celRequired}.filter(n, n in ${cel.regionNames} && ${celRequired}[n] > ${cel.powerOf("n")})`;
const ifRequired = (rule: string) => `!has(${celRequired}) || ${rule}`;

/** In the order in which they are reported. */
export const placementRules: readonly Rule<Spec>[] = [
  {
    field: "replicas",
    cel: "self.replicas >= size(self.regions)",
    sentence: {
      plain: "Fewer seats than regions. Raise replicas, or remove regions.",
      cel: "'%d seats cannot fill %d regions. Set replicas to at least %d, or remove regions.'.format([self.replicas, size(self.regions), size(self.regions)])",
      of: ({ replicas, regions }) =>
        `${replicas} seats cannot fill ${regions.length} regions. Set replicas to at least ${regions.length}, or remove regions.`,
    },
    holds: ({ replicas, regions }) => replicas >= regions.length,
  },
  {
    field: "regions",
    cel: `size(${celTooLight()}) == 0`,
    sentence: {
      plain: "A region has less weight than seats. Raise its weight, or lower replicas.",
      cel: `${celTooLight()}.map(i, 'Weight %d cannot be split among the %d seats of %s. Set it to at least %d.'.format([self.regions[i].weight, ${cel.seatsOf("i")}, self.regions[i].name, ${cel.seatsOf("i")}]))[0]`,
      of: (spec) => {
        const { weight, seats, name } = tooLight(spec, spec.replicas) ?? {};
        return `Weight ${weight} cannot be split among the ${seats} seats of ${name}. Set it to at least ${seats}.`;
      },
    },
    holds: (spec) => tooLight(spec, spec.replicas) === undefined,
  },
  {
    field: "placement.surviveRegionLoss",
    cel: `!self.placement.surviveRegionLoss || size(${celTooHeavy}) == 0`,
    sentence: {
      plain:
        "A region holds more power than may fail. Use more regions of equal weight, or set surviveRegionLoss to false.",
      cel: `${celTooHeavy}.map(n, '%s holds %d, more than F = %d: losing it would stop the swarm. Use at least %d regions of equal weight, lower its weight, or set surviveRegionLoss to false.'.format([n, ${cel.powerOf("n")}, ${cel.fault}, self.faultModel == 'Byzantine' ? 4 : 3]))[0]`,
      of: (spec) => {
        const name = tooHeavy(spec) ?? "";
        return `${name} holds ${powerOf(spec, name)}, more than F = ${faultOf(spec)}: losing it would stop the swarm. Use at least ${spec.faultModel === "Byzantine" ? 4 : 3} regions of equal weight, lower its weight, or set surviveRegionLoss to false.`;
      },
    },
    holds: (spec) => !spec.placement.surviveRegionLoss || tooHeavy(spec) === undefined,
  },
  {
    field: "consensus.coverage.requiredRegions",
    cel: ifRequired(`size(${celUnknown}) == 0`),
    sentence: {
      plain: "A required region does not exist. Name regions of spec.regions or spec.members.",
      cel: `'No region is named %s. Use one of %s.'.format([${celUnknown}[0], self.regions.map(r, r.name)])`,
      of: (spec) =>
        `No region is named ${unknownRequired(spec)}. Use one of [${spec.regions.map(({ name }) => `"${name}"`).join(", ")}].`,
    },
    holds: (spec) => unknownRequired(spec) === undefined,
  },
  {
    field: "consensus.coverage.requiredRegions",
    cel: ifRequired(`size(${celOver}) == 0`),
    sentence: {
      plain: "More power is required of a region than it holds. Lower what is required.",
      cel: `${celOver}.map(n, '%s holds %d, less than the %d asked for. Lower it.'.format([n, ${cel.powerOf("n")}, ${celRequired}[n]]))[0]`,
      of: (spec) => {
        const name = overRequired(spec) ?? "";
        return `${name} holds ${powerOf(spec, name)}, less than the ${required(spec)[name]} asked for. Lower it.`;
      },
    },
    holds: (spec) => overRequired(spec) === undefined,
  },
  {
    field: "members",
    cel: "self.members.all(m, self.members.exists_one(o, o.blsKey == m.blsKey) && self.members.exists_one(o, o.peerKey == m.peerKey))",
    sentence: "Two members share a key. Give each seat the keys of its own volume.",
    holds: ({ members }) =>
      new Set(members.map(({ blsKey }) => blsKey)).size === members.length &&
      new Set(members.map(({ peerKey }) => peerKey)).size === members.length,
  },
  {
    field: "exposure.type",
    cel: "size(self.members) == 0 || self.exposure.type != 'ClusterIP' || size(self.exposure.announce) >= self.replicas",
    sentence:
      "Members run elsewhere cannot dial a ClusterIP. Set it to NodePort or LoadBalancer, or list every seat in exposure.announce.",
    holds: ({ members, exposure, replicas }) =>
      members.length === 0 || exposure.type !== "ClusterIP" || exposure.announce.length >= replicas,
  },
  {
    field: "rollout.promotion.stepPower",
    cel: `!has(self.rollout.promotion.stepPower) || self.rollout.promotion.stepPower <= ${cel.fault}`,
    sentence: {
      plain: "A step may move at most F power. Lower it, or remove it to use F.",
      cel: `'A step of %d power is more than F = %d. Lower it, or remove it to use F.'.format([self.rollout.promotion.stepPower, ${cel.fault}])`,
      of: (spec) =>
        `A step of ${spec.rollout.promotion.stepPower} power is more than F = ${faultOf(spec)}. Lower it, or remove it to use F.`,
    },
    holds: (spec) => (spec.rollout.promotion.stepPower ?? 0) <= faultOf(spec),
  },
  {
    field: "canary.seats",
    cel: `!has(self.canary) || ${celCanaryPower} <= ${cel.fault}`,
    sentence: {
      plain: "Canary seats may hold at most F power. Use fewer.",
      cel: `'%d canary seats hold at least %d power, more than F = %d. Use fewer, or add seats.'.format([self.canary.seats, ${celCanaryPower}, ${cel.fault}])`,
      of: (spec) =>
        `${spec.canary?.seats} canary seats hold at least ${canaryPower(spec)} power, more than F = ${faultOf(spec)}. Use fewer, or add seats.`,
    },
    holds: (spec) => canaryPower(spec) <= faultOf(spec),
  },
  {
    field: "autoscaling.maxSeats",
    cel: "!has(self.autoscaling) || self.autoscaling.minSeats <= self.autoscaling.maxSeats",
    sentence: {
      plain: "maxSeats is below minSeats. Raise it.",
      cel: "'%d is below minSeats = %d. Raise it.'.format([self.autoscaling.maxSeats, self.autoscaling.minSeats])",
      of: ({ autoscaling }) => `${autoscaling?.maxSeats} is below minSeats = ${autoscaling?.minSeats}. Raise it.`,
    },
    holds: ({ autoscaling }) => !autoscaling || autoscaling.minSeats <= autoscaling.maxSeats,
  },
  {
    field: "autoscaling.maxSeats",
    cel: `!has(self.autoscaling) || size(${celTooLight("self.autoscaling.maxSeats")}) == 0`,
    sentence: {
      plain: "A region has less weight than seats at maxSeats. Raise its weight, or lower maxSeats.",
      cel: `${celTooLight("self.autoscaling.maxSeats")}.map(i, '%d seats are %d in %s, and its weight of %d cannot be split among them. Raise the weight, or lower maxSeats.'.format([self.autoscaling.maxSeats, ${cel.seatsOf("i", "self.autoscaling.maxSeats")}, self.regions[i].name, self.regions[i].weight]))[0]`,
      of: (spec) => {
        const most = spec.autoscaling?.maxSeats ?? 0;
        const { weight, seats, name } = tooLight(spec, most) ?? {};
        return `${most} seats are ${seats} in ${name}, and its weight of ${weight} cannot be split among them. Raise the weight, or lower maxSeats.`;
      },
    },
    holds: (spec) => tooLight(spec, spec.autoscaling?.maxSeats ?? 0) === undefined,
  },
  {
    field: "autoscaling.minSeats",
    cel: "!has(self.autoscaling) || self.autoscaling.minSeats >= size(self.regions)",
    sentence: {
      plain: "minSeats is below the number of regions. Raise it.",
      cel: "'%d seats cannot fill %d regions. Set it to at least %d.'.format([self.autoscaling.minSeats, size(self.regions), size(self.regions)])",
      of: ({ autoscaling, regions }) =>
        `${autoscaling?.minSeats} seats cannot fill ${regions.length} regions. Set it to at least ${regions.length}.`,
    },
    holds: ({ autoscaling, regions }) => !autoscaling || autoscaling.minSeats >= regions.length,
  },
  {
    field: "replicas",
    cel: "!has(self.autoscaling) || self.autoscaling.minSeats > self.autoscaling.maxSeats || (self.replicas >= self.autoscaling.minSeats && self.replicas <= self.autoscaling.maxSeats)",
    sentence: {
      plain: "replicas is outside autoscaling.minSeats and maxSeats. Change one of them.",
      cel: "'%d is outside autoscaling.minSeats = %d and maxSeats = %d. Change one of them.'.format([self.replicas, self.autoscaling.minSeats, self.autoscaling.maxSeats])",
      of: ({ replicas, autoscaling }) =>
        `${replicas} is outside autoscaling.minSeats = ${autoscaling?.minSeats} and maxSeats = ${autoscaling?.maxSeats}. Change one of them.`,
    },
    holds: ({ replicas, autoscaling }) =>
      !autoscaling ||
      autoscaling.minSeats > autoscaling.maxSeats ||
      (replicas >= autoscaling.minSeats && replicas <= autoscaling.maxSeats),
  },
];
