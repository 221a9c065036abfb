import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { failure, refusal } from "./api-client.ts";
import { classify, createWriter, type Writer } from "./apply.ts";
import { readObject, type StoredObject } from "./objects.ts";
import { configMap, configMaps, createFixture, type Fixture, pathOfMap, put } from "./testing/fixture.ts";
import { statusReply } from "./testing/object-base.ts";

let world: Fixture;
let writer: Writer;
let mayAct = true;
beforeEach(async () => {
  world = await createFixture();
  mayAct = true;
  writer = createWriter({ api: world.api, fieldManager: "us", signal: world.stop.signal, mayAct: () => mayAct });
});
afterEach(() => world[Symbol.asyncDispose]());

async function applied(name: string, data: Readonly<Record<string, string>>): Promise<StoredObject> {
  const result = await writer.apply(configMaps, configMap(name, data));
  if (result.kind !== "applied") throw new Error(result.kind);
  return result.object;
}
const dataOf = (name: string) => world.server.objects.get(pathOfMap(name)).body["data"];

describe("apply", () => {
  test("creates, changes, takes back what it no longer names, and knows when nothing was written", async () => {
    const first = await writer.apply(configMaps, configMap("a", { x: "1", y: "1" }));
    expect(first).toMatchObject({ kind: "applied", created: true });
    put(world, "a", { theirs: "1" });
    const second = await applied("a", { x: "2" });
    expect(dataOf("a")).toEqual({ x: "2", theirs: "1" });
    const known = second.metadata.resourceVersion;
    const third = await writer.apply(configMaps, configMap("a", { x: "2" }), { known });
    expect(third.kind).toBe("unchanged");
  });

  test("names the field and the manager in its way, and takes it only by force", async () => {
    put(world, "a", { x: "theirs" });
    expect(await writer.apply(configMaps, configMap("a", { x: "ours" }))).toMatchObject({
      kind: "conflict",
      conflict: { kind: "fields", fields: [{ field: ".data.x", manager: "somebody" }] },
    });
    expect(dataOf("a")).toEqual({ x: "theirs" });
    expect((await writer.apply(configMaps, configMap("a", { x: "ours" }), { force: true })).kind).toBe("applied");
    expect(dataOf("a")).toEqual({ x: "ours" });
  });

  test("with a uid neither creates nor touches a namesake", async () => {
    const { metadata } = await applied("a", {});
    world.server.objects.remove(pathOfMap("a"), {});
    const object = { ...configMap("a", { x: "1" }), metadata };
    const precondition = { kind: "conflict", conflict: { kind: "precondition" } };
    expect(await writer.apply(configMaps, object)).toMatchObject(precondition);
    put(world, "a", {});
    expect(await writer.apply(configMaps, object)).toMatchObject(precondition);
    expect(dataOf("a")).toEqual({});
  });

  test("a status goes to the subresource and leaves the rest alone", async () => {
    await applied("a", { x: "1" });
    const object = { ...configMap("a", { x: "2" }), status: { seen: true } };
    expect((await writer.applyStatus(configMaps, object)).kind).toBe("applied");
    expect(world.server.objects.get(pathOfMap("a")).body).toMatchObject({ data: { x: "1" }, status: { seen: true } });
    expect(
      await writer.applyStatus(configMaps, { ...object, metadata: { name: "b", namespace: "swarm" } }),
    ).toMatchObject({ kind: "gone" });
  });
});

test("of two who create, one is told that the name is taken", async () => {
  const results = await Promise.all([1, 2].map(() => writer.create(configMaps, configMap("permit"))));
  expect(results.map(({ kind }) => kind).sort()).toEqual(["applied", "conflict"]);
  expect(results.find(({ kind }) => kind === "conflict")).toMatchObject({ conflict: { kind: "exists" } });
});

test("a finalizer keeps a deleted object until it is removed; others' finalizers stay", async () => {
  const plain = await applied("a", {});
  const held = await writer.setFinalizer(configMaps, plain, "ours", true);
  if (held.kind !== "applied") throw new Error(held.kind);
  expect(held.object.metadata.finalizers).toEqual(["ours"]);
  expect((await writer.setFinalizer(configMaps, held.object, "ours", true)).kind).toBe("unchanged");
  // A list that was read before somebody changed it is not written back.
  put(world, "a", { x: "1" });
  expect((await writer.setFinalizer(configMaps, held.object, "ours", false)).kind).toBe("conflict");

  const { uid } = plain.metadata;
  expect((await writer.remove(configMaps, { name: "a", namespace: "swarm", uid })).kind).toBe("applied");
  const going = readObject(configMaps, world.server.objects.get(pathOfMap("a")).body);
  if (!going) throw new Error("it is gone already");
  expect(going.metadata.deletionTimestamp).toBeDefined();
  expect((await writer.setFinalizer(configMaps, going, "ours", false)).kind).toBe("applied");
  expect(world.server.objects.get(pathOfMap("a")).status).toBe(404);
});

test("a deletion that names another uid or state deletes nothing", async () => {
  const { metadata } = await applied("a", {});
  const target = { name: "a", namespace: "swarm", uid: metadata.uid };
  const precondition = { kind: "conflict", conflict: { kind: "precondition" } };
  expect(await writer.remove(configMaps, { ...target, uid: "another" })).toMatchObject(precondition);
  expect(await writer.remove(configMaps, { ...target, resourceVersion: "1" })).toMatchObject(precondition);
  expect((await writer.remove(configMaps, target)).kind).toBe("applied");
  expect((await writer.remove(configMaps, target)).kind).toBe("gone");
});

test("without the right to act nothing is sent", async () => {
  const object = await applied("a", {});
  const before = world.server.requests.length;
  mayAct = false;
  const { name, namespace = "", uid } = object.metadata;
  const results = [
    await writer.apply(configMaps, configMap("a", { x: "1" })),
    await writer.create(configMaps, configMap("b")),
    await writer.setFinalizer(configMaps, object, "ours", true),
    await writer.remove(configMaps, { name, namespace, uid }),
  ];
  expect(results.map(({ kind }) => kind)).toEqual(Array(4).fill("unavailable"));
  expect(world.server.requests).toHaveLength(before);
});

test("an admission rule's refusal names its fields", async () => {
  const causes = [{ reason: "FieldValueInvalid", field: "data.x", message: "x must be small" }];
  world.server.admission(() => statusReply(422, "Invalid", "ConfigMap is invalid", { causes }));
  expect(await writer.apply(configMaps, configMap("a"))).toMatchObject({
    kind: "invalid",
    causes: [{ field: "data.x", message: "x must be small" }],
  });
});

test.each([
  [400, "invalid"],
  [401, "forbidden"],
  [403, "forbidden"],
  [404, "gone"],
  [409, "conflict"],
  [413, "invalid"],
  [422, "invalid"],
  [429, "unavailable"],
  [500, "unavailable"],
  [503, "unavailable"],
])("status %i is %s", (status, kind) => {
  expect(classify(refusal({}, status)).kind).toBe(kind);
});

test("a namespace on its way out has no place for anything; no answer says nothing", () => {
  const details = { causes: [{ reason: "NamespaceTerminating", field: "metadata.namespace", message: "" }] };
  expect(classify(refusal({ code: 403, details }, 403)).kind).toBe("gone");
  expect(classify(failure("timeout", "no answer")).kind).toBe("unavailable");
});
