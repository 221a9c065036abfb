/** One visit to one swarm: observe, plan, write the status, perform. Level-triggered: every visit starts from what is. */

import { swarmConditions } from "./api/conditions.ts";
import type { Problem } from "./api/problems.ts";
import { type Condition, readStatus, type ValidatorSwarmStatus } from "./api/status.ts";
import type { ValidatorSwarmSpec } from "./api/validator-swarm.ts";
import { contains, sameJson } from "./apply/compare.ts";
import { type Kept, keepGateways } from "./apply/gateways.ts";
import type { KeyResult, Keys } from "./apply/keys.ts";
import { createOwnWrites } from "./apply/own-writes.ts";
import { type Performed, perform } from "./apply/perform.ts";
import { growVolumes } from "./apply/volumes.ts";
import type { Certificates } from "./certificates/swarm-certificates.ts";
import { keepCheckpoints, planSwarmCheckpoints, withCheckpoints } from "./checkpoints/keep.ts";
import { keepRestore, restoreFinding } from "./checkpoints/restore.ts";
import { chainIdOf } from "./genesis-document.ts";
import type { WriteResult } from "./kube/apply.ts";
import type { Clock } from "./kube/clock.ts";
import { configMaps, validatorSwarms } from "./kube/kinds.ts";
import type { KubeObject, ObjectKey, StoredObject } from "./kube/objects.ts";
import type { Run } from "./kube/runtime.ts";
import type { Outcome } from "./kube/work-queue.ts";
import { swarmLabels } from "./objects/names.ts";
import { explanationObject } from "./objects/records.ts";
import type { World } from "./objects/world.ts";
import { observe } from "./observe/observe.ts";
import type { SampleWatch, Validators } from "./observe/validators.ts";
import type { Action } from "./plan/actions.ts";
import { toStatus } from "./plan/api.ts";
import type { Watch } from "./plan/canary.ts";
import type { Desired } from "./plan/desired.ts";
import { explanationOf } from "./plan/explain.ts";
import { plan } from "./plan/plan.ts";
import type { Snapshot } from "./plan/snapshot.ts";
import { timeText } from "./plan/time.ts";

export interface ReconcileOptions {
  readonly world: World;
  readonly validators: Validators;
  readonly clock: Clock;
  readonly seesNodes: boolean;
  readonly keys: Keys;
  /** In a world that has certificates and leaves them to the operator. */
  readonly certificates?: Certificates | undefined;
  /** Hears what each visit did, for the log. */
  readonly onAction?: (swarm: ObjectKey, action: Action, result: Performed) => void;
  /** Hears why a visit ended without a plan, or before its actions: a word and a sentence. */
  readonly onProblem?: (swarm: ObjectKey, problem: { readonly reason: string; readonly message: string }) => void;
}

/** Its own writes are not shown yet: their events wake the swarm, this is for events that are lost. */
const unseenMs = 1_000;
/** Secrets are not watched. */
const keyMissingMs = 5_000;

