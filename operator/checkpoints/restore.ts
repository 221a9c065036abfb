/** `spec.restoreFrom`: once the genesis is there, a run of its own gives the state to every validator that waits for it. */
import { parseGenesis, type Recovery } from "../../validator/ledger/genesis.ts";
import { checkpointStatus, checkSwarmCheckpoint } from "../api/swarm-checkpoint.ts";
import { checkValidatorSwarm, type ValidatorSwarmSpec } from "../api/validator-swarm.ts";
import type { Kept } from "../apply/gateways.ts";
import type { OwnWrites } from "../apply/own-writes.ts";
import type { Writer } from "../kube/apply.ts";
import { configMaps, pods, swarmCheckpoints, validatorSwarms } from "../kube/kinds.ts";
import { keyOf, type ObjectKey, type StoredObject } from "../kube/objects.ts";
import type { Objects } from "../kube/watched.ts";
import { type Destination, runEnd, runName, runObjects } from "../objects/checkpoint.ts";
import { checkpointVolume, restoreLabel } from "../objects/names.ts";
import type { World } from "../objects/world.ts";
import type { IdentityLabels } from "../plan/snapshot.ts";
import { resultOf } from "./observe.ts";

export interface RestoreOrder {
  readonly swarm: StoredObject;
  readonly spec: ValidatorSwarmSpec;
  readonly objects: Objects;
  /** The genesis document; undefined before it is written. */
  readonly genesis: Uint8Array | undefined;
  /** Identities that say that they wait. */
  readonly waiting: readonly IdentityLabels[];
  /** ms since the Unix epoch. */
  readonly now: number;
}

export interface RestoreContext {
  readonly order: RestoreOrder;
  readonly world: World;
  /** The swarm's. */
  readonly key: ObjectKey;
  readonly writer: Writer;
  readonly writes: OwnWrites;
}

/** Between the end of a run that failed and the next, ms. */
const retryMs = 15_000;
const kept: Kept = { kind: "kept" };

/** Why nothing could be restored so far, for the swarm's `Ready`; undefined: nothing stands in the way. */
export function restoreFinding({
  swarm,
  objects,
  waiting,
}: RestoreOrder): { readonly reason: string; readonly message: string } | undefined {
  const run = runOf(swarm, objects);
  const end = run && waiting.length > 0 ? runEnd(run) : undefined;
  return end && resultOf(end.said).failure;
}

export async function keepRestore({ order, world, key, writer, writes }: RestoreContext): Promise<Kept> {
  const { swarm, spec, objects, genesis, waiting, now } = order;
  const run = runOf(swarm, objects);
  if (run) {
    const end = runEnd(run);
    const over = waiting.length === 0 || (end !== undefined && now >= end.at + retryMs);
    if (!over || run.metadata.deletionTimestamp !== undefined) return kept;
    const { name, namespace, uid } = run.metadata;
    const removed = await writer.remove(pods, { name, uid, ...(namespace === undefined ? {} : { namespace }) });
    if (removed.kind === "unavailable") return { kind: "failed", retryAfterMs: removed.retryAfterMs };
    writes.removed(key, pods, run);
    return kept;
  }
  const recovery = genesis && restoredOf(genesis);
  if (!spec.restoreFrom || !recovery || waiting.length === 0) return kept;
  const source = sourceOf(order, spec.restoreFrom);
  if (typeof source === "string") return { kind: "refused", message: source };
  const { chainId, height, stateRoot } = recovery.statement;
  const { manifest, manifestDigest, destination, claim } = source;
  const objectsOfRun = runObjects(
    {
      swarm,
      spec,
      name: runName("restore", swarm.metadata.name),
      owner: swarm,
      labels: { [restoreLabel]: "true" },
      destination,
      claim,
      command: "restore",
      settings: { chainId, restore: { height, stateRoot }, manifest, ...(manifestDigest && { manifestDigest }) },
      validators: waiting,
    },
    world,
  );
  for (const { kind, object } of objectsOfRun) {
    const written =
      kind === configMaps ? await writer.apply(kind, object, { force: true }) : await writer.create(kind, object);
    if (written.kind === "applied" || written.kind === "unchanged") writes.wrote(key, kind, written.object);
    else if (written.kind === "unavailable") return { kind: "failed", retryAfterMs: written.retryAfterMs };
    else if (written.kind !== "conflict") return { kind: "refused", message: written.message };
  }
  return kept;
}

function runOf(swarm: StoredObject, objects: Objects): StoredObject | undefined {
  return objects.partsOf(pods, keyOf(swarm)).find(({ metadata }) => metadata.labels?.[restoreLabel] === "true");
}

/** What the genesis document says of the chain it restores; undefined when it restores none. */
function restoredOf(document: Uint8Array): Recovery | undefined {
  const parsed = parseGenesis(JSON.parse(Buffer.from(document).toString("utf8")));
  return parsed.kind === "ok" ? parsed.genesis.restored : undefined;
}

interface RestoreSource {
  readonly manifest: string;
  readonly manifestDigest: string | undefined;
  readonly destination: Destination;
  /** Claim of its volume, if it is one. */
  readonly claim: string;
}

/** Where the checkpoint is; a sentence when nobody knows. */
function sourceOf(
  { swarm, spec, objects }: RestoreOrder,
  { checkpoint: name, s3 }: NonNullable<ValidatorSwarmSpec["restoreFrom"]>,
): RestoreSource | string {
  if (s3) {
    const { manifest, ...bucket } = s3;
    return { manifest, manifestDigest: undefined, destination: { s3: bucket }, claim: "" };
  }
  const { namespace } = swarm.metadata;
  const keyed = (of: string) => keyOf({ metadata: { name: of, ...(namespace === undefined ? {} : { namespace }) } });
  const object = objects.get(swarmCheckpoints, keyed(name ?? ""));
  const parsed = object && checkSwarmCheckpoint(object);
  if (parsed?.kind !== "ok") return `spec.restoreFrom.checkpoint: there is no SwarmCheckpoint ${name}.`;
  const status = checkpointStatus.safeParse(object?.["status"]).data;
  if (status?.manifest === undefined) return `spec.restoreFrom.checkpoint: ${name} was never written.`;
  const { swarm: of, destination: own } = parsed.checkpoint.spec;
  const destination =
    own ??
    (of === swarm.metadata.name ? spec : specOf(objects.get(validatorSwarms, keyed(of))))?.checkpoints?.destination;
  if (!destination) return `spec.restoreFrom.checkpoint: where ${name} was written, neither it nor a swarm ${of} says.`;
  return { manifest: status.manifest, manifestDigest: status.manifestDigest, destination, claim: checkpointVolume(of) };
}

function specOf(object: StoredObject | undefined): ValidatorSwarmSpec | undefined {
  if (!object) return undefined;
  const { status: _, ...document } = object;
  const parsed = checkValidatorSwarm(document);
  return parsed.kind === "ok" ? parsed.swarm.spec : undefined;
}
