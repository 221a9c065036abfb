/** Lists in pages and watches from them: every change once, in order, or the word that some are forgotten. */
import { expect, test } from "vitest";
import { configMaps, pods } from "../kube/kinds.ts";
import { arrayAt, type JsonRecord, textAt } from "../kube/objects.ts";
import { bodyOf, events, failureOf, part, type Session, versionOf, type WatchedEvent } from "./world.ts";

const nameOf = (object: unknown) => textAt(part(object, "metadata"), "name");
const listVersion = (list: JsonRecord) => textAt(list["metadata"], "resourceVersion");

export function watching(session: () => Session): void {
  test("selectors choose by labels, names and fields", async () => {
    const { called, create, remove, send } = session();
    const set = called("set");
    const made: string[] = [];
    for (const [at, color] of ["red", "green", "blue"].entries()) {
      const name = called(`map-${at}`);
      made.push(name);
      await create(configMaps, name, { metadata: { labels: { set, color, ...(at === 0 ? { first: "" } : {}) } } });
    }
    const chosen = async (query: Readonly<Record<string, string>>) =>
      arrayAt(bodyOf(await send("GET", configMaps, undefined, { query })), "items").map(nameOf);
    const labelled = (rest: string) => chosen({ labelSelector: `set=${set},${rest}` });
    expect(await labelled("color=red")).toEqual([made[0]]);
    expect(await labelled("color!=red")).toEqual(made.slice(1));
    expect(await labelled("color in (red,blue)")).toEqual([made[0], made[2]]);
    expect(await labelled("color notin (red, blue)")).toEqual([made[1]]);
    expect(await labelled("first")).toEqual([made[0]]);
    expect(await labelled("!first")).toEqual(made.slice(1));
    expect(await chosen({ fieldSelector: `metadata.name=${made[1]}` })).toEqual([made[1]]);
    expect(await chosen({ labelSelector: `set=${set}`, fieldSelector: `metadata.name!=${made[1]}` })).toHaveLength(2);
    for (const query of [{ labelSelector: "color===" }, { fieldSelector: "data.a=1" }])
      expect(failureOf(await send("GET", configMaps, undefined, { query })).status).toBe(400);

    const pod = called("pod");
    await create(pods, pod, { spec: { containers: [{ name: "one", image: "example.org/none" }] } });
    const query = { fieldSelector: `spec.nodeName=,metadata.name=${pod}` };
    expect(arrayAt(bodyOf(await send("GET", pods, undefined, { query })), "items")).toHaveLength(1);
    bodyOf(await remove(pods, pod, { gracePeriodSeconds: 0 }));
  });

  test("pages are of one moment, whatever happens between them", async () => {
    const { called, create, merge, remove, send } = session();
    const set = called("set");
    const labels = { set };
    const names = ["a", "b", "c", "d", "e"].map((letter) => `${set}-${letter}`);
    for (const name of names) await create(configMaps, name, { metadata: { labels }, data: { at: "first" } });
    const labelSelector = `set=${set}`;
    const page = async (token: string | undefined) =>
      bodyOf(await send("GET", configMaps, undefined, { query: { labelSelector, limit: 2, continue: token } }));
    const first = await page(undefined);
    bodyOf(await remove(configMaps, names[3]!));
    bodyOf(await merge(configMaps, names[2]!, { data: { at: "later" } }));
    await create(configMaps, `${set}-f`, { metadata: { labels } });
    const pages = [first];
    for (let token = textAt(first["metadata"], "continue"); token !== ""; ) {
      const next = await page(token);
      pages.push(next);
      token = textAt(next["metadata"], "continue");
    }
    const items = pages.flatMap((each) => arrayAt(each, "items"));
    expect(items.map(nameOf)).toEqual(names);
    expect(items.map((item) => part(item, "data")["at"])).toEqual(names.map(() => "first"));
    expect(new Set(pages.map(listVersion)).size).toBe(1);
    const now = bodyOf(await send("GET", configMaps, undefined, { query: { labelSelector } }));
    expect(arrayAt(now, "items").map(nameOf)).toEqual([...names.filter((_, at) => at !== 3), `${set}-f`]);
    expect(failureOf(await send("GET", configMaps, undefined, { query: { continue: "nonsense" } })).status).toBe(400);
  });

  test("a watch tells every change once and in order", async () => {
    const { called, create, merge, remove, send, world } = session();
    const stop = new AbortController();
    const list = bodyOf(await send("GET", configMaps, undefined, {}));
    const [first, second] = [called("map"), called("map")];
    const heard = take(events(world, configMaps, { resourceVersion: listVersion(list) }, stop.signal), 5);
    const made = await create(configMaps, first, { data: { a: "1" } });
    const changed = bodyOf(await merge(configMaps, first, { data: { a: "2" } }));
    bodyOf(await merge(configMaps, first, { data: { a: "2" } }));
    await create(configMaps, second, {});
    bodyOf(await remove(configMaps, first));
    bodyOf(await merge(configMaps, second, { data: { b: "1" } }));
    const found = await heard;
    stop.abort();
    expect(found.map(({ type, object }) => [type, nameOf(object)])).toEqual([
      ["ADDED", first],
      ["MODIFIED", first],
      ["ADDED", second],
      ["DELETED", first],
      ["MODIFIED", second],
    ]);
    const versions = found.map(({ object }) => Number(versionOf(object)));
    expect(versions).toEqual([...versions].sort((a, b) => a - b));
    expect(versionOf(found[0]?.object)).toBe(versionOf(made));
    expect(versionOf(found[1]?.object)).toBe(versionOf(changed));
    expect(found[0]?.object).toMatchObject({ apiVersion: "v1", kind: "ConfigMap", data: { a: "1" } });
    // The same once more, from the past.
    const replayed = await take(
      events(world, configMaps, { resourceVersion: versionOf(made) }, AbortSignal.timeout(20_000)),
      4,
    );
    expect(replayed.map(({ type, object }) => [type, versionOf(object)])).toEqual(
      found.slice(1).map(({ type, object }) => [type, versionOf(object)]),
    );
  });

  test("what begins or ceases to fit a selector appears and goes", async () => {
    const { called, create, merge, send, world } = session();
    const set = called("set");
    const query = { labelSelector: `set=${set}` };
    const list = bodyOf(await send("GET", configMaps, undefined, { query }));
    const stop = new AbortController();
    const heard = take(events(world, configMaps, { ...query, resourceVersion: listVersion(list) }, stop.signal), 3);
    const name = called("map");
    await create(configMaps, name, {});
    bodyOf(await merge(configMaps, name, { metadata: { labels: { set } } }));
    bodyOf(await merge(configMaps, name, { data: { a: "1" } }));
    bodyOf(await merge(configMaps, name, { metadata: { labels: { set: null } } }));
    expect((await heard).map(({ type }) => type)).toEqual(["ADDED", "MODIFIED", "DELETED"]);
    stop.abort();
  });

  test("a watch without a version begins with what is there", async () => {
    const { called, create, world } = session();
    const set = called("set");
    const name = called("map");
    await create(configMaps, name, { metadata: { labels: { set } } });
    const stop = new AbortController();
    const heard = take(events(world, configMaps, { labelSelector: `set=${set}` }, stop.signal), 2);
    await create(configMaps, `${name}-later`, { metadata: { labels: { set } } });
    expect((await heard).map(({ type, object }) => [type, nameOf(object)])).toEqual([
      ["ADDED", name],
      ["ADDED", `${name}-later`],
    ]);
    stop.abort();
  });

  test("a watch ends by itself when its time is over", async () => {
    const { send, world } = session();
    const list = bodyOf(await send("GET", configMaps, undefined, {}));
    const query = { resourceVersion: listVersion(list), timeoutSeconds: 1, labelSelector: "nobody=has-this" };
    const found = await take(events(world, configMaps, query, AbortSignal.timeout(20_000)), 1);
    expect(found).toEqual([]);
  });

  test("a forgotten version is answered with 410, in a watch and between pages", async ({ skip }) => {
    const { called, create, merge, send, world } = session();
    if (!world.compact) return skip("nobody here can make this server forget");
    const name = called("map");
    const made = await create(configMaps, name, {});
    await create(configMaps, `${name}-more`, {});
    const first = bodyOf(await send("GET", configMaps, undefined, { query: { limit: 1 } }));
    bodyOf(await merge(configMaps, name, { data: { a: "1" } }));
    await world.compact();
    const [event] = await take(
      events(world, configMaps, { resourceVersion: versionOf(made) }, AbortSignal.timeout(20_000)),
      1,
    );
    expect(event).toMatchObject({ type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired" } });
    const query = { limit: 1, continue: textAt(first["metadata"], "continue") };
    expect(failureOf(await send("GET", configMaps, undefined, { query }))).toMatchObject({
      status: 410,
      reason: "Expired",
    });
  });
}

/** The first so many events; fewer when the watch ends before. */
async function take(source: AsyncIterable<WatchedEvent>, count: number): Promise<readonly WatchedEvent[]> {
  const found: WatchedEvent[] = [];
  for await (const event of source) {
    if (event.type === "BOOKMARK") continue;
    found.push(event);
    if (found.length === count) break;
  }
  return found;
}
