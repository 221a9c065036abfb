/** Between the API's types and the planner's: what a ValidatorSwarm asks for, what is written into its status, what is read back. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { parameterTable } from "../../validator/consensus/parameters.ts";
import { rowOf } from "../api/changes.ts";
import type { ValidatorSwarmSpec } from "../api/spec/spec.ts";
import type { ValidatorSwarmStatus } from "../api/status.ts";
import type { Desired } from "./desired.ts";
import type { Memory, Permit, Snapshot } from "./snapshot.ts";
import type { SwarmStatus } from "./status.ts";
import { timeText } from "./time.ts";

/** Everything of a spec the planner needs. */
export function desiredOf(name: string, spec: ValidatorSwarmSpec): Desired {
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
    allowSettlementPause: spec.disruption.allowSettlementPause,
    retainPolicy: spec.storage.retainPolicy,
    paused: spec.paused,
    hibernate: spec.hibernate,
    identityTimeout: spec.disruption.identityTimeoutSeconds * 1_000,
  };
}

/**
 * Digest of everything the API's parameter table calls `rolling`: it changes when, and only when, running pods have to be
 * replaced. A canary's overrides are its own seats' alone. An image that the spec does not name is none of it: an
 * operator that is upgraded brings another, and restarts nobody.
 */
function revisionOf(spec: ValidatorSwarmSpec): string {
  const { canary: _, ...all } = spec;
  return bytesToHex(sha256(utf8ToBytes(canonical(rolling(all, ""))))).slice(0, 16);
}

/** What of a value is rolled; undefined when nothing is. */
function rolling(value: unknown, path: string): unknown {
  const row = path === "" ? undefined : rowOf(path);
  if (row) return row.class === "rolling" ? value : undefined;
  if (Array.isArray(value)) return value.map((each) => rolling(each, `${path}[]`));
  if (typeof value !== "object" || value === null) return undefined;
  const under = path === "" ? "" : `${path}.`;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, rolling(each, `${under}${name}`)]));
}

/** JSON with sorted keys; absent fields are left out. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === "object" && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}

const ms = (text: string) => {
  const parsed = Date.parse(text);
  return Number.isNaN(parsed) ? 0 : parsed;
};

/** What the planner wrote last time; undefined before the first visit. */
export function memoryOf(status: ValidatorSwarmStatus | undefined): Memory | undefined {
  const memory = status?.memory;
  if (!memory) return undefined;
  const { seats, lost, epoch, declinedDrains, refused } = memory;
  return {
    seats,
    lost: lost.map((each) => ({ ...each, since: ms(each.since) })),
    epoch,
    declinedDrains,
    refused: refused && { ...refused, at: ms(refused.at) },
  };
}

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
    memory: {
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