export function createReconcile(options: ReconcileOptions): (run: Run) => Promise<Outcome> {
  const { world, validators, clock, seesNodes, certificates, onAction = () => {}, onProblem = () => {} } = options;
  const writes = createOwnWrites();
  /** Keys as they were read last, by swarm. */
  const known = new Map<ObjectKey, { readonly uid: string; readonly result: KeyResult }>();

  /** Read again when it is to sign: Secrets are not watched. */
  async function operatorKey(key: ObjectKey, swarm: StoredObject, spec: ValidatorSwarmSpec, signs: boolean) {
    const { uid } = swarm.metadata;
    const before = known.get(key);
    if (!signs && before?.uid === uid && before.result.kind === "ok") return before.result;
    const result = await options.keys.operator(swarm, spec);
    known.set(key, { uid, result });
    return result;
  }

  return async ({ key, objects, writer, events, signal }) => {
    const object = objects.get(validatorSwarms, key);
    if (!object) {
      validators.forget(key);
      writes.forget(key);
      known.delete(key);
      certificates?.forget(key);
      return { kind: "done" };
    }
    if (!writes.areSeen(key, objects)) return { kind: "again", afterMs: unseenMs };
    const now = clock.wall();
    const reports = validators.reports(key);
    const observed = observe({ object, objects, seesNodes, reports, samples: validators.samples(key) });
    if (observed.kind !== "ok") {
      const finding = observed.kind === "invalid" ? unacceptable(observed.problems) : recordsDamaged(observed.message);
      return report(finding);
    }
    const { desired, snapshot, swarm, genesis, claims } = observed;
    const planned = plan(desired, snapshot, now);
    const signs = planned.actions.some(({ kind }) => kind === "write-genesis" || kind === "submit-governance");
    const found = await operatorKey(key, object, swarm.spec, signs);
    // Nothing of a swarm's end is signed.
    if (found.kind === "missing" && !snapshot.swarm.deleting) {
      const reported = await report({ reason: "KeyMissing", message: found.reason });
      return reported.kind === "done" ? { kind: "again", afterMs: keyMissingMs } : reported;
    }
    // Before anything that shows it or is asked with it; also of a paused swarm, for it disturbs nobody.
    const certified = snapshot.swarm.deleting ? nothing : await certificates?.keep(object, swarm.spec, writer);
    if (certified?.kind === "failed") return failure(certified);
    if (certified?.kind === "refused") {
      const reported = await report({ reason: "CertificateMissing", message: certified.message });
      return reported.kind === "done" ? { kind: "again", afterMs: keyMissingMs } : reported;
    }
    const transaction = snapshot.permit?.submittedAt === undefined ? undefined : snapshot.permit.transaction;
    if (found.kind === "ok")
      validators.follow(key, {
        targets: observed.targets,
        genesis,
        key: found.key,
        transaction,
        watch: planned.watch && sampleWatch(planned.watch, swarm.spec, object.metadata.namespace),
      });

    const selector = selectorOf(object.metadata.name);
    const chainId = genesis ? observed.status?.chainId || chainIdOf(genesis) : "";
    const next = { ...toStatus(planned.status, snapshot, selector), chainId };
    const checkpointOrder = {
      swarm: object,
      spec: swarm.spec,
      objects,
      chainId,
      height: Math.max(0, ...reports.flatMap(({ height }) => (height.kind === "verified" ? [height.value] : []))),
      held: whyHeld(desired, snapshot, genesis !== undefined),
      before: observed.status,
    };
    const checkpoints = planSwarmCheckpoints(checkpointOrder, now);
    const waiting = snapshot.reports.flatMap(({ identity, role }) =>
      role === "waiting" ? snapshot.pods.filter(({ name }) => name === identity) : [],
    );
    const restoreOrder = { swarm: object, spec: swarm.spec, objects, genesis, waiting, now };
    const status = withCheckpoints(next, checkpoints, restoreFinding(restoreOrder));
    const written = await writeStatus(status, observed.status);
    if (written.kind === "failed") return failure(written);
    if (!snapshot.swarm.deleting) await publish(explanationObject(object, explanationOf(planned)));

    const context = {
      swarm: written.object,
      spec: swarm.spec,
      snapshot,
      genesis,
      objects,
      writer,
      writes,
      validators,
      world,
      operatorKey: found,
      institutionKeys: () => options.keys.institutions(object, keyless(swarm.spec)),
      recovery: (secret: string) => options.keys.recovery(object, secret),
      now: () => clock.wall(),
    };
    const kept = genesis && !snapshot.swarm.deleting && !desired.paused ? await keepRest(swarm.spec) : nothing;
    for (const action of planned.actions) {
      if (signal.aborted) return { kind: "retry" };
      const result = await perform(action, context);
      onAction(key, action, result);
      if (result.kind !== "done") {
        if (result.kind === "refused") tell("Warning", action, `${action.message} Refused: ${result.message}`);
        return failure(result);
      }
      tell("Normal", action, action.message);
    }
    if (kept.kind === "failed") return failure(kept);
    return {
      kind: "again",
      afterMs: Math.min(planned.requeueAfter, checkpoints.plan.requeueAfter ?? Number.POSITIVE_INFINITY),
    };

    /** What needs no plan. What stands in its way is an Event, and stops nothing else. */
    async function keepRest(spec: ValidatorSwarmSpec): Promise<Kept> {
      const voting = status.seats.flatMap(({ name, identity, generation, role }) =>
        role === "validator" && identity !== "" ? [{ name: identity, seat: name, generation }] : [],
      );
      const gatewayOrder = { swarm: object!, spec, validators: voting };
      const gateways = await keepGateways({ order: gatewayOrder, world, key, objects, writer, writes });
      const volumes = await growVolumes({ claims: claims, size: spec.storage.size, key, writer, writes });
      const report = (result: Kept, reason: string, action: string) => {
        if (result.kind !== "refused") return;
        onProblem(key, { reason, message: result.message });
        events.report(object!, { type: "Warning", reason, action, note: result.message });
      };
      const order = { order: checkpointOrder, planned: checkpoints, validators: voting };
      const taken = await keepCheckpoints({ ...order, world, key, writer, writes, events });
      const restored = await keepRestore({ order: restoreOrder, world, key, writer, writes });
      report(gateways, "GatewaysRefused", "KeepGateways");
      report(restored, "RestoreRefused", "KeepRestore");
      report(taken, "CheckpointsRefused", "KeepCheckpoints");
      report(volumes, "VolumesRefused", "GrowVolumes");
      return [gateways, taken, restored].find(({ kind }) => kind === "failed") ?? volumes;
    }

    /** For people only: when it fails, the next visit writes it. */
    async function publish(explanation: KubeObject): Promise<void> {
      const { name, namespace } = explanation.metadata;
      const known = objects.get(configMaps, namespace === undefined ? name : `${namespace}/${name}`);
      if (!known || !contains(known, explanation)) await writer.apply(configMaps, explanation, { force: true });
    }

    function tell(type: "Normal" | "Warning", action: Action, note: string): void {
      events.report(object!, { type, reason: action.reason, action: camelCase(action.kind), note });
    }

    /** Written whole, only when it differs, and before anything that follows from it. */
    async function writeStatus(
      next: ValidatorSwarmStatus,
      before: ValidatorSwarmStatus | undefined,
    ): Promise<StatusWrite> {
      if (before && sameJson(next, before)) return { kind: "done", object: object! };
      const { apiVersion, kind, metadata } = object!;
      const { name, namespace, uid, resourceVersion } = metadata;
      const target = { name, ...(namespace === undefined ? {} : { namespace }), uid, resourceVersion };
      const result = await writer.applyStatus(
        validatorSwarms,
        { apiVersion, kind, metadata: target, status: next },
        { force: true },
      );
      if (result.kind === "applied" || result.kind === "unchanged") {
        writes.wrote(key, validatorSwarms, result.object);
        return { kind: "done", object: result.object };
      }
      return notWritten("the status", result);
    }

    function notWritten(what: string, result: Refusal): StatusWrite {
      onProblem(key, { reason: "NotWritten", message: `${what}: ${result.kind}: ${result.message}` });
      return { kind: "failed", retryAfterMs: result.kind === "unavailable" ? result.retryAfterMs : 0 };
    }

    /** What cannot be worked on is said in the condition that people look at; everything else of the status stays. */
    async function report(finding: { readonly reason: string; readonly message: string }): Promise<Outcome> {
      onProblem(key, finding);
      const read = readStatus(object!["status"]);
      if (read.kind === "damaged") {
        events.report(object!, { type: "Warning", action: "Observe", reason: finding.reason, note: finding.message });
        return { kind: "retry", atLeastMs: 30_000 };
      }
      const before = read.status;
      const generation = object!.metadata.generation ?? 0;
      const old = before?.conditions.find(({ type }) => type === "Ready");
      const ready: Condition = {
        type: "Ready",
        status: "False",
        ...finding,
        observedGeneration: generation,
        lastTransitionTime: old?.status === "False" ? old.lastTransitionTime : timeText(now),
      };
      const others = before?.conditions ?? unknownConditions(ready);
      const conditions = [...others.filter(({ type }) => type !== "Ready"), ready];
      const empty = { replicas: 0, selector: "", chainId: "", epoch: 0, seats: [] };
      const result = await writeStatus({ ...empty, ...before, observedGeneration: generation, conditions }, before);
      return result.kind === "done" ? { kind: "done" } : failure(result);
    }
  };
}

