/** `swarm replace`, `hibernate`, `wake`, `promote`, `pause`, `resume`, `rollback`: a word to one swarm, as a merge patch. */
import { fieldManager } from "../operator/apply-manifest.ts";
import { validatorSwarms } from "../operator/kube/kinds.ts";
import { arrayAt, isRecord, type JsonRecord, pathOf, type StoredObject, textAt } from "../operator/kube/objects.ts";
import { replaceAnnotation, replacedOf, rolloutAnnotation } from "../operator/objects/names.ts";
import { bold } from "../operator/terminal.ts";
import { getObject, listObjects, noSignal, requestMs } from "./ask.ts";
import { type ExitCode, exitCodes } from "./exit.ts";
import { type Failed, failed, failureOf } from "./failures.ts";
import { type Output, writeJson } from "./output.ts";
import type { OrderResult } from "./shapes.ts";
import type { World } from "./world.ts";

/** Words about a rollout under way. */
type RolloutOrder = "promote" | "pause" | "resume" | "rollback";

const said: Readonly<Record<RolloutOrder, string>> = {
  promote: "is promoted once its evidence is whole",
  pause: "is paused where it is",
  resume: "goes on",
  rollback: "is rolled back",
};

/** Stages in which a rollout hears a word. */
const underWay = new Set(["Starting", "Shadowing", "AwaitingPromotion", "Promoting", "Promoted", "RollingBack"]);

/** In force for the revision that is rolled out now, and for no later one. */
export async function orderRollout(world: World, name: string, order: RolloutOrder, output: Output): Promise<ExitCode> {
  return patch(world, await getSwarm(world, name), output, (swarm) => {
    const rollout = isRecord(swarm["status"]) ? swarm["status"]["rollout"] : undefined;
    const revision = textAt(rollout, "revision");
    if (revision === "" || !underWay.has(textAt(rollout, "stage")))
      return failed(exitCodes.refused, `Nothing is rolled out by a green fleet in swarm ${name}.`);
    return {
      kind: "order",
      value: { metadata: { annotations: { [rolloutAnnotation]: `${order} ${revision}` } } },
      result: { order, subject: revision },
      sentence: `revision ${revision} ${said[order]}`,
    };
  });
}

/** Ends every pod and keeps every volume, or starts them again. */
export async function orderSleep(
  world: World,
  name: string,
  order: "hibernate" | "wake",
  output: Output,
): Promise<ExitCode> {
  const hibernate = order === "hibernate";
  return patch(world, await getSwarm(world, name), output, () => ({
    kind: "order",
    value: { spec: { hibernate } },
    result: { order, subject: name },
    sentence: hibernate ? "goes to sleep: pods end, volumes stay" : "wakes up on its volumes",
  }));
}

/** Its identity gets a successor with new keys, learns, and hands the seat over on chain. */
export async function orderReplacement(world: World, seat: string, output: Output): Promise<ExitCode> {
  const listed = await listObjects(world, validatorSwarms);
  const swarm =
    listed.kind === "failed"
      ? listed
      : (listed.objects.find((each) => identityOf(each, seat) !== undefined) ??
        failed(exitCodes.notFound, `No swarm in namespace ${world.namespace} has a seat ${seat}.`));
  return patch(world, swarm, output, (found) => {
    const identity = identityOf(found, seat) ?? "";
    if (identity === "") return failed(exitCodes.refused, `Seat ${seat} has no identity to be replaced.`);
    const current = new Set(seatsOf(found).map((each) => textAt(each, "identity")));
    const wanted = new Set([...replacedOf(found).filter((each) => current.has(each)), identity]);
    return {
      kind: "order",
      value: { metadata: { annotations: { [replaceAnnotation]: [...wanted].join(",") } } },
      result: { order: "replace", subject: identity },
      sentence: `${identity} is replaced by a new identity`,
    };
  });
}

const seatsOf = ({ status }: StoredObject & { readonly status?: unknown }) => arrayAt(status, "seats");

/** Empty: the seat has none; undefined: there is no such seat. */
function identityOf(swarm: StoredObject, seat: string): string | undefined {
  const found = seatsOf(swarm).find((each) => textAt(each, "name") === seat);
  return found === undefined ? undefined : textAt(found, "identity");
}

async function getSwarm(world: World, name: string): Promise<StoredObject | Failed> {
  const got = await getObject(world, validatorSwarms, name, `swarm ${name}`);
  return got.kind === "failed" ? got : got.object;
}

interface Order {
  readonly kind: "order";
  readonly value: JsonRecord;
  readonly result: Pick<OrderResult, "order" | "subject">;
  readonly sentence: string;
}

/** Changes exactly the state that was looked at. */
async function patch(
  world: World,
  found: StoredObject | Failed,
  output: Output,
  decide: (swarm: StoredObject) => Order | Failed,
): Promise<ExitCode> {
  const report = ({ code, reason }: Failed) => {
    output.error(reason);
    return code;
  };
  if (isFailed(found)) return report(found);
  const { name, resourceVersion, deletionTimestamp } = found.metadata;
  if (deletionTimestamp !== undefined) return report(failed(exitCodes.refused, `Swarm ${name} is being deleted.`));
  const decided = decide(found);
  if (decided.kind === "failed") return report(decided);
  const { metadata } = decided.value;
  const answer = await world.api.request({
    method: "PATCH",
    path: pathOf(validatorSwarms, world.namespace, name),
    query: { fieldManager },
    body: {
      type: "application/merge-patch+json",
      value: { ...decided.value, metadata: { ...(isRecord(metadata) ? metadata : {}), resourceVersion } },
    },
    signal: noSignal,
    deadlineMs: requestMs,
  });
  if (answer.kind === "failed")
    return report(
      answer.failure.status === 409
        ? failed(exitCodes.refused, `Swarm ${name} was changed at the same moment. Try again.`)
        : failureOf(world, answer.failure, `swarm ${name}`),
    );
  const result = { name, namespace: world.namespace, ...decided.result } satisfies OrderResult;
  if (output.json) writeJson(output, result);
  else output.line(`validatorswarm/${bold(name)}: ${decided.sentence}`);
  return exitCodes.ok;
}

const isFailed = (found: StoredObject | Failed): found is Failed => found["kind"] === "failed" && "reason" in found;
