/**
 * The parameter table: what a change of each field of the spec takes. A field that is not listed takes the class of the
 * nearest group above it that is; groups are listed only where all their fields are alike.
 */
import { isDeepStrictEqual } from "node:util";
import { parameterTable } from "../../validator/consensus/parameters.ts";
import type { ValidatorSwarmSpec } from "./spec/spec.ts";

/**
 * `live`: nothing restarts. `rolling`: pods are replaced, one at a time or by a green fleet. `chain-governed`: a
 * governance transaction, effective with an epoch. `immutable`: refused.
 */
export type ChangeClass = "live" | "rolling" | "chain-governed" | "immutable";

/** One field that differs between two specs. */
export interface Change {
  /** Without positions: `regions[].weight`. */
  readonly field: string;
  readonly class: ChangeClass;
  /** A sentence: what happens. */
  readonly reason: string;
}

type Row = readonly [field: string, takes: ChangeClass, reason: string];

const template = "It is part of every validator's pod.";
const nextPods = "Pods made from now on have it; running ones stay as they are.";
const membership = "The validator set changes on chain, at most F power at a time.";
const ownObject = "The operator updates the object that carries it; no validator restarts.";
const operatorOnly = "Only the operator reads it, from its next visit on.";

const rows: readonly Row[] = [
  ["image", "rolling", "Another release runs in every pod."],
  ["protocolVersion", "chain-governed", "Rules of state transition activate by governance at a height."],
  ["faultModel", "immutable", "The quorum of every signed block rests on it."],
  ["replicas", "chain-governed", membership],
  ["regions[].name", "chain-governed", membership],
  ["regions[].weight", "chain-governed", membership],
  ["regions[].zones", "chain-governed", "Residency is part of the validator set."],
  ["regions[].nodeSelector", "live", nextPods],
  ["regions[].affinity", "live", nextPods],
  ["regions[].tolerations", "live", nextPods],
  ["placement.surviveRegionLoss", "live", "The layout is checked against it; it moves nothing by itself."],
  ["placement.topologyKey", "live", nextPods],
  ["genesis", "immutable", "The chain has started from it."],
  ["authority.keySecretName", "live", "The operator signs with it from its next transaction on."],
  ["authority.seatOwner", "chain-governed", "Whose seat it is stands in the validator set."],
  ["members[].id", "chain-governed", membership],
  ["members[].power", "chain-governed", membership],
  ["members[].region", "chain-governed", membership],
  ["members[].zones", "chain-governed", "Residency is part of the validator set."],
  ["members[].blsKey", "chain-governed", "A seat changes hands on chain."],
  ["members[].peerKey", "chain-governed", "A seat changes hands on chain."],
  ["members[].proofOfPossession", "chain-governed", "It goes with the key."],
  ["members[].owner", "chain-governed", "Whose seat it is stands in the validator set."],
  ["members[].addresses", "rolling", "Every validator's configuration names it."],
  ...parameterTable.map(
    ({ name, scope }): Row =>
      scope === "governed"
        ? [`consensus.${name}`, "chain-governed", "It is chain state, equal on all members."]
        : [`consensus.${name}`, "rolling", "Each validator has it in its configuration; members may differ meanwhile."],
  ),
  ["consensus.coverage.requiredRegions", "chain-governed", "What settlement waits for is chain state."],
  ["rollout", "live", operatorOnly],
  ["canary.seats", "rolling", "The pods of canary seats are replaced."],
  ["canary.overrides", "rolling", "The pods of canary seats are replaced."],
  ["canary.durationSeconds", "live", operatorOnly],
  ["canary.analysis", "live", operatorOnly],
  ["canary.description", "live", operatorOnly],
  ["checkpoints", "live", "The next checkpoint follows it."],
  ["restoreFrom", "immutable", "The chain has started."],
  ["storage.size", "live", "Volumes are expanded in place; they never shrink."],
  ["storage.storageClassName", "immutable", "A volume keeps its class, and an identity its volume."],
  ["storage.retainPolicy", "live", operatorOnly],
  ["resources", "rolling", template],
  ["podTemplate", "rolling", template],
  ["imagePullSecrets", "rolling", template],
  ["exposure.type", "live", ownObject],
  ["exposure.annotations", "live", ownObject],
  ["exposure.port", "immutable", "Members dial each other at it."],
  ["exposure.announce", "rolling", "A validator announces what its configuration says."],
  ["gateway", "live", "Gateways are a Deployment of their own; no validator restarts."],
  ["autoscaling", "live", operatorOnly],
  ["disruption", "live", operatorOnly],
  ["monitoring.logLevel", "rolling", template],
  ["monitoring.podMonitor", "live", ownObject],
  ["monitoring.prometheus", "live", operatorOnly],
  ["monitoring.tracing", "rolling", template],
  ["tls", "rolling", "Every validator gets another certificate."],
  ["security.runAsUser", "rolling", template],
  ["security.fsGroup", "rolling", template],
  ["security.networkPolicy", "live", ownObject],
  ["paused", "live", operatorOnly],
  ["hibernate", "live", "Pods are ended or started on the same volumes; no pod changes."],
];

