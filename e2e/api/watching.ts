/** List and watch against a server that forgets, is killed and comes back with empty caches. */
import type { ApiClient } from "../../operator/kube/api-client.ts";
import { systemClock } from "../../operator/kube/clock.ts";
import { configMaps } from "../../operator/kube/kinds.ts";
import {
  type ListWatch,
  type ListWatchTuning,
  type Observation,
  startListWatch,
} from "../../operator/kube/list-watch.ts";
import { arrayAt, isRecord, pathOf, textAt } from "../../operator/kube/objects.ts";
import type { Change } from "../../operator/kube/store.ts";
import { bodyOf, must, namespace, reached, type Suite } from "./suite.ts";

/** So that other config maps of the namespace (the cluster's certificate) stay out. */
const label = "validatorswarm.io/e2e";
const elsewhere = "e2e-elsewhere";
const restarts = 2;
const watchers = 3;
const convergedMs = 60_000;

export async function watching(suite: Suite): Promise<void> {
  await suite.kubectl(["create", "namespace", elsewhere]);
  await suite.scenario("a quiet watch moves on by bookmarks and is resumed without a list", () => bookmarks(suite));
  await suite.scenario("a position that etcd has compacted is answered by a new list", () => compacted(suite));
  await suite.scenario("a list whose pages the server forgot halfway comes in one piece", () => halfway(suite));
  await suite.scenario("kill -9 of the API server under load: no change lost, no storm", () => killed(suite));
}

interface Follower {
  readonly listWatch: ListWatch;
  readonly observations: readonly Observation[];
  readonly changes: readonly Change[];
  readonly count: (kind: Observation["kind"]) => number;
  readonly stop: () => Promise<void>;
}

function follow(api: ApiClient, group: string, tuning: Partial<ListWatchTuning> = {}): Follower {
  const stop = new AbortController();
  const observations: Observation[] = [];
  const changes: Change[] = [];
  const listWatch = startListWatch({
    api,
    selection: { kind: configMaps, namespace, labelSelector: `${label}=${group}` },
    clock: systemClock,
    random: Math.random,
    signal: stop.signal,
    onChange: (change) => void changes.push(change),
    onObservation: (observation) => void observations.push(observation),
    tuning,
  });
  return {
    listWatch,
    observations,
    changes,
    count: (kind) => observations.filter((each) => each.kind === kind).length,
    async stop() {
      stop.abort();
      await listWatch.done;
    },
  };
}

async function bookmarks(suite: Suite): Promise<string> {
  await put(suite, "bookmarks", "quiet", 1);
  const follower = follow(suite.client("bookmarks"), "bookmarks", { watchSeconds: 4 });
  await follower.listWatch.synced;
  const positions = () =>
    follower.observations.flatMap((each) => (each.kind === "watching" ? [each.resourceVersion] : []));
  // Of the same resource, where this watch does not look: only bookmarks can tell it.
  let written = 0;
  await reached("three watches from three positions", 60_000, async () => {
    bodyOf(await suite.create(configMaps, configMap(elsewhere, "bookmarks", `noise-${written++}`, 0)));
    return new Set(positions()).size >= 3;
  });
  const lists = follower.count("listed");
  must(lists === 1, `${lists} lists`);
  must(follower.count("failed") === 0 && follower.count("expired") === 0, JSON.stringify(follower.observations));
  const changes = follower.changes.length;
  must(changes === 1, `${changes} changes of one object that did not change`);
  await follower.stop();
  return `positions ${positions().join(", ")} with one list while ${written} objects changed elsewhere`;
}

async function compacted(suite: Suite): Promise<string> {
  await put(suite, "compacted", "first", 1);
  const from = await versionOf(suite, "compacted");
  for (let value = 2; value <= 20; value++) await put(suite, "compacted", "first", value);
  await suite.plane.killApiServer();
  await suite.plane.compact();
  await suite.plane.startApiServer();
  const answer = await suite.api.stream({
    method: "GET",
    path: pathOf(configMaps, namespace),
    query: { watch: true, resourceVersion: from, allowWatchBookmarks: true, timeoutSeconds: 5 },
    signal: new AbortController().signal,
    deadlineMs: 10_000,
    idleMs: 10_000,
  });
  // Either form is in use: a refusal, or an event in the stream.
  let said = answer.kind === "failed" ? answer.failure.status : 0;
  if (answer.kind === "stream")
    for await (const item of answer.items) {
      if (item.kind !== "line") break;
      const event: unknown = JSON.parse(item.text);
      if (isRecord(event) && event["type"] === "ERROR" && isRecord(event["object"]))
        said = Number(event["object"]["code"]);
      break;
    }
  must(said === 410, `the server said ${said}`);

  // The same inside the loop: it stands at a position, loses its server, and the position is gone.
  const follower = follow(suite.client("compacted"), "compacted");
  await follower.listWatch.synced;
  await suite.plane.killApiServer();
  await suite.plane.startApiServer();
  await put(suite, "compacted", "first", 21);
  const ms = await reached("the last value", convergedMs, () => valueIn(follower, "first") === 21);
  await follower.stop();
  return `410 to a raw watch; the loop has the last value ${ms} ms after its write, ${follower.count("expired")} expired, ${follower.count("listed")} lists`;
}

