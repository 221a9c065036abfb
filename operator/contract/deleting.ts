/** Deletion: preconditions, finalizers, and what the garbage collector makes of owners. */
import { expect, test } from "vitest";
import { configMaps, pods, secrets } from "../kube/kinds.ts";
import { type JsonRecord, textAt } from "../kube/objects.ts";
import { bodyOf, failureOf, part, type Session, uidOf, versionOf } from "./world.ts";

const isGone = (object: unknown) => object === undefined;
const deletionOf = (object: unknown) => textAt(part(object, "metadata"), "deletionTimestamp");

export function deleting(session: () => Session): void {
  test("a deletion takes exactly the object that it names", async () => {
    const { called, create, get, merge, remove } = session();
    const name = called("map");
    const made = await create(configMaps, name, {});
    const uid = "00000000-0000-4000-8000-000000000000";
    expect(failureOf(await remove(configMaps, name, { preconditions: { uid } }))).toMatchObject({
      status: 409,
      reason: "Conflict",
    });
    bodyOf(await merge(configMaps, name, { data: { a: "1" } }));
    const stale = { uid: uidOf(made), resourceVersion: versionOf(made) };
    expect(failureOf(await remove(configMaps, name, { preconditions: stale })).status).toBe(409);
    bodyOf(await remove(configMaps, name, { preconditions: { uid: uidOf(made) } }));
    expect(await get(configMaps, name)).toBeUndefined();
    expect(failureOf(await remove(configMaps, name)).status).toBe(404);
  });

  test("finalizers keep a deleted object until the last of them goes; none can be added", async () => {
    const { called, create, get, merge, remove } = session();
    const name = called("map");
    const [one, two, three] = ["example.org/one", "example.org/two", "example.org/three"];
    await create(configMaps, name, { metadata: { finalizers: [one, two] } });
    const answer = bodyOf(await remove(configMaps, name));
    expect(deletionOf(answer)).not.toBe("");
    const since = deletionOf(await get(configMaps, name));
    const added = failureOf(await merge(configMaps, name, { metadata: { finalizers: [one, two, three] } }));
    expect(added).toMatchObject({ status: 422 });
    expect(added.causes.map(({ field }) => field)).toContain("metadata.finalizers");
    bodyOf(await remove(configMaps, name));
    const left = bodyOf(await merge(configMaps, name, { metadata: { finalizers: [two] } }));
    expect(deletionOf(left)).toBe(since);
    bodyOf(await merge(configMaps, name, { metadata: { finalizers: null } }));
    expect(await get(configMaps, name)).toBeUndefined();
  });

  test("a pod with a finalizer and no node is only marked", async () => {
    const { called, create, get, merge, remove } = session();
    const name = called("pod");
    const spec = { containers: [{ name: "one", image: "example.org/none" }] };
    const pod = await create(pods, name, { metadata: { finalizers: ["example.org/held"] }, spec });
    expect(part(pod, "status")["phase"]).toBe("Pending");
    bodyOf(await remove(pods, name, { preconditions: { uid: uidOf(pod) } }));
    expect(deletionOf(await get(pods, name))).not.toBe("");
    const frozen = failureOf(await merge(pods, name, { spec: { restartPolicy: "Never" } }));
    expect(frozen).toMatchObject({ status: 422 });
    bodyOf(await merge(pods, name, { metadata: { finalizers: null } }));
    expect(await get(pods, name)).toBeUndefined();
  });

  test("what has no owner any more is collected; one owner is enough to stay", async () => {
    const { called, create, get, remove, until } = session();
    const [first, second] = [called("owner"), called("owner")];
    const [owner, other] = [await create(configMaps, first, {}), await create(configMaps, second, {})];
    const [alone, shared, plain] = [called("owned"), called("owned"), called("owned")];
    await create(secrets, alone, { metadata: { ownerReferences: [referenceTo(owner)] } });
    await create(secrets, shared, { metadata: { ownerReferences: [referenceTo(owner), referenceTo(other)] } });
    await create(secrets, plain, {});
    bodyOf(await remove(configMaps, first, { propagationPolicy: "Background" }));
    expect(await get(configMaps, first)).toBeUndefined();
    await until(secrets, alone, isGone);
    const kept = await until(secrets, shared, (object) => ownersOf(object).length === 1);
    expect(ownersOf(kept)[0]).toBe(uidOf(other));
    expect(await get(secrets, plain)).toBeDefined();
    bodyOf(await remove(configMaps, second));
    await until(secrets, shared, isGone);
  });

  test("an owner can wait for what it owns, or leave it behind", async () => {
    const { called, create, get, merge, remove, until } = session();
    const [waiting, leaving] = [called("owner"), called("owner")];
    const owner = await create(configMaps, waiting, {});
    const owned = called("owned");
    await create(secrets, owned, {
      metadata: {
        ownerReferences: [{ ...referenceTo(owner), blockOwnerDeletion: true }],
        finalizers: ["example.org/held"],
      },
    });
    bodyOf(await remove(configMaps, waiting, { propagationPolicy: "Foreground" }));
    await until(secrets, owned, (object) => deletionOf(object) !== "");
    expect(await get(configMaps, waiting)).toBeDefined();
    bodyOf(await merge(secrets, owned, { metadata: { finalizers: null } }));
    await until(configMaps, waiting, isGone);

    const left = called("owned");
    await create(secrets, left, {
      metadata: { ownerReferences: [referenceTo(await create(configMaps, leaving, {}))] },
    });
    bodyOf(await remove(configMaps, leaving, { propagationPolicy: "Orphan" }));
    await until(configMaps, leaving, isGone);
    expect(ownersOf(await get(secrets, left))).toEqual([]);
  });

  test("what is created for an owner that is gone already is collected", async () => {
    const { called, create, remove, until } = session();
    const name = called("owner");
    const owner = await create(configMaps, name, {});
    bodyOf(await remove(configMaps, name));
    const late = called("owned");
    await create(secrets, late, { metadata: { ownerReferences: [referenceTo(owner)] } });
    await until(secrets, late, isGone);
  });
}

function referenceTo(owner: JsonRecord): JsonRecord {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    name: textAt(part(owner, "metadata"), "name"),
    uid: uidOf(owner),
  };
}

function ownersOf(object: unknown): readonly string[] {
  const owners = part(object, "metadata")["ownerReferences"];
  return (Array.isArray(owners) ? owners : []).map((owner) => textAt(owner, "uid"));
}
