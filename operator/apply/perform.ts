/**
 * Performs what the planner asked for: each action becomes one or two writes with the preconditions it carries. Nothing
 * is decided here; what an API server, or a validator, refuses is handed back as it is.
 */
import type { ValidatorSwarmSpec } from "../api/validator-swarm.ts";
import { genesisDocument } from "../genesis-document.ts";
import type { RemoveOptions, RemoveResult, WriteResult, Writer } from "../kube/apply.ts";
import {
  configMaps,
  persistentVolumeClaims,
  podDisruptionBudgets,
  pods,
  services,
  validatorSwarms,
} from "../kube/kinds.ts";
import { type Kind, type KubeObject, keyOf, type StoredObject } from "../kube/objects.ts";
import type { Objects } from "../kube/watched.ts";
import { budgetObject } from "../objects/budget.ts";
import { configObject } from "../objects/config.ts";
import { genesisName, identityFinalizer, swarmFinalizer } from "../objects/names.ts";
import { podObject } from "../objects/pod.ts";
import { genesisObject, permitObject } from "../objects/records.ts";
import { serviceObject } from "../objects/service.ts";
import { keyRecord, volumeObject } from "../objects/volume.ts";
import type { World } from "../objects/world.ts";
import type { Validators } from "../observe/validators.ts";
import type { Action } from "../plan/actions.ts";
import { specOfRevision } from "../plan/revision.ts";
import type { IdentityLabels, Snapshot } from "../plan/snapshot.ts";
import type { InstitutionKeys, KeyResult, RecoveryRead } from "./keys.ts";
import type { OwnWrites } from "./own-writes.ts";

export interface PerformContext {
  readonly swarm: StoredObject;
  readonly spec: ValidatorSwarmSpec;
  readonly snapshot: Snapshot;
  /** The genesis document, once it is written. */
  readonly genesis: Uint8Array | undefined;
  readonly objects: Objects;
  readonly writer: Writer;
  readonly writes: OwnWrites;
  readonly validators: Validators;
  readonly world: World;
  readonly operatorKey: KeyResult;
  /** ed25519 public keys of the institutions whose keys the spec does not have, by BIC; a sentence when there are none. */
  readonly institutionKeys: () => Promise<InstitutionKeys>;
  /** The signed statement in this Secret. */
  readonly recovery: (secret: string) => Promise<RecoveryRead>;
  /** ms since the Unix epoch. */
  readonly now: () => number;
}

export type Performed =
  | { readonly kind: "done" }
  /** The world has changed since the plan was made: the next plan sees it. */
  | { readonly kind: "outdated"; readonly message: string }
  /** Refused, and it will be again until somebody changes something: a sentence for an Event. */
  | { readonly kind: "refused"; readonly message: string }
  /** Nobody knows whether it was done: later, from a fresh look. */
  | { readonly kind: "failed"; readonly message: string; readonly retryAfterMs: number };

const done: Performed = { kind: "done" };

