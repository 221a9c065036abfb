/**
 * What the operator writes down beside the status: the genesis of the chain, once, and the disruption permit. Both are
 * ConfigMaps, read back through schemas: what does not parse is named and stops the operator for that swarm.
 */
import { z } from "zod";
import { type Explanation, explanationData, explanationName } from "../api/explanation.ts";
import { type KubeObject, type StoredObject, textAt } from "../kube/objects.ts";
import { controllerReference } from "../kube/owner.ts";
import type { Claimed, GenesisRecord, Permit } from "../plan/snapshot.ts";
import { genesisName, permitName, swarmLabels } from "./names.ts";

const text = () => z.string().max(1_024);
const names = () => z.array(text()).max(1_100).readonly();
const count = () => z.int().min(0);
const keys = { blsKey: z.string().length(96), peerKey: z.string().length(64) };
const allKeys = z.strictObject({ ...keys, proofOfPossession: z.string().length(192) });
const values = () => z.record(text(), z.union([z.number(), z.string()]));

const set = z.strictObject({
  epoch: count(),
  members: z
    .array(z.strictObject({ id: text(), power: count(), region: text(), ...keys, managed: z.boolean() }))
    .max(1_024),
  learners: z.array(z.strictObject({ id: text(), peerKey: keys.peerKey })).max(1_024),
  parameters: values(),
  requiredRegions: z.record(text(), count()),
  degradedRegions: names(),
});

const body = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("set-members"),
    members: z
      .array(
        z.strictObject({
          id: text(),
          power: count(),
          region: text(),
          zones: names(),
          keys: z.strictObject(keys),
          proofOfPossession: allKeys.shape.proofOfPossession.optional(),
        }),
      )
      .max(1_024),
    requiredRegions: z.record(text(), count()),
  }),
  z.strictObject({ kind: z.literal("rotate-seat"), seat: text(), currentKey: keys.blsKey, keys: allKeys }),
  z.strictObject({ kind: z.literal("admit-learner"), seat: text(), learner: text(), peerKey: keys.peerKey }),
  z.strictObject({ kind: z.literal("dismiss-learner"), learner: text() }),
  z.strictObject({ kind: z.literal("set-parameters"), parameters: values() }),
]);

const permit = z.strictObject({
  id: text(),
  purpose: z.enum(["restart", "drain", "membership", "parameters"]),
  seats: names(),
  identities: names(),
  power: count(),
  podUid: text(),
  transaction: z.strictObject({ id: text(), epoch: count(), body }).optional(),
  takenAt: count(),
  submittedAt: count().optional(),
});

/** A record that is there, is not there, or cannot be read. */
export type Found<T> =
  | { readonly kind: "found"; readonly value: T }
  | { readonly kind: "none" }
  /** A sentence that names the object. */
  | { readonly kind: "damaged"; readonly message: string };

function parseEntry(object: StoredObject, key: string): unknown {
  try {
    return JSON.parse(textAt(object["data"], key));
  } catch {
    return undefined;
  }
}

function map(swarm: StoredObject, name: string, data: Readonly<Record<string, string>>): KubeObject {
  const { namespace } = swarm.metadata;
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      labels: swarmLabels(swarm.metadata.name, "validator"),
    },
    data,
  };
}

/** Immutable and without an owner: retained volumes need it after the swarm is gone. */
export function genesisObject(swarm: StoredObject, document: Uint8Array, record: GenesisRecord): KubeObject {
  const data = { "genesis.json": Buffer.from(document).toString("utf8"), "set.json": JSON.stringify(record.set) };
  return { ...map(swarm, genesisName(swarm.metadata.name), data), immutable: true };
}

/** The planner's record and the document's bytes. */
export function readGenesis(
  object: StoredObject | undefined,
): Found<{ readonly record: GenesisRecord; readonly document: Uint8Array }> {
  if (!object) return { kind: "none" };
  const parsed = set.safeParse(parseEntry(object, "set.json"));
  const document = textAt(object["data"], "genesis.json");
  if (!parsed.success || document === "")
    return {
      kind: "damaged",
      message: `ConfigMap ${object.metadata.name} does not hold the chain's genesis any more: restore it from a backup.`,
    };
  return { kind: "found", value: { record: { set: parsed.data }, document: Buffer.from(document, "utf8") } };
}

/** The permit's object: with the permit, or free. `version`: the state it replaces, "" when there is none yet. */
export function permitObject(
  swarm: StoredObject,
  version: string,
  held: (Claimed & Pick<Permit, "takenAt" | "submittedAt">) | undefined,
): KubeObject {
  const object = map(swarm, permitName(swarm.metadata.name), held ? { "permit.json": JSON.stringify(held) } : {});
  const ownerReferences = [controllerReference(swarm)];
  const precondition = version === "" ? {} : { resourceVersion: version };
  return { ...object, metadata: { ...object.metadata, ...precondition, ownerReferences } };
}

export function readPermit(object: StoredObject | undefined): Found<Permit> {
  if (!object || textAt(object["data"], "permit.json") === "") return { kind: "none" };
  const parsed = permit.safeParse(parseEntry(object, "permit.json"));
  if (!parsed.success)
    return {
      kind: "damaged",
      message: `ConfigMap ${object.metadata.name} does not hold a disruption permit any more. Find out what was under way, then delete it.`,
    };
  const { transaction, submittedAt, ...rest } = parsed.data;
  return {
    kind: "found",
    value: {
      ...rest,
      transaction: transaction && { ...transaction, body: readBody(transaction.body) },
      submittedAt,
      version: object.metadata.resourceVersion,
    },
  };
}

function readBody(parsed: z.infer<typeof body>): NonNullable<Permit["transaction"]>["body"] {
  if (parsed.kind !== "set-members") return parsed;
  const members = parsed.members.map(({ proofOfPossession, ...member }) => ({ ...member, proofOfPossession }));
  return { ...parsed, members };
}

/** What the planner would do next and why: for `swarm explain`. */
export function explanationObject(swarm: StoredObject, explanation: Explanation): KubeObject {
  const object = map(swarm, explanationName(swarm.metadata.name), explanationData(explanation));
  return { ...object, metadata: { ...object.metadata, ownerReferences: [controllerReference(swarm)] } };
}
