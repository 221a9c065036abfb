/** One visit to a swarm's checkpoints: observe, plan, write the statuses, act. What stands in their way stops nothing else. */
import { apiVersion } from "../api/object.ts";
import type { ValidatorSwarmStatus } from "../api/status.ts";
import type { ValidatorSwarmSpec } from "../api/validator-swarm.ts";
import { contains, sameJson } from "../apply/compare.ts";
import type { Kept } from "../apply/gateways.ts";
import type { OwnWrites } from "../apply/own-writes.ts";
import type { WriteResult, Writer } from "../kube/apply.ts";
import type { EventRecorder } from "../kube/events.ts";
import { pods, swarmCheckpoints } from "../kube/kinds.ts";
import { type Kind, type KubeObject, keyOf, type ObjectKey, type StoredObject } from "../kube/objects.ts";
import type { Objects } from "../kube/watched.ts";
import { runName, runObjects } from "../objects/checkpoint.ts";
import { checkpointLabel, checkpointVolume, scheduledLabel, swarmLabels } from "../objects/names.ts";
import type { World } from "../objects/world.ts";
import { type CheckpointAction, type CheckpointPlan, planCheckpoints } from "../plan/checkpoints.ts";
import type { IdentityLabels } from "../plan/snapshot.ts";
import { type ObservedCheckpoints, observeCheckpoints, policyOf } from "./observe.ts";

export interface CheckpointsOrder {
  readonly swarm: StoredObject;
  readonly spec: ValidatorSwarmSpec;
  readonly objects: Objects;
  /** "" before genesis. */
  readonly chainId: string;
  /** Newest proven height. */
  readonly height: number;
  /** Why no run may be started now; "": one may. */
  readonly held: string;
  /** As they stand. */
  readonly before: ValidatorSwarmStatus | undefined;
}

export interface PlannedCheckpoints {
  readonly observed: ObservedCheckpoints;
  readonly plan: CheckpointPlan;
  /** Newest complete one; the last known when none is left. */
  readonly last: ValidatorSwarmStatus["lastCheckpoint"];
}

export function planSwarmCheckpoints(order: CheckpointsOrder, now: number): PlannedCheckpoints {
  const { swarm, spec, objects, before } = order;
  const observed = observeCheckpoints(swarm, spec, objects);
  const { name, generation = 0, creationTimestamp = "" } = swarm.metadata;
  const plan = planCheckpoints(
    {
      swarm: name,
      createdAt: Date.parse(creationTimestamp) || 0,
      generation,
      chainId: order.chainId,
      height: order.height,
      held: order.held,
      policy: policyOf(spec),
      checkpoints: observed.checkpoints.map(({ seen }) => seen),
      runs: observed.runs,
      conditions: before?.conditions ?? [],
    },
    now,
  );
  return { observed, plan, last: lastOf(plan) ?? before?.lastCheckpoint };
}

function lastOf({ last }: CheckpointPlan): ValidatorSwarmStatus["lastCheckpoint"] {
  if (!last) return undefined;
  const { height, epoch, stateRoot, completedAt } = last.status;
  if (height === undefined || epoch === undefined || stateRoot === undefined || completedAt === undefined)
    return undefined;
  return { name: last.name, height, epoch, stateRoot, completedAt, verified: last.verified };
}

export interface CheckpointsContext {
  readonly order: CheckpointsOrder;
  readonly planned: PlannedCheckpoints;
  readonly world: World;
  /** The swarm's. */
  readonly key: ObjectKey;
  readonly validators: readonly IdentityLabels[];
  readonly writer: Writer;
  readonly writes: OwnWrites;
  readonly events: EventRecorder;
}

/** How long validators are asked for a checkpoint, ms: what stands in the way is to be seen in the status. */
const readMs = 900_000;
const kept: Kept = { kind: "kept" };

