/** The snapshot of one swarm: its objects in the stores and what its validators reported, put together without judgement. */

import type { Problem } from "../api/problems.ts";
import { readStatus, type ValidatorSwarmStatus } from "../api/status.ts";
import { checkValidatorSwarm, type ParseResult, type ValidatorSwarm } from "../api/validator-swarm.ts";
import { configMaps, nodes, persistentVolumeClaims, podDisruptionBudgets, pods, services } from "../kube/kinds.ts";
import { type Kind, keyOf, type StoredObject } from "../kube/objects.ts";
import type { Objects } from "../kube/watched.ts";
import { readBudget } from "../objects/budget.ts";
import { genesisName, identityOf, peersService, permitName, replacedOf, swarmFinalizer } from "../objects/names.ts";
import { isOutOfService, readNode } from "../objects/node.ts";
import { portAddress, readPod } from "../objects/pod.ts";
import { readGenesis, readPermit } from "../objects/records.ts";
import { readVolume } from "../objects/volume.ts";
import { desiredOf, memoryOf } from "../plan/api.ts";
import type { Desired } from "../plan/desired.ts";
import type { Report, Samples, Snapshot } from "../plan/snapshot.ts";
import type { ValidatorTarget } from "./validators.ts";

/** Everything one visit works with. */
export interface Observed {
  readonly swarm: ValidatorSwarm;
  readonly desired: Desired;
  readonly snapshot: Snapshot;
  /** As it stands in the API; undefined before the first visit. */
  readonly status: ValidatorSwarmStatus | undefined;
  /** The genesis document; undefined before it is written. */
  readonly genesis: Uint8Array | undefined;
  readonly targets: readonly ValidatorTarget[];
  /** The claims behind `snapshot.volumes`. */
  readonly claims: readonly StoredObject[];
}

export type Observation =
  | ({ readonly kind: "ok" } & Observed)
  /** The spec says something that no schema could refuse. */
  | { readonly kind: "invalid"; readonly problems: readonly Problem[] }
  /** A record of the operator's own cannot be read: nothing may be done before a person looked. */
  | { readonly kind: "damaged"; readonly message: string };

export interface ObserveOptions {
  readonly object: StoredObject;
  readonly objects: Objects;
  /** Nodes may be listed: false for an operator of some namespaces. */
  readonly seesNodes: boolean;
  readonly reports: readonly Report[];
  readonly samples: Samples;
}

export function observe({ object, objects, seesNodes, reports, samples }: ObserveOptions): Observation {
  const { status: written, ...document } = object;
  const deleting = object.metadata.deletionTimestamp !== undefined;
  const checked = checkValidatorSwarm(document);
  const parsed = deleting ? whateverItAsks(checked) : checked;
  if (parsed.kind === "invalid") return parsed;
  const { swarm } = parsed;
  const read = readStatus(written);
  if (read.kind === "damaged")
    return {
      kind: "damaged",
      message: `${read.field} is not what the operator wrote: restore the status, or remove it whole.`,
    };
  const { status } = read;
  const { name, namespace } = object.metadata;

  const own = (kind: Kind) => objects.partsOf(kind, keyOf(object));
  const named = (kind: Kind, wanted: string) =>
    objects.get(kind, namespace === undefined ? wanted : `${namespace}/${wanted}`);
  const genesis = readGenesis(named(configMaps, genesisName(name)));
  if (genesis.kind === "damaged") return genesis;
  const permitMap = named(configMaps, permitName(name));
  const permit = readPermit(permitMap);
  if (permit.kind === "damaged") return permit;

  const nodeObjects = seesNodes ? objects.list(nodes) : [];
  const outOfService = new Set(nodeObjects.filter(isOutOfService).map(({ metadata }) => metadata.name));
  const podObjects = own(pods);
  const claims = own(persistentVolumeClaims);
  const desired = desiredOf(name, swarm.spec, replacedOf(object));
  const snapshot: Snapshot = {
    swarm: {
      generation: object.metadata.generation ?? 0,
      deleting,
      finalizer: object.metadata.finalizers?.includes(swarmFinalizer) ?? false,
    },
    memory: memoryOf(status),
    conditions: status?.conditions ?? [],
    pods: podObjects.flatMap((each) => readPod(each, outOfService) ?? []),
    volumes: claims.flatMap((each) => readVolume(each) ?? []),
    services: own(services).map(({ metadata }) => metadata.name),
    budgets: own(podDisruptionBudgets).map(readBudget),
    nodes: seesNodes ? nodeObjects.map((each) => readNode(each, swarm.spec)) : undefined,
    genesis: genesis.kind === "found" ? genesis.value.record : undefined,
    permit: permit.kind === "found" ? permit.value : undefined,
    permitVersion: permitMap?.metadata.resourceVersion ?? "",
    reports,
    analysis: samples,
  };
  return {
    kind: "ok",
    claims,
    swarm,
    desired,
    snapshot,
    status,
    genesis: genesis.kind === "found" ? genesis.value.document : undefined,
    targets: podObjects.flatMap((pod): ValidatorTarget[] => {
      const address = portAddress(pod, "rpc");
      if (address === undefined) return [];
      const identity = pod.metadata.name;
      const servername = `${identity}.${peersService(name)}.${namespace ?? "default"}.svc`;
      const seat = identityOf(pod)?.seat ?? "";
      return [{ identity, seat, podUid: pod.metadata.uid, address, servername, metrics: portAddress(pod, "metrics") }];
    }),
  };
}

/** What rules refuse does not matter any more when it is to go. */
const whateverItAsks = (parsed: ParseResult): ParseResult =>
  parsed.swarm ? { kind: "ok", swarm: parsed.swarm } : parsed;