type Refusal = Exclude<WriteResult, { readonly kind: "applied" | "unchanged" }>;

/** The object as it stands after the write. */
type StatusWrite =
  | { readonly kind: "done"; readonly object: StoredObject }
  | { readonly kind: "failed"; readonly retryAfterMs: number };

const nothing: Kept = { kind: "kept" };

const failure = (result: Performed | StatusWrite | Kept): Outcome =>
  result.kind === "failed" && result.retryAfterMs > 0
    ? { kind: "retry", atLeastMs: result.retryAfterMs }
    : { kind: "retry" };

/** At the first visit nothing is known of the others. */
const unknownConditions = (ready: Condition): readonly Condition[] =>
  conditionTypes.map((type) => ({ ...ready, type, status: "Unknown" }));
const conditionTypes = Object.keys(swarmConditions) as readonly (keyof typeof swarmConditions)[];

function unacceptable(problems: readonly Problem[]) {
  const words = problems.map(({ field, message }) => (field === "" ? message : `${field}: ${message}`)).join(" ");
  return { reason: "SpecInvalid", message: words.slice(0, 32_768) };
}

/** A Prometheus has one sample in a scrape: a shorter window would hold none. */
function sampleWatch({ every }: Watch, { monitoring }: ValidatorSwarmSpec, namespace = "default"): SampleWatch {
  const { prometheus, podMonitor } = monitoring;
  if (!prometheus) return { every, prometheus };
  return { every: Math.max(every, 2_000 * podMonitor.intervalSeconds), prometheus: { url: prometheus.url, namespace } };
}

/** BICs of the institutions whose keys the spec does not have. */
const keyless = ({ genesis }: ValidatorSwarmSpec) =>
  genesis.institutions.flatMap(({ bic, key }) => (key === undefined ? [bic] : []));

const recordsDamaged = (message: string) => ({ reason: "RecordsDamaged", message });

/** Why no run for a checkpoint may be started; "": one may. */
function whyHeld({ paused, hibernate }: Desired, { swarm }: Snapshot, started: boolean): string {
  if (swarm.deleting) return "the swarm is being deleted";
  if (!started) return "the chain has not started";
  if (paused) return "the swarm is paused";
  return hibernate ? "the swarm sleeps" : "";
}

function selectorOf(swarm: string): string {
  return Object.entries(swarmLabels(swarm, "validator"))
    .map(([label, value]) => `${label}=${value}`)
    .join(",");
}

const camelCase = (words: string) => words.replaceAll(/(^|-)([a-z])/g, (_, __, letter: string) => letter.toUpperCase());