export async function keepCheckpoints(context: CheckpointsContext): Promise<Kept> {
  const { order, planned, key, writer, writes, events } = context;
  const { checkpoints } = planned.observed;
  const objectOf = (name: string) => checkpoints.find(({ seen }) => seen.name === name);

  for (const [name, status] of planned.plan.statuses) {
    const found = objectOf(name);
    if (!found || sameJson(found.seen.status, status)) continue;
    const { apiVersion: version, kind, metadata } = found.object;
    const { namespace, uid, resourceVersion } = metadata;
    const target = { name, ...(namespace === undefined ? {} : { namespace }), uid, resourceVersion };
    const object = { apiVersion: version, kind, metadata: target, status };
    const result = taken(swarmCheckpoints, await writer.applyStatus(swarmCheckpoints, object, { force: true }));
    // What follows from it waits for it.
    if (result.kind !== "kept") return result;
  }
  for (const action of planned.plan.actions) {
    const result = await act(action);
    if (result.kind !== "kept") return result;
    const about = "checkpoint" in action ? objectOf(action.checkpoint)?.object : undefined;
    events.report(about ?? order.swarm, {
      type: "Normal",
      reason: `Checkpoint${action.kind[0]?.toUpperCase()}${action.kind.slice(1)}`,
      action: "KeepCheckpoints",
      note: action.message,
    });
  }
  return kept;

  async function act(action: CheckpointAction): Promise<Kept> {
    switch (action.kind) {
      case "create":
        return create(swarmCheckpoints, scheduledCheckpoint(order.swarm, action));
      case "start":
        return start(action);
      case "end":
        return remove(pods, action.pod, action.podUid);
      case "delete":
        return remove(swarmCheckpoints, action.checkpoint, action.uid);
    }
  }

  async function start({ checkpoint: name, command }: Extract<CheckpointAction, { kind: "start" }>): Promise<Kept> {
    const found = objectOf(name);
    if (!found?.destination) return kept;
    const { object: owner, spec: asked, destination, seen } = found;
    const { manifest, manifestDigest } = seen.status ?? {};
    const run = {
      swarm: order.swarm,
      spec: order.spec,
      name: runName("checkpoint", name),
      owner,
      labels: { [checkpointLabel]: owner.metadata.uid },
      destination,
      claim: checkpointVolume(order.swarm.metadata.name),
      command,
      settings: {
        chainId: order.chainId,
        height: asked.height ?? 0,
        notBelow: asked.height === undefined ? (planned.plan.last?.status.height ?? 0) : 0,
        verify: asked.verifyByRestore,
        timeout: readMs,
        // At a place of its own nothing but itself is to be kept.
        retention: asked.destination === undefined ? (order.spec.checkpoints?.retention ?? 0) : 0,
        ...(command === "verify" ? { manifest, manifestDigest, notBelow: 0 } : {}),
      },
      validators: context.validators,
    };
    for (const { kind, object } of runObjects(run, context.world)) {
      const known = order.objects.get(kind, keyOf(object));
      if (known && contains(known, object)) continue;
      const result =
        kind === pods ? await create(kind, object) : taken(kind, await writer.apply(kind, object, { force: true }));
      if (result.kind !== "kept") return result;
    }
    return kept;
  }

  async function create(kind: Kind, object: KubeObject): Promise<Kept> {
    const result = await writer.create(kind, object);
    if (result.kind === "conflict" && result.conflict.kind === "exists") return kept;
    return taken(kind, result);
  }

  async function remove(kind: Kind, name: string, uid: string): Promise<Kept> {
    const { namespace } = order.swarm.metadata;
    const found = order.objects.get(
      kind,
      keyOf({ metadata: { name, ...(namespace === undefined ? {} : { namespace }) } }),
    );
    const target = { name, uid, ...(namespace === undefined ? {} : { namespace }) };
    const result = await writer.remove(kind, target, { propagation: "Background" });
    if (result.kind === "applied" || result.kind === "gone") {
      if (found) writes.removed(key, kind, found);
      return kept;
    }
    return result.kind === "unavailable" ? { kind: "failed", retryAfterMs: result.retryAfterMs } : again;
  }

  function taken(kind: Kind, result: WriteResult): Kept {
    if (result.kind === "applied" || result.kind === "unchanged") {
      writes.wrote(key, kind, result.object);
      return kept;
    }
    if (result.kind === "unavailable") return { kind: "failed", retryAfterMs: result.retryAfterMs };
    // It changed, or went, between the look and the write: from a fresh look.
    if (result.kind === "conflict" || result.kind === "gone") return again;
    return { kind: "refused", message: `${kind.kind}: ${result.message}` };
  }
}

const again: Kept = { kind: "failed", retryAfterMs: 0 };

/** As `spec.checkpoints` asks for it; whoever wants one at a moment of their own creates the like. */
function scheduledCheckpoint(
  swarm: StoredObject,
  { name, verify }: Extract<CheckpointAction, { kind: "create" }>,
): KubeObject {
  const { namespace } = swarm.metadata;
  return {
    apiVersion,
    kind: "SwarmCheckpoint",
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      labels: { ...swarmLabels(swarm.metadata.name, "checkpoint"), [scheduledLabel]: "true" },
    },
    spec: { swarm: swarm.metadata.name, verifyByRestore: verify },
  };
}

/** The swarm's status with what of it is theirs. */
export function withCheckpoints(
  status: ValidatorSwarmStatus,
  { plan: { fresh }, last }: Pick<PlannedCheckpoints, "plan" | "last">,
  notRestored: { readonly reason: string; readonly message: string } | undefined,
): ValidatorSwarmStatus {
  const conditions = status.conditions.map((each) => {
    if (each.type === "Ready" && each.status === "False" && notRestored) return { ...each, ...notRestored };
    return each.type === fresh.type ? fresh : each;
  });
  return { ...status, conditions, ...(last && { lastCheckpoint: last }) };
}