/** The table, for documents and tests. */
export const parameterClasses: readonly Change[] = rows.map(([field, kind, reason]) => ({
  field,
  class: kind,
  reason,
}));

const byField = new Map(parameterClasses.map((row) => [row.field, row]));

/** The row a field of the spec falls under; undefined when it is in no class, and for a group of several classes. */
export function rowOf(field: string): Change | undefined {
  for (let path = field; path !== ""; path = path.replace(/(\[\]|\.?[^.[\]]+)$/, "")) {
    const row = byField.get(path);
    if (row) return row;
  }
  return undefined;
}

/** What a change of a field takes, as the reference shows it; "" for a group of several classes. */
export function classOf(field: string): ChangeClass | "" {
  return rowOf(field)?.class ?? "";
}

/** Everything that differs, each once, in the order of the table. */
export function classifyChange(before: ValidatorSwarmSpec, now: ValidatorSwarmSpec): readonly Change[] {
  const fields = new Set(differences(before, now, ""));
  return parameterClasses.filter(({ field }) => [...fields].some((changed) => rowOf(changed)?.field === field));
}

/** Keys of entries, so that a list in another order is not a list of other entries. */
const entryKeys: Readonly<Record<string, string>> = { regions: "name", members: "id" };

function differences(before: unknown, now: unknown, path: string): readonly string[] {
  if (isDeepStrictEqual(before, now)) return [];
  if (byField.has(path)) return [path];
  if (Array.isArray(before) && Array.isArray(now)) return entryDifferences(before, now, path);
  if (isObject(before) && isObject(now)) {
    const names = new Set([...Object.keys(before), ...Object.keys(now)]);
    return [...names].flatMap((name) => differences(before[name], now[name], path === "" ? name : `${path}.${name}`));
  }
  // A group that is on one side alone: each of its fields was added or removed.
  return [before, now].flatMap((side) =>
    isObject(side) ? Object.keys(side).flatMap((name) => differences(side[name], undefined, `${path}.${name}`)) : [],
  );
}

function entryDifferences(before: readonly unknown[], now: readonly unknown[], path: string): readonly string[] {
  const key = entryKeys[path] ?? "";
  const named = (entries: readonly unknown[]) =>
    new Map(entries.filter(isObject).map((entry): [unknown, Readonly<Record<string, unknown>>] => [entry[key], entry]));
  const [old, next] = [named(before), named(now)];
  const order = isDeepStrictEqual([...old.keys()], [...next.keys()]) ? [] : [`${path}[].${key}`];
  return [
    ...order,
    ...[...next].flatMap(([name, entry]) => {
      const earlier = old.get(name);
      return earlier ? differences(earlier, entry, `${path}[]`) : [];
    }),
  ];
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
