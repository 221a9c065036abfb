/** Gateways need no plan: their objects are made what the spec says. What stands in the way of that stops nothing else. */
import type { WriteResult, Writer } from "../kube/apply.ts";
import { deployments } from "../kube/kinds.ts";
import { isRecord, type Kind, type KubeObject, keyOf, type ObjectKey } from "../kube/objects.ts";
import type { Objects } from "../kube/watched.ts";
import { type GatewayOrder, gatewayObjects } from "../objects/gateway.ts";
import type { World } from "../objects/world.ts";
import { contains } from "./compare.ts";
import type { OwnWrites } from "./own-writes.ts";

export interface GatewayContext {
  readonly order: GatewayOrder;
  readonly world: World;
  /** The swarm's. */
  readonly key: ObjectKey;
  readonly objects: Objects;
  readonly writer: Writer;
  readonly writes: OwnWrites;
}

export type Kept =
  | { readonly kind: "kept" }
  /** A sentence for an Event: somebody has to change something. */
  | { readonly kind: "refused"; readonly message: string }
  /** Nobody knows whether it was written: again from a fresh look. */
  | { readonly kind: "failed"; readonly retryAfterMs: number };

export async function keepGateways({ order, world, key, objects, writer, writes }: GatewayContext): Promise<Kept> {
  for (const { kind, object } of gatewayObjects(order, world)) {
    const known = objects.get(kind, keyOf(object));
    if (known && contains(known, object)) continue;
    const result = await write(kind, object);
    if (result.kind === "unavailable") return { kind: "failed", retryAfterMs: result.retryAfterMs };
    if (result.kind !== "applied" && result.kind !== "unchanged") return { kind: "refused", message: result.message };
    writes.wrote(key, kind, result.object);
  }
  return { kind: "kept" };

  async function write(kind: Kind, object: KubeObject): Promise<WriteResult> {
    const result = await writer.apply(kind, object);
    return kind === deployments && isScaledByOthers(result) ? writer.apply(kind, withoutReplicas(object)) : result;
  }
}

/** An autoscaler, or a person with `kubectl scale`, has said how many there are to be: that stays until they let go. */
function isScaledByOthers(result: WriteResult): boolean {
  return (
    result.kind === "conflict" &&
    result.conflict.kind === "fields" &&
    result.conflict.fields.every(({ field }) => field === ".spec.replicas")
  );
}

function withoutReplicas({ spec, ...rest }: KubeObject): KubeObject {
  if (!isRecord(spec)) return rest;
  const { replicas: _, ...others } = spec;
  return { ...rest, spec: others };
}
