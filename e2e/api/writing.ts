/** What the operator's writes rest on: field ownership, preconditions, garbage collection, Events. */
import { randomBytes } from "node:crypto";
import { createWriter } from "../../operator/kube/apply.ts";
import { systemClock } from "../../operator/kube/clock.ts";
import { createEventRecorder } from "../../operator/kube/events.ts";
import { configMaps, events, pods } from "../../operator/kube/kinds.ts";
import {
  arrayAt,
  isRecord,
  numberAt,
  pathOf,
  readObject,
  type StoredObject,
  textAt,
} from "../../operator/kube/objects.ts";
import { controllerReference } from "../../operator/kube/owner.ts";
import { bodyOf, must, namespace, reached, type Suite } from "./suite.ts";

const signal = new AbortController().signal;

export async function writing(suite: Suite): Promise<void> {
  await suite.scenario("server-side apply: conflicts by field and manager, preconditions", () => ownership(suite));
  await suite.scenario("the garbage collector takes what an owner leaves", () => garbage(suite));
  await suite.scenario("Events: once, then a series", () => reports(suite));
  await suite.scenario("a disruption budget refuses an eviction", () => budget(suite));
}

const map = (name: string, data: Readonly<Record<string, string>>, extra: object = {}) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace, ...extra },
  data,
});

async function ownership(suite: Suite): Promise<string> {
  const ours = createWriter({ api: suite.api, fieldManager: "ours", signal });
  const theirs = createWriter({ api: suite.api, fieldManager: 'the "other" one', signal });
  const first = await ours.apply(configMaps, map("shared", { a: "1", b: "1" }));
  if (first.kind !== "applied") throw new Error(JSON.stringify(first));
  must(first.created, "not created");
  const known = first.object.metadata.resourceVersion;
  const again = await ours.apply(configMaps, map("shared", { a: "1", b: "1" }), { known });
  must(again.kind === "unchanged", JSON.stringify(again));

  const taken = await theirs.apply(configMaps, map("shared", { a: "2" }));
  const expected = { kind: "fields", fields: [{ field: ".data.a", manager: "ours" }] };
  must(taken.kind === "conflict" && JSON.stringify(taken.conflict) === JSON.stringify(expected), JSON.stringify(taken));
  const forced = await theirs.apply(configMaps, map("shared", { a: "2" }), { force: true });
  must(forced.kind === "applied", JSON.stringify(forced));
  const back = await ours.apply(configMaps, map("shared", { a: "1", b: "1" }));
  must(back.kind === "conflict" && back.conflict.kind === "fields", JSON.stringify(back));
  // What is not given any more goes; what others own stays.
  const less = await ours.apply(configMaps, map("shared", {}));
  must(less.kind === "applied" && JSON.stringify(less.object["data"]) === '{"a":"2"}', JSON.stringify(less));

  const old = await ours.apply(configMaps, map("shared", { c: "1" }, { resourceVersion: known }));
  must(old.kind === "conflict" && old.conflict.kind === "precondition", JSON.stringify(old));
  const uid = "00000000-0000-4000-8000-000000000000";
  const other = await ours.apply(configMaps, map("absent", { c: "1" }, { uid }));
  must(other.kind === "conflict", JSON.stringify(other));
  const twice = await ours.create(configMaps, map("shared", {}));
  must(twice.kind === "conflict" && twice.conflict.kind === "exists", JSON.stringify(twice));
  const unknown = await ours.apply(configMaps, { ...map("shared", {}), colour: "red" });
  must(unknown.kind === "invalid", JSON.stringify(unknown));
  const wrong = await ours.remove(configMaps, { name: "shared", namespace, uid });
  must(wrong.kind === "conflict" && wrong.conflict.kind === "precondition", JSON.stringify(wrong));
  const right = await ours.remove(configMaps, { name: "shared", namespace, uid: first.object.metadata.uid });
  must(right.kind === "applied", JSON.stringify(right));
  const gone = await ours.remove(configMaps, { name: "shared", namespace, uid: first.object.metadata.uid });
  must(gone.kind === "gone", JSON.stringify(gone));
  return "field conflict names .data.a and its manager; uid, resourceVersion, exists and unknown fields as classified";
}