export async function perform(action: Action, context: PerformContext): Promise<Performed> {
  const { swarm, spec, snapshot, objects, writer, writes, validators, world } = context;
  const { name, namespace } = swarm.metadata;
  const key = keyOf(swarm);
  const keyed = (object: string) => (namespace === undefined ? object : `${namespace}/${object}`);

  async function write(kind: Kind, result: Promise<WriteResult>): Promise<Performed> {
    const written = await result;
    if (written.kind !== "applied" && written.kind !== "unchanged") return failed(written);
    writes.wrote(key, kind, written.object);
    return done;
  }

  /** Deletes an object if the stores still show it as the action names it. */
  async function remove(kind: Kind, object: string, how: Removal): Promise<Performed> {
    const found = objects.get(kind, keyed(object));
    if (!found || (how.uid !== undefined && found.metadata.uid !== how.uid)) return done;
    const { uid } = found.metadata;
    const version = how.version === undefined ? {} : { resourceVersion: how.version };
    const target = { name: object, ...(namespace === undefined ? {} : { namespace }), uid, ...version };
    const removed = await writer.remove(kind, target, how.options);
    if (removed.kind === "gone") return done;
    if (removed.kind !== "applied") return failed(removed);
    writes.removed(key, kind, found);
    return done;
  }

  switch (action.kind) {
    case "add-finalizer":
    case "remove-finalizer":
      return write(
        validatorSwarms,
        writer.setFinalizer(validatorSwarms, swarm, swarmFinalizer, action.kind === "add-finalizer"),
      );
    case "create-service":
      return write(services, writer.apply(services, serviceObject(swarm, spec, action.service, action.role)));
    case "delete-service":
      return remove(services, action.service, {});

    case "create-volume":
      return write(
        persistentVolumeClaims,
        writer.create(persistentVolumeClaims, volumeObject(swarm, spec, labelsOf(action))),
      );
    case "delete-volume": {
      // Its configuration first: nothing would lead back to it.
      const configured = await remove(configMaps, action.identity, {});
      return configured.kind === "done"
        ? remove(persistentVolumeClaims, action.identity, { uid: action.uid })
        : configured;
    }
    case "record-keys":
      return write(
        persistentVolumeClaims,
        writer.apply(persistentVolumeClaims, annotated(swarm, action.identity, action.uid, keyRecord(action.keys))),
      );

    case "create-pod": {
      const volume = objects.get(persistentVolumeClaims, keyed(action.identity));
      if (volume?.metadata.uid !== action.volumeUid)
        return { kind: "outdated", message: `the volume of ${action.identity} is another one by now` };
      const identity = labelsOf(action);
      const others = snapshot.volumes;
      const own = specOfRevision(spec, action.revision);
      const config = configObject({ swarm, spec: own, identity, region: action.place.region, others }, world);
      const configured = await write(configMaps, writer.apply(configMaps, config));
      if (configured.kind !== "done") return configured;
      const { revision, place } = action;
      return write(pods, writer.create(pods, podObject({ swarm, spec: own, identity, revision, place }, world)));
    }
    case "delete-pod":
      return remove(pods, action.identity, { uid: action.uid, version: action.version });
    case "release-pod":
      return release(action.identity, action.uid);

    case "create-budget": {
      const identity = identityNamed(snapshot, action.identity);
      return identity
        ? write(
            podDisruptionBudgets,
            writer.apply(podDisruptionBudgets, budgetObject(swarm, identity, { open: false })),
          )
        : { kind: "outdated", message: `${action.identity} is gone` };
    }
    case "open-budget":
    case "close-budget": {
      const identity = identityNamed(snapshot, action.identity);
      const how = { open: action.kind === "open-budget", version: action.version };
      return identity
        ? write(podDisruptionBudgets, writer.apply(podDisruptionBudgets, budgetObject(swarm, identity, how)))
        : { kind: "outdated", message: `${action.identity} is gone` };
    }
    case "delete-budget":
      return remove(podDisruptionBudgets, action.identity, { version: action.version });

    case "write-genesis": {
      const { operatorKey } = context;
      if (operatorKey.kind === "missing") return { kind: "refused", message: operatorKey.reason };
      const institutions = await context.institutionKeys();
      if (institutions.kind === "missing") return { kind: "refused", message: institutions.reason };
      const { restoreFrom } = spec;
      const recovery = restoreFrom && (await context.recovery(restoreFrom.recoverySecret));
      if (recovery?.kind === "missing") return { kind: "refused", message: recovery.reason };
      const managed = new Set(action.set.members.flatMap((member) => (member.managed ? [member.id] : [])));
      const made = genesisDocument({
        name,
        spec,
        members: action.members,
        managed,
        operatorKey: operatorKey.key.publicKey,
        institutionKeys: institutions.keys,
        restored: recovery?.recovery,
        time: context.now(),
      });
      if (made.kind === "invalid") return { kind: "refused", message: made.reason };
      return write(configMaps, writer.create(configMaps, genesisObject(swarm, made.bytes, { set: action.set })));
    }
    case "delete-genesis":
      return remove(configMaps, genesisName(name), {});
    case "provide-genesis": {
      const { genesis } = context;
      if (!genesis) return { kind: "outdated", message: "there is no genesis any more" };
      return called(await validators.provideGenesis(key, action.identity, genesis));
    }

    case "take-permit": {
      const held = { ...action.claim, takenAt: context.now(), submittedAt: undefined };
      // An apply cannot ask that there be none yet: a free one is made first, by whoever comes first. Its data is left to applies.
      const { data: _, ...bare } = permitObject(swarm, "", undefined);
      const free = action.version === "" ? await writer.create(configMaps, bare) : undefined;
      if (free && free.kind !== "applied" && free.kind !== "unchanged") return failed(free);
      const version = free ? free.object.metadata.resourceVersion : action.version;
      return write(configMaps, writer.apply(configMaps, permitObject(swarm, version, held)));
    }
    case "clear-permit":
      return write(configMaps, writer.apply(configMaps, permitObject(swarm, action.version, undefined)));
    case "submit-governance": {
      const { permit } = snapshot;
      if (permit?.transaction?.id !== action.transaction.id)
        return { kind: "outdated", message: "the permit is held for something else" };
      // Written first: a permit without it stands for a transaction that nobody ever saw.
      const { version: _, ...claim } = permit;
      const held = { ...claim, submittedAt: context.now() };
      const noted = await write(configMaps, writer.apply(configMaps, permitObject(swarm, action.version, held)));
      if (noted.kind !== "done") return noted;
      return called(await validators.submit(key, action.transaction));
    }
  }

  /**
   * The object of a pod whose end is certain goes: our finalizer first, then, if it is still there at the next visit, the
   * object without grace, for nobody is left to confirm its end.
   */
  async function release(identity: string, uid: string): Promise<Performed> {
    const pod = objects.get(pods, keyed(identity));
    if (pod?.metadata.uid !== uid) return done;
    return pod.metadata.finalizers?.includes(identityFinalizer)
      ? write(pods, writer.setFinalizer(pods, pod, identityFinalizer, false))
      : remove(pods, identity, { uid, options: { gracePeriodSeconds: 0 } });
  }
}

