/** Between the API's types and the planner's: what a ValidatorSwarm asks for, what is written into its status, what is read back. */
import { parameterTable } from "../../validator/consensus/parameters.ts";
import type { ValidatorSwarmSpec } from "../api/spec/spec.ts";
import type { ValidatorSwarmStatus } from "../api/status.ts";
import type { CanaryStatus } from "./canary.ts";
import type { Desired } from "./desired.ts";
import { canaryOf, revisionOf } from "./revision.ts";
import type { CanaryTrial, Memory, Permit, Snapshot } from "./snapshot.ts";
import type { SwarmStatus } from "./status.ts";
import { timeText } from "./time.ts";

/** Everything of a spec the planner needs. */
export function desiredOf(name: string, spec: ValidatorSwarmSpec, replaced: readonly string[] = []): Desired {
  const governed = parameterTable.filter(({ scope }) => scope === "governed").map((row) => row.name);
  const required = spec.consensus.coverage.requiredRegions;
  const regions = [
    ...new Set([...spec.regions.map((region) => region.name), ...spec.members.map(({ region }) => region)]),
  ];
  return {
    name,
    faultModel: spec.faultModel,
    replicas: spec.replicas,
    regions: spec.regions.map((region) => ({ name: region.name, weight: region.weight, zones: region.zones })),
    surviveRegionLoss: spec.placement.surviveRegionLoss,
    members: spec.members,
    parameters: Object.fromEntries(governed.map((parameter) => [parameter, spec.consensus[parameter]])),
    requiredRegions: required ?? Object.fromEntries(regions.map((region) => [region, 1])),
    podRevision: revisionOf(spec),
    canary: canaryOf(spec),
    allowSettlementPause: spec.disruption.allowSettlementPause,
    retainPolicy: spec.storage.retainPolicy,
    paused: spec.paused,
    hibernate: spec.hibernate,
    replaced,
    identityTimeout: spec.disruption.identityTimeoutSeconds * 1_000,
  };
}

const ms = (text: string) => {
  const parsed = Date.parse(text);
  return Number.isNaN(parsed) ? 0 : parsed;
};

/** What the planner wrote last time; undefined before the first visit. */
export function memoryOf(status: ValidatorSwarmStatus | undefined): Memory | undefined {
  const memory = status?.memory;
  if (!memory) return undefined;
  const { seats, lost, epoch, declinedDrains, refused, canary } = memory;
  return {
    seats,
    lost: lost.map((each) => ({ ...each, since: ms(each.since) })),
    epoch,
    declinedDrains,
    refused: refused && { ...refused, at: ms(refused.at) },
    ...(canary ? { canary: trialFrom(canary) } : {}),
  };
}

type WrittenTrial = NonNullable<NonNullable<ValidatorSwarmStatus["memory"]>["canary"]>;

const trialFrom = ({ chosenAt, since, outcome, ...rest }: WrittenTrial): CanaryTrial => ({
  ...rest,
  chosenAt: ms(chosenAt),
  since: since === undefined ? undefined : ms(since),
  outcome: outcome && { ...outcome, at: ms(outcome.at) },
});

const trialText = ({ chosenAt, since, outcome, seats, tallies, ...rest }: CanaryTrial): WrittenTrial => ({
  ...rest,
  seats: [...seats],
  tallies: [...tallies],
  chosenAt: timeText(chosenAt),
  ...(since === undefined ? {} : { since: timeText(since) }),
  ...(outcome ? { outcome: { ...outcome, at: timeText(outcome.at), message: outcome.message.slice(0, 1_024) } } : {}),
});

function canaryText({ seats, since, until, verdict, message, waitingFor, ...rest }: CanaryStatus) {
  return {
    ...rest,
    seats: [...seats],
    ...(since === undefined ? {} : { since: timeText(since) }),
    ...(until === undefined ? {} : { until: timeText(until) }),
    analysis: verdict.findings.map(({ changedFigure, othersFigure, excess, t, p, ...finding }) => ({
      ...finding,
      changedFigure: rounded(changedFigure),
      othersFigure: rounded(othersFigure),
      excess: rounded(excess),
      t: rounded(t),
      p: rounded(p),
    })),
    message: message.slice(0, 1_024),
    waitingFor: waitingFor.slice(0, 1_024),
  };
}

/** What a person reads of a number, six digits. */
const rounded = (value: number) => (Number.isFinite(value) ? Number(value.toPrecision(6)) : 0);

/** The status as the API has it. Fields that other concerns own (`chainId`, `rollout`, checkpoints) are theirs to add. */
export function toStatus(status: SwarmStatus, snapshot: Snapshot, selector: string): ValidatorSwarmStatus {
  const { memory, power, seats, conditions } = status;
  const { permit } = snapshot;
  const change = permit?.transaction;
  return {
    observedGeneration: status.observedGeneration,
    conditions: [...conditions],
    replicas: status.replicas,
    selector,
    chainId: "",
    epoch: status.epoch,
    ...(snapshot.genesis ? { power: { ...pick(power), faultBudgetLeft: power.budgetLeft } } : {}),
    seats: seats.map(({ seat, region, power: held, role, voting, identity, generation, replacedAt }) => ({
      name: seat,
      region,
      power: held,
      role,
      voting,
      identity,
      generation,
      ...(replacedAt === undefined ? {} : { replacedAt }),
    })),
    ...(permit ? { permit: permitOf(permit) } : {}),
    ...(permit && change
      ? {
          membershipChange: {
            id: change.id.slice(0, 253),
            kind: change.body.kind,
            epoch: change.epoch,
            seats: [...permit.seats],
            powerMoved: permit.power,
            ...(permit.submittedAt === undefined ? {} : { submittedAt: timeText(permit.submittedAt) }),
          },
        }
      : {}),
    ...(status.canary ? { canary: canaryText(status.canary) } : {}),
    memory: {
      ...(memory.canary ? { canary: trialText(memory.canary) } : {}),
      seats: [...memory.seats],
      lost: memory.lost.map((each) => ({ ...each, since: timeText(each.since) })),
      epoch: memory.epoch,
      declinedDrains: [...memory.declinedDrains],
      ...(memory.refused
        ? {
            refused: { ...memory.refused, identities: [...memory.refused.identities], at: timeText(memory.refused.at) },
          }
        : {}),
    },
  };
}

const pick = ({ total, available, fault }: SwarmStatus["power"]) => ({ total, available, fault });

function permitOf({ id, purpose, seats, identities, power, podUid, takenAt }: Permit) {
  return {
    id: id.slice(0, 253),
    purpose,
    seats: [...seats],
    identities: [...identities],
    power,
    ...(podUid === "" ? {} : { podUid }),
    takenAt: timeText(takenAt),
  };
}