async function garbage(suite: Suite): Promise<string> {
  const owner = await created(suite, map("owner", {}));
  const reference = controllerReference(owner);
  for (let i = 0; i < 5; i++) await created(suite, map(`owned-${i}`, {}, { ownerReferences: [reference] }));
  const namesake = { ...reference, uid: "00000000-0000-4000-8000-000000000000" };
  await created(suite, map("orphan", {}, { ownerReferences: [namesake] }));
  const orphanMs = await reached("what names an owner that never was is gone", 60_000, () => absent(suite, "orphan"));
  bodyOf(await suite.send("DELETE", pathOf(configMaps, namespace, "owner")));
  const ms = await reached("everything owned is gone", 60_000, async () => {
    const left = await Promise.all([0, 1, 2, 3, 4].map((i) => absent(suite, `owned-${i}`)));
    return left.every(Boolean);
  });
  return `5 dependants gone after ${ms} ms, one of a wrong uid after ${orphanMs} ms`;
}

async function reports(suite: Suite): Promise<string> {
  const object = await created(suite, map("talked-about", {}));
  const recorder = createEventRecorder({
    api: suite.api,
    clock: systemClock,
    signal,
    controller: "validatorswarm.io/operator",
    instance: "operator-0",
    uniqueId: () => randomBytes(8).toString("hex"),
  });
  const said = { type: "Normal", reason: "SeatAdded", action: "AddSeat", note: "Seat eu-west-1 votes." } as const;
  for (let i = 0; i < 10; i++) recorder.report(object, said);
  await recorder.flush();
  must(recorder.dropped() === 0, `${recorder.dropped()} dropped`);
  const query = { fieldSelector: "reason=SeatAdded" };
  const list = arrayAt(bodyOf(await suite.send("GET", pathOf(events, namespace), undefined, query)), "items");
  const [only] = list;
  must(list.length === 1, `${list.length} Events of one thing said ten times`);
  const series = isRecord(only) ? only["series"] : undefined;
  must((numberAt(series, "count") ?? 0) >= 2, JSON.stringify(only));
  const shown = await suite.kubectl(["describe", "-n", namespace, "configmap/talked-about"]);
  must(/SeatAdded/.test(shown) && shown.includes(said.note), shown);
  return `one Event with a series of ${numberAt(series, "count")}, shown by kubectl describe`;
}

async function budget(suite: Suite): Promise<string> {
  const labels = { app: "budgeted" };
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "budgeted", namespace, labels },
    spec: { containers: [{ name: "validator", image: "localhost/validator" }], nodeName: "node-a" },
  };
  bodyOf(await suite.create(pods, pod));
  const ready = { type: "Ready", status: "True", lastTransitionTime: "2026-01-01T00:00:00Z" };
  const status = { phase: "Running", conditions: [ready] };
  bodyOf(await suite.send("PATCH", pathOf(pods, namespace, "budgeted", "status"), { status }));
  const pdb = {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: { name: "budgeted", namespace },
    spec: { minAvailable: 1, selector: { matchLabels: labels } },
  };
  const path = `/apis/policy/v1/namespaces/${namespace}/poddisruptionbudgets`;
  bodyOf(await suite.send("POST", path, pdb));
  await reached("the budget counts its pod", 60_000, async () => {
    const found = bodyOf(await suite.send("GET", `${path}/budgeted`));
    return numberAt(found["status"], "currentHealthy") === 1;
  });
  const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name: "budgeted", namespace } };
  const evict = () => suite.send("POST", `${pathOf(pods, namespace, "budgeted")}/eviction`, eviction);
  const refused = await evict();
  must(refused.kind === "failed" && refused.failure.status === 429, JSON.stringify(refused));
  bodyOf(await suite.send("PATCH", `${path}/budgeted`, { spec: { minAvailable: 0 } }));
  await reached("the eviction is admitted once the budget is open", 60_000, async () => (await evict()).kind === "ok");
  bodyOf(await suite.send("DELETE", `${path}/budgeted`));
  await suite.kubectl(["delete", "-n", namespace, "pod/budgeted", "--force", "--ignore-not-found"]);
  return "429 with minAvailable 1, admitted with 0";
}

async function created(suite: Suite, object: ReturnType<typeof map>): Promise<StoredObject> {
  const stored = readObject(configMaps, bodyOf(await suite.create(configMaps, object)));
  if (!stored) throw new Error(`${textAt(object.metadata, "name")} was not stored`);
  return stored;
}

async function absent(suite: Suite, name: string): Promise<boolean> {
  const answer = await suite.send("GET", pathOf(configMaps, namespace, name));
  return answer.kind === "failed" && answer.failure.status === 404;
}
