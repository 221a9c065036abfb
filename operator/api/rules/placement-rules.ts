/** Rules about seats, regions and voting power. */
import type { ValidatorSwarmSpec } from "../spec/spec.ts";
import { cel, faultOf, powerOf, regionNames, seatsOf } from "./power.ts";
import type { Rule } from "./rule.ts";

type Spec = ValidatorSwarmSpec;

const tooLight = ({ regions, replicas }: Spec) =>
  regions.find(({ weight }, i) => weight < seatsOf(i, replicas, regions.length));
const tooHeavy = (spec: Spec) => regionNames(spec).find((name) => powerOf(spec, name) > faultOf(spec));
const required = ({ consensus }: Spec) => consensus.coverage.requiredRegions ?? {};
const unknownRequired = (spec: Spec) => Object.keys(required(spec)).find((name) => !regionNames(spec).includes(name));
const overRequired = (spec: Spec) =>
  Object.keys(required(spec)).find(
    (name) => regionNames(spec).includes(name) && (required(spec)[name] ?? 0) > powerOf(spec, name),
  );

const celTooLight = `self.regions.filter(x, x.weight < ${cel.seatsOf("x.name")})`;
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
      cel: "string(self.replicas) + ' seats cannot fill ' + string(size(self.regions)) + ' regions. Set replicas to at least ' + string(size(self.regions)) + ', or remove regions.'",
      of: ({ replicas, regions }) =>
        `${replicas} seats cannot fill ${regions.length} regions. Set replicas to at least ${regions.length}, or remove regions.`,
    },
    holds: ({ replicas, regions }) => replicas >= regions.length,
  },
  {
    field: "regions",
    cel: `size(${celTooLight}) == 0`,
    sentence: {
      plain: "A region has less weight than seats. Raise its weight, or lower replicas.",
      cel: `${celTooLight}.map(x, 'Weight ' + string(x.weight) + ' cannot be split among the ' + string(${cel.seatsOf("x.name")}) + ' seats of ' + x.name + '. Set it to at least ' + string(${cel.seatsOf("x.name")}) + '.')[0]`,
      of: (spec) => {
        const region = tooLight(spec);
        const seats = region ? seatsOf(spec.regions.indexOf(region), spec.replicas, spec.regions.length) : 0;
        return `Weight ${region?.weight} cannot be split among the ${seats} seats of ${region?.name}. Set it to at least ${seats}.`;
      },
    },
    holds: (spec) => tooLight(spec) === undefined,
  },
  {
    field: "placement.surviveRegionLoss",
    cel: `!self.placement.surviveRegionLoss || size(${celTooHeavy}) == 0`,
    sentence: {
      plain:
        "A region holds more power than may fail. Use more regions of equal weight, or set surviveRegionLoss to false.",
      cel: `${celTooHeavy}.map(n, n + ' holds ' + string(${cel.powerOf("n")}))[0] + ', more than F = ' + string(${cel.fault}) + ': losing it would stop the swarm. Use at least ' + (self.faultModel == 'Byzantine' ? '4' : '3') + ' regions of equal weight, lower its weight, or set surviveRegionLoss to false.'`,
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
      cel: `'No region is named ' + ${celUnknown}[0] + '. Use one of ' + self.regions.map(r, r.name).join(', ') + '.'`,
      of: (spec) =>
        `No region is named ${unknownRequired(spec)}. Use one of ${spec.regions.map(({ name }) => name).join(", ")}.`,
    },
    holds: (spec) => unknownRequired(spec) === undefined,
  },
  {
    field: "consensus.coverage.requiredRegions",
    cel: ifRequired(`size(${celOver}) == 0`),
    sentence: {
      plain: "More power is required of a region than it holds. Lower what is required.",
      cel: `${celOver}.map(n, n + ' holds ' + string(${cel.powerOf("n")}) + ', less than the ' + string(${celRequired}[n]) + ' asked for. Lower it.')[0]`,
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
    cel: "size(self.members) == 0 || self.exposure.type != 'ClusterIP' || size(self.exposure.announce) > 0",
    sentence:
      "Members run elsewhere cannot dial a ClusterIP. Set it to NodePort or LoadBalancer, or list exposure.announce.",
    holds: ({ members, exposure }) =>
      members.length === 0 || exposure.type !== "ClusterIP" || exposure.announce.length > 0,
  },
  {
    field: "rollout.promotion.stepPower",
    cel: `!has(self.rollout.promotion.stepPower) || self.rollout.promotion.stepPower <= ${cel.fault}`,
    sentence: {
      plain: "A step may move at most F power. Lower it, or remove it to use F.",
      cel: `'A step of ' + string(self.rollout.promotion.stepPower) + ' power is more than F = ' + string(${cel.fault}) + '. Lower it, or remove it to use F.'`,
      of: (spec) =>
        `A step of ${spec.rollout.promotion.stepPower} power is more than F = ${faultOf(spec)}. Lower it, or remove it to use F.`,
    },
    holds: (spec) => (spec.rollout.promotion.stepPower ?? 0) <= Math.max(0, faultOf(spec)),
  },
  {
    field: "canary.seats",
    cel: `!has(self.canary) || self.canary.seats <= ${cel.fault}`,
    sentence: {
      plain: "Canary seats may hold at most F power. Use fewer.",
      cel: `string(self.canary.seats) + ' canary seats hold at least as much power, more than F = ' + string(${cel.fault}) + '. Use fewer, or add seats.'`,
      of: (spec) =>
        `${spec.canary?.seats} canary seats hold at least as much power, more than F = ${faultOf(spec)}. Use fewer, or add seats.`,
    },
    holds: (spec) => (spec.canary?.seats ?? 0) <= Math.max(0, faultOf(spec)),
  },
  {
    field: "autoscaling.maxSeats",
    cel: "!has(self.autoscaling) || self.autoscaling.minSeats <= self.autoscaling.maxSeats",
    sentence: {
      plain: "maxSeats is below minSeats. Raise it.",
      cel: "string(self.autoscaling.maxSeats) + ' is below minSeats = ' + string(self.autoscaling.minSeats) + '. Raise it.'",
      of: ({ autoscaling }) => `${autoscaling?.maxSeats} is below minSeats = ${autoscaling?.minSeats}. Raise it.`,
    },
    holds: ({ autoscaling }) => !autoscaling || autoscaling.minSeats <= autoscaling.maxSeats,
  },
  {
    field: "autoscaling.minSeats",
    cel: "!has(self.autoscaling) || self.autoscaling.minSeats >= size(self.regions)",
    sentence: {
      plain: "minSeats is below the number of regions. Raise it.",
      cel: "string(self.autoscaling.minSeats) + ' seats cannot fill ' + string(size(self.regions)) + ' regions. Set it to at least ' + string(size(self.regions)) + '.'",
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
      cel: "string(self.replicas) + ' is outside autoscaling.minSeats = ' + string(self.autoscaling.minSeats) + ' and maxSeats = ' + string(self.autoscaling.maxSeats) + '. Change one of them.'",
      of: ({ replicas, autoscaling }) =>
        `${replicas} is outside autoscaling.minSeats = ${autoscaling?.minSeats} and maxSeats = ${autoscaling?.maxSeats}. Change one of them.`,
    },
    holds: ({ replicas, autoscaling }) =>
      !autoscaling ||
      autoscaling.minSeats > autoscaling.maxSeats ||
      (replicas >= autoscaling.minSeats && replicas <= autoscaling.maxSeats),
  },
];
