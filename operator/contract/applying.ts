/** Server-side apply: who owns which field, what is in the way, and what goes when it is not given any more. */
import { expect, test } from "vitest";
import { classify } from "../kube/apply.ts";
import { configMaps, pods, validatorSwarms } from "../kube/kinds.ts";
import { arrayAt, textAt } from "../kube/objects.ts";
import { quickstart } from "./quickstart.ts";
import { bodyOf, failureOf, part, type Session, versionOf } from "./world.ts";

export function applying(session: () => Session): void {
  test("an apply creates, changes, and changes nothing the second time", async () => {
    const { apply, called } = session();
    const name = called("map");
    const created = await apply(configMaps, name, { data: { a: "1" } });
    expect(created).toMatchObject({ kind: "ok", status: 201 });
    const again = await apply(configMaps, name, { data: { a: "1" } });
    expect(again).toMatchObject({ kind: "ok", status: 200 });
    expect(versionOf(bodyOf(again))).toBe(versionOf(bodyOf(created)));
    const changed = bodyOf(await apply(configMaps, name, { data: { a: "2" } }));
    expect(changed["data"]).toEqual({ a: "2" });
  });

  test("a field of somebody else is in the way unless it is taken by force", async () => {
    const { apply, called } = session();
    const name = called("map");
    bodyOf(await apply(configMaps, name, { data: { a: "1", b: "1" } }, { manager: "first" }));
    // The same value is shared.
    bodyOf(await apply(configMaps, name, { data: { b: "1" } }, { manager: "second" }));
    const refused = failureOf(await apply(configMaps, name, { data: { a: "2", b: "2" } }, { manager: "third" }));
    expect(refused).toMatchObject({ status: 409, reason: "Conflict" });
    const causes = refused.causes.map(({ reason, field, message }) => [reason, field, message]).sort();
    expect(causes).toEqual([
      ["FieldManagerConflict", ".data.a", 'conflict with "first"'],
      ["FieldManagerConflict", ".data.b", 'conflict with "first"'],
      ["FieldManagerConflict", ".data.b", 'conflict with "second"'],
    ]);
    const forced = bodyOf(await apply(configMaps, name, { data: { a: "2" } }, { manager: "third", force: true }));
    expect(forced["data"]).toEqual({ a: "2", b: "1" });
    const back = failureOf(await apply(configMaps, name, { data: { a: "1", b: "1" } }, { manager: "first" }));
    expect(back.causes.map(({ field }) => field)).toEqual([".data.a"]);
  });

  test("what is not given any more goes, unless somebody else has it too", async () => {
    const { apply, called } = session();
    const name = called("map");
    bodyOf(await apply(configMaps, name, { data: { mine: "1", shared: "1" } }, { manager: "first" }));
    bodyOf(await apply(configMaps, name, { data: { shared: "1", theirs: "1" } }, { manager: "second" }));
    const left = bodyOf(await apply(configMaps, name, { data: {} }, { manager: "first" }));
    expect(left["data"]).toEqual({ shared: "1", theirs: "1" });
  });

  test("a field changed by a patch belongs to the patcher, with its operation told apart", async () => {
    const { apply, called, merge } = session();
    const name = called("map");
    bodyOf(await apply(configMaps, name, { data: { a: "1" } }, { manager: "one" }));
    bodyOf(await merge(configMaps, name, { data: { a: "2" } }, { query: { fieldManager: "patcher" } }));
    const refused = failureOf(await apply(configMaps, name, { data: { a: "1" } }, { manager: "one" }));
    expect(refused.causes).toHaveLength(1);
    expect(refused.causes[0]?.message).toBe('conflict with "patcher" using v1');
    // Leaving it out leaves it to whoever set it.
    const left = bodyOf(await apply(configMaps, name, { data: { b: "1" } }, { manager: "one" }));
    expect(left["data"]).toEqual({ a: "2", b: "1" });
  });

  test("preconditions: a version, a uid, and an object that must be there", async () => {
    const { apply, called } = session();
    const name = called("map");
    const first = bodyOf(await apply(configMaps, name, { data: { a: "1" } }));
    bodyOf(await apply(configMaps, name, { data: { a: "2" } }));
    const stale = await apply(
      configMaps,
      name,
      { data: { a: "3" } },
      { metadata: { resourceVersion: versionOf(first) } },
    );
    expect(failureOf(stale)).toMatchObject({ status: 409, reason: "Conflict" });
    const uid = "00000000-0000-4000-8000-000000000000";
    const foreign = failureOf(await apply(configMaps, name, { data: { a: "3" } }, { metadata: { uid } }));
    expect(foreign.status).toBe(422);
    // A server that looks twice says it twice.
    expect(new Set(foreign.causes.map(({ field }) => field))).toEqual(new Set(["metadata.uid"]));
    expect(classify(foreign)).toMatchObject({ kind: "conflict", conflict: { kind: "precondition" } });
    const absent = await apply(configMaps, called("absent"), { data: {} }, { metadata: { uid } });
    expect(failureOf(absent)).toMatchObject({ status: 409, reason: "Conflict" });
  });

  test("what a creation left alone, applies of the same manager set and take away", async () => {
    const { apply, called, create } = session();
    const name = called("map");
    const made = await create(configMaps, name, {});
    const taken = bodyOf(
      await apply(configMaps, name, { data: { permit: "1" } }, { metadata: { resourceVersion: versionOf(made) } }),
    );
    expect(taken["data"]).toEqual({ permit: "1" });
    const late = await apply(
      configMaps,
      name,
      { data: { permit: "2" } },
      { metadata: { resourceVersion: versionOf(made) } },
    );
    expect(failureOf(late)).toMatchObject({ status: 409, reason: "Conflict" });
    const free = await apply(configMaps, name, { data: {} }, { metadata: { resourceVersion: versionOf(taken) } });
    expect(part(bodyOf(free), "data")["permit"]).toBeUndefined();
  });

  test("an apply needs a manager, a type, and entries that are told apart", async () => {
    const { apply, called, send } = session();
    const name = called("map");
    const type = "application/apply-patch+yaml";
    const body = { apiVersion: "v1", kind: "ConfigMap", metadata: { name } };
    const nobody = await send("PATCH", configMaps, name, { body, type, query: { fieldManager: undefined } });
    expect(failureOf(nobody)).toMatchObject({ status: 422 });
    const untyped = await send("PATCH", configMaps, name, { body: { metadata: { name } }, type });
    expect(failureOf(untyped).status).toBe(400);
    const containers = [
      { name: "one", image: "a" },
      { name: "one", image: "b" },
    ];
    expect((await apply(pods, called("pod"), { spec: { containers } })).kind).toBe("failed");
  });

  test("finalizers and owners are shared entry by entry", async () => {
    const { apply, called, merge, remove } = session();
    const name = called("map");
    const finalizers = (object: unknown) => [...arrayAt(part(object, "metadata"), "finalizers")].sort();
    const with_ = (...each: readonly string[]) => ({ metadata: { finalizers: each } });
    bodyOf(await apply(configMaps, name, {}, { manager: "first", ...with_("example.org/one") }));
    const both = bodyOf(await apply(configMaps, name, {}, { manager: "second", ...with_("example.org/two") }));
    expect(finalizers(both)).toEqual(["example.org/one", "example.org/two"]);
    const one = bodyOf(await apply(configMaps, name, {}, { manager: "second" }));
    expect(finalizers(one)).toEqual(["example.org/one"]);
    bodyOf(await merge(configMaps, name, { metadata: { finalizers: [] } }));
    bodyOf(await remove(configMaps, name));
  });

  test("containers are merged by name, ports and variables too", async () => {
    const { apply, called, remove } = session();
    const name = called("pod");
    const ports = [{ name: "p2p", containerPort: 7100, protocol: "TCP" }];
    const base = { name: "one", image: "example.org/none" };
    bodyOf(await apply(pods, name, { spec: { containers: [{ ...base, ports }] } }, { manager: "first" }));
    // Metadata alone: the spec stays the first one's.
    const labelled = bodyOf(await apply(pods, name, {}, { manager: "second", metadata: { labels: { x: "1" } } }));
    const [container] = arrayAt(part(labelled, "spec"), "containers");
    expect(arrayAt(container, "ports")).toEqual(ports);
    const same = { spec: { containers: [{ ...base, ports: [{ containerPort: 7100, protocol: "TCP" }] }] } };
    const shared = bodyOf(await apply(pods, name, same, { manager: "third" }));
    expect(arrayAt(part(shared, "spec"), "containers")).toHaveLength(1);
    const other = { spec: { containers: [{ ...base, image: "example.org/other" }] } };
    const refused = failureOf(await apply(pods, name, other, { manager: "fourth" }));
    expect(refused.causes.map(({ field }) => field)).toEqual([
      '.spec.containers[name="one"].image',
      '.spec.containers[name="one"].image',
    ]);
    bodyOf(await remove(pods, name, { gracePeriodSeconds: 0 }));
  });

  test("entries that are told apart come in the order of the latest apply", async () => {
    const { apply, called, create, remove } = session();
    const name = called("vsw");
    const { metadata: _, ...spec } = quickstart;
    await create(validatorSwarms, name, spec);
    const condition = (type: string) => ({
      type,
      status: "True",
      reason: "Tested",
      message: "A sentence.",
      observedGeneration: 1,
      lastTransitionTime: "2026-01-01T00:00:00Z",
    });
    const applied = async (types: readonly string[], manager = "first") => {
      const status = { conditions: types.map(condition) };
      const body = bodyOf(await apply(validatorSwarms, name, { status }, { manager, subresource: "status" }));
      return arrayAt(part(body, "status"), "conditions").map((each) => textAt(each, "type"));
    };
    await applied(["Ready", "RolloutHealthy"]);
    expect(await applied(["Ready", "Progressing", "Degraded", "RolloutHealthy"])).toEqual([
      "Ready",
      "Progressing",
      "Degraded",
      "RolloutHealthy",
    ]);
    expect(await applied(["RolloutHealthy", "Progressing"], "second")).toEqual([
      "Ready",
      "Degraded",
      "RolloutHealthy",
      "Progressing",
    ]);
    expect(await applied(["RolloutHealthy", "Degraded", "Progressing", "Ready"])).toEqual([
      "RolloutHealthy",
      "Degraded",
      "Progressing",
      "Ready",
    ]);
    bodyOf(await remove(validatorSwarms, name));
  });

  test("a status is applied by itself, its conditions one by one", async () => {
    const { apply, called, create, get, remove } = session();
    const name = called("vsw");
    const { metadata: _, ...spec } = quickstart;
    const made = await create(validatorSwarms, name, { ...spec, status: { replicas: 99 } });
    expect(made["status"]).toBeUndefined();
    const condition = (type: string, status: string) => ({
      type,
      status,
      reason: "Tested",
      message: "A sentence.",
      observedGeneration: 1,
      lastTransitionTime: "2026-01-01T00:00:00Z",
    });
    const report = (conditions: readonly object[], manager: string) =>
      apply(validatorSwarms, name, { status: { conditions } }, { manager, subresource: "status" });
    bodyOf(await report([condition("Ready", "False")], "first"));
    const both = bodyOf(await report([condition("Degraded", "True")], "second"));
    const types = (object: unknown) =>
      arrayAt(part(object, "status"), "conditions").map((each) => textAt(each, "type"));
    expect(types(both).sort()).toEqual(["Degraded", "Ready"]);
    const refused = failureOf(await report([condition("Ready", "True")], "second"));
    expect(refused.causes.map(({ field }) => field)).toEqual(['.status.conditions[type="Ready"].status']);
    expect(refused.causes[0]?.message).toContain('"first" with subresource "status"');
    // The object itself does not carry the status, and the status not the object.
    const ignored = { spec: { ...part(spec, "spec"), paused: true }, status: { conditions: [] } };
    bodyOf(await apply(validatorSwarms, name, ignored, { manager: "first", subresource: "status" }));
    const stored = await get(validatorSwarms, name);
    expect(part(stored, "spec")["paused"]).toBe(false);
    expect(types(stored)).toEqual(["Degraded"]);
    bodyOf(await remove(validatorSwarms, name));
  });
}