async function halfway(suite: Suite): Promise<string> {
  const total = 12;
  for (let i = 0; i < total; i++) await put(suite, "halfway", `page-${i}`, 0);
  const inner = suite.client("halfway");
  let pages = 0;
  let refusals = 0;
  const api: ApiClient = {
    ...inner,
    async request(request) {
      const second = request.query?.["continue"] !== undefined && pages++ === 0;
      if (second) {
        // A page later everything has changed, and nothing remembers how it was.
        for (let i = 0; i < total; i++) await put(suite, "halfway", `page-${i}`, 1);
        await suite.plane.killApiServer();
        await suite.plane.compact();
        await suite.plane.startApiServer();
      }
      const answer = await inner.request(request);
      if (answer.kind === "failed" && answer.failure.status === 410) refusals++;
      return answer;
    },
  };
  const follower = follow(api, "halfway", { pageSize: 5, deadlineMs: 120_000 });
  await follower.listWatch.synced;
  const wrong = follower.listWatch.store.list().filter(({ metadata }) => valueIn(follower, metadata.name) !== 1);
  must(follower.listWatch.store.size() === total && wrong.length === 0, `${wrong.length} of ${total} are old`);
  must(refusals > 0, "the server remembered the pages after all");
  await follower.stop();
  return `${total} objects in pages of 5: page 2 refused with 410, then all in one piece`;
}

async function killed(suite: Suite): Promise<string> {
  const followers = Array.from({ length: watchers }, (_, i) => follow(suite.client(`killed-${i}`), "killed"));
  await Promise.all(followers.map(({ listWatch }) => listWatch.synced));
  let writing = true;
  let writes = 0;
  const writer = (async () => {
    for (let i = 0; writing; i++) writes += await change(suite, i);
  })();
  const down: string[] = [];
  for (let i = 0; i < restarts; i++) {
    const before = writes;
    await reached("100 writes", convergedMs, () => writes >= before + 100);
    const started = performance.now();
    await suite.plane.killApiServer();
    await suite.plane.startApiServer();
    down.push(`${((performance.now() - started) / 1_000).toFixed(1)} s`);
  }
  const before = writes;
  await reached("100 writes after the last restart", convergedMs, () => writes >= before + 100);
  writing = false;
  await writer;

  const truth = await listed(suite, "killed");
  const equal = ({ listWatch }: Follower) =>
    JSON.stringify(listWatch.store.list().map(stamp).sort()) === JSON.stringify(truth);
  const ms = await reached("every store equal to the server", convergedMs, () => followers.every(equal));
  for (const follower of followers) {
    inOrder(follower.changes);
    const [failures, lists] = [follower.count("failed"), follower.count("listed")];
    // Waits double from a fraction of a second: an outage of ten seconds is worth a handful of attempts.
    must(failures <= restarts * 15, `${failures} failures in ${restarts} restarts`);
    must(lists <= 1 + restarts * 2, `${lists} lists in ${restarts} restarts`);
    await follower.stop();
  }
  const attempts = followers.map((each) => each.count("failed")).join(", ");
  return `${writes} writes, down ${down.join(" and ")}; ${watchers} stores equal to the server ${ms} ms after the last write; failed attempts ${attempts}`;
}

/** Creates, changes and deletes in turn. Returns the writes the server confirmed. */
async function change(suite: Suite, i: number): Promise<number> {
  const name = `load-${i % 20}`;
  const path = pathOf(configMaps, namespace, name);
  const round = Math.floor(i / 20) % 3;
  const answer =
    round === 0
      ? await suite.create(configMaps, configMap(namespace, "killed", name, i))
      : round === 1
        ? await suite.send("PATCH", path, { data: { value: String(i) } })
        : await suite.send("DELETE", path);
  // Nobody answers while it is down: no reason to burn a core.
  if (answer.kind === "failed") await new Promise((resolve) => setTimeout(resolve, 20));
  return answer.kind === "ok" ? 1 : 0;
}

/** Versions of one object only ever grow: nothing old was handed on after something new. */
function inOrder(changes: readonly Change[]): void {
  const last = new Map<string, bigint>();
  for (const { kind, key, object } of changes) {
    if (kind === "deleted") continue;
    const version = BigInt(object.metadata.resourceVersion);
    must(version > (last.get(key) ?? 0n), `${key} went back to ${version} from ${last.get(key)}`);
    last.set(key, version);
  }
}

const stamp = ({ metadata }: { readonly metadata: { readonly name: string; readonly resourceVersion: string } }) =>
  `${metadata.name}@${metadata.resourceVersion}`;

async function listed(suite: Suite, group: string): Promise<readonly string[]> {
  const query = { labelSelector: `${label}=${group}` };
  const list = bodyOf(await suite.send("GET", pathOf(configMaps, namespace), undefined, query));
  return arrayAt(list, "items")
    .map((item) => (isRecord(item) ? item["metadata"] : undefined))
    .map((metadata) => `${textAt(metadata, "name")}@${textAt(metadata, "resourceVersion")}`)
    .sort();
}

async function versionOf(suite: Suite, group: string): Promise<string> {
  const query = { labelSelector: `${label}=${group}` };
  const list = bodyOf(await suite.send("GET", pathOf(configMaps, namespace), undefined, query));
  return textAt(list["metadata"], "resourceVersion");
}

/** Creates or changes. */
async function put(suite: Suite, group: string, name: string, value: number): Promise<void> {
  const patched = await suite.send("PATCH", pathOf(configMaps, namespace, name), { data: { value: String(value) } });
  if (patched.kind === "failed") bodyOf(await suite.create(configMaps, configMap(namespace, group, name, value)));
}

function valueIn(follower: Follower, name: string): number {
  return Number(textAt(follower.listWatch.store.get(`${namespace}/${name}`)?.["data"], "value"));
}

const configMap = (where: string, group: string, name: string, value: number) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: where, labels: { [label]: group } },
  data: { value: String(value) },
});