interface Removal {
  readonly uid?: string;
  readonly version?: string | undefined;
  readonly options?: RemoveOptions;
}

const labelsOf = ({
  identity,
  seat,
  generation,
}: {
  identity: string;
  seat: string;
  generation: number;
}): IdentityLabels => ({
  name: identity,
  seat,
  generation,
});

/** An identity by name, from whatever object of it is there. */
const identityNamed = ({ pods, volumes }: Snapshot, name: string): IdentityLabels | undefined =>
  [...volumes, ...pods].find((each) => each.name === name);

/** Only these annotations, on exactly this claim. */
function annotated(
  swarm: StoredObject,
  name: string,
  uid: string,
  annotations: Readonly<Record<string, string>>,
): KubeObject {
  const { namespace } = swarm.metadata;
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name, ...(namespace === undefined ? {} : { namespace }), uid, annotations },
  };
}

function called(result: Awaited<ReturnType<Validators["submit"]>>): Performed {
  switch (result.kind) {
    case "done":
      return done;
    case "refused":
      return { kind: "refused", message: result.reason };
    case "failed":
      return { kind: "failed", message: result.reason, retryAfterMs: 0 };
  }
}

type Failure =
  | Exclude<WriteResult, { readonly kind: "applied" | "unchanged" }>
  | Exclude<RemoveResult, { readonly kind: "applied" }>;

function failed(failure: Failure): Performed {
  switch (failure.kind) {
    case "conflict":
      return failure.conflict.kind === "fields"
        ? { kind: "refused", message: failure.message }
        : { kind: "outdated", message: failure.message };
    case "gone":
      return { kind: "outdated", message: failure.message };
    case "invalid":
    case "forbidden":
      return { kind: "refused", message: failure.message };
    case "unavailable":
      return { kind: "failed", message: failure.message, retryAfterMs: failure.retryAfterMs };
  }
}
