/** Single objects: creation, preconditions, patches, generations, names, deletion. */
import { expect, test } from "vitest";
import { configMaps, deployments, leases, secrets, validatorSwarms } from "../kube/kinds.ts";
import { numberAt, textAt } from "../kube/objects.ts";
import { quickstart } from "./quickstart.ts";
import { bodyOf, failureOf, part, type Session, uidOf, versionOf } from "./world.ts";

export function objects(session: () => Session): void {
  test("a creation is stored with a uid and a version, and a second one finds the name taken", async () => {
    const { called, create, get, send } = session();
    const name = called("map");
    const made = await create(configMaps, name, { data: { a: "1" } });
    expect(uidOf(made)).toMatch(/^[0-9a-f-]{36}$/);
    expect(versionOf(made)).toMatch(/^\d+$/);
    expect(textAt(part(made, "metadata"), "creationTimestamp")).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(part(await get(configMaps, name), "data")).toEqual({ a: "1" });
    const again = failureOf(await send("POST", configMaps, undefined, { body: { metadata: { name } } }));
    expect(again).toMatchObject({ status: 409, reason: "AlreadyExists" });
    expect(failureOf(await send("GET", configMaps, called("absent")))).toMatchObject({
      status: 404,
      reason: "NotFound",
    });
  });

  test("a prefix gets the rest of its name from the server", async () => {
    const { send } = session();
    const made = bodyOf(await send("POST", configMaps, undefined, { body: { metadata: { generateName: "made-" } } }));
    expect(textAt(part(made, "metadata"), "name")).toMatch(/^made-.{5,}$/);
  });

  test("a replacement of an older version is refused; nothing of the identity can be replaced", async () => {
    const { called, create, send } = session();
    const name = called("map");
    const first = await create(configMaps, name, { data: { a: "1" } });
    const replaced = bodyOf(await send("PUT", configMaps, name, { body: { ...first, data: { a: "2" } } }));
    expect(uidOf(replaced)).toBe(uidOf(first));
    const stale = failureOf(await send("PUT", configMaps, name, { body: { ...first, data: { a: "3" } } }));
    expect(stale).toMatchObject({ status: 409, reason: "Conflict" });
    const same = bodyOf(await send("PUT", configMaps, name, { body: replaced }));
    expect(versionOf(same)).toBe(versionOf(replaced));
    const other = { ...replaced, metadata: { ...part(replaced, "metadata"), name: "another" } };
    expect(failureOf(await send("PUT", configMaps, name, { body: other })).status).toBe(400);
  });

  test("a swarm is replaced only by somebody who says which version was read", async () => {
    const { called, create, remove, send } = session();
    const name = called("vsw");
    const { metadata: _, ...spec } = quickstart;
    const made = await create(validatorSwarms, name, spec);
    const blind = failureOf(await send("PUT", validatorSwarms, name, { body: { ...made, metadata: { name } } }));
    expect(blind).toMatchObject({ status: 422, reason: "Invalid" });
    expect(blind.causes.map(({ field }) => field)).toContain("metadata.resourceVersion");
    bodyOf(await remove(validatorSwarms, name));
  });

  test("a merge patch sets, replaces lists and removes; its uid and version are preconditions", async () => {
    const { called, create, merge } = session();
    const name = called("map");
    const made = await create(configMaps, name, { metadata: { labels: { x: "1" } }, data: { a: "1", b: "1" } });
    const patched = bodyOf(
      await merge(configMaps, name, { data: { a: null, c: "2" }, metadata: { labels: { y: "2" } } }),
    );
    expect(patched["data"]).toEqual({ b: "1", c: "2" });
    expect(part(patched, "metadata", "labels")).toEqual({ x: "1", y: "2" });
    const stale = { metadata: { resourceVersion: versionOf(made) }, data: { d: "1" } };
    expect(failureOf(await merge(configMaps, name, stale))).toMatchObject({ status: 409, reason: "Conflict" });
    const foreign = { metadata: { uid: "00000000-0000-4000-8000-000000000000" }, data: { d: "1" } };
    const other = failureOf(await merge(configMaps, name, foreign));
    expect(other.status).toBe(422);
    // A server that looks twice says it twice.
    expect(new Set(other.causes.map(({ field }) => field))).toEqual(new Set(["metadata.uid"]));
    expect(versionOf(bodyOf(await merge(configMaps, name, { data: { c: "2" } })))).toBe(versionOf(patched));
  });

  test("what is only tried is answered and not stored", async () => {
    const { called, create, get, merge, send } = session();
    const name = called("map");
    const query = { dryRun: "All" };
    bodyOf(await send("POST", configMaps, undefined, { query, body: { metadata: { name }, data: {} } }));
    expect(await get(configMaps, name)).toBeUndefined();
    const made = await create(configMaps, name, { data: { a: "1" } });
    const tried = bodyOf(await merge(configMaps, name, { data: { a: "2" } }, { query }));
    expect(tried["data"]).toEqual({ a: "2" });
    expect(versionOf(await get(configMaps, name))).toBe(versionOf(made));
    bodyOf(await send("DELETE", configMaps, name, { query }));
    expect(await get(configMaps, name)).toBeDefined();
  });

  test("only another spec is another generation", async () => {
    const { called, create, merge } = session();
    const name = called("deployment");
    const labels = { app: name };
    const spec = {
      replicas: 0,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: "one", image: "none" }] } },
    };
    const made = await create(deployments, name, { spec });
    const generation = (object: unknown) => numberAt(part(object, "metadata"), "generation");
    expect(generation(made)).toBe(1);
    expect(generation(bodyOf(await merge(deployments, name, { metadata: { labels } })))).toBe(1);
    const status = { status: { observedGeneration: 1 } };
    expect(generation(bodyOf(await merge(deployments, name, status, { subresource: "status" })))).toBe(1);
    expect(generation(bodyOf(await merge(deployments, name, { spec: { paused: true } })))).toBe(2);
  });

  test("an immutable config map and secret keep their data", async () => {
    const { called, create, merge, remove } = session();
    for (const [kind, value] of [
      [configMaps, "plain"],
      [secrets, Buffer.from("secret").toString("base64")],
    ] as const) {
      const name = called("fixed");
      await create(kind, name, { immutable: true, data: { key: value } });
      const changed = failureOf(await merge(kind, name, { data: { key: Buffer.from("other").toString("base64") } }));
      expect(changed).toMatchObject({ status: 422, reason: "Invalid" });
      expect(changed.causes.map(({ field }) => field)).toContain("data");
      const loosened = failureOf(await merge(kind, name, { immutable: false }));
      expect(loosened.causes.map(({ field }) => field)).toContain("immutable");
      bodyOf(await merge(kind, name, { metadata: { labels: { still: "possible" } } }));
      bodyOf(await remove(kind, name));
    }
  });

  test("a secret's text is stored as data", async () => {
    const { called, create, get } = session();
    const name = called("secret");
    await create(secrets, name, { stringData: { key: "text" } });
    const stored = await get(secrets, name);
    expect(stored?.["data"]).toEqual({ key: Buffer.from("text").toString("base64") });
    expect(stored?.["stringData"]).toBeUndefined();
    expect(stored?.["type"]).toBe("Opaque");
  });

  test.each([
    ["a name in capitals", { name: "Capitals" }, "metadata.name"],
    ["a label that is a sentence", { labels: { x: "not a label" } }, "metadata.labels"],
    ["a finalizer without a name", { finalizers: ["no spaces allowed"] }, "metadata.finalizers"],
    [
      "an owner without a uid",
      { ownerReferences: [{ apiVersion: "v1", kind: "ConfigMap", name: "x", uid: "" }] },
      "metadata.ownerReferences",
    ],
  ])("%s is refused", async (_, metadata, field) => {
    const { called, send } = session();
    const body = { metadata: { name: called("wrong"), ...metadata } };
    const refused = failureOf(await send("POST", configMaps, undefined, { body }));
    expect(refused).toMatchObject({ status: 422, reason: "Invalid" });
    expect(refused.causes[0]?.field).toContain(field);
  });

  test("a lease is taken by whoever saw its newest version", async () => {
    const { called, create, send } = session();
    const name = called("lease");
    const made = await create(leases, name, { spec: { holderIdentity: "a", leaseDurationSeconds: 15 } });
    const take = (holderIdentity: string) =>
      send("PUT", leases, name, { body: { ...made, spec: { ...part(made, "spec"), holderIdentity } } });
    const answers = await Promise.all([take("b"), take("c")]);
    expect(answers.map(({ kind }) => kind).sort()).toEqual(["failed", "ok"]);
    expect(failureOf(answers.find(({ kind }) => kind === "failed")!).status).toBe(409);
  });
}
