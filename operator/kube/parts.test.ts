import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { StoredObject } from "./objects.ts";
import { createParts } from "./parts.ts";
import { createStore } from "./store.ts";

const part = ({ metadata }: StoredObject) => metadata.labels?.["whole"];

const anObject = fc
  .record({
    name: fc.constantFrom("a", "b", "c", "d"),
    uid: fc.constantFrom("1", "2"),
    whole: fc.constantFrom("x", "y", undefined),
    version: fc.integer({ min: 1, max: 9 }),
  })
  .map(
    ({ name, uid, whole, version }): StoredObject => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: {
        name,
        namespace: "swarm",
        uid,
        resourceVersion: String(version),
        ...(whole === undefined ? {} : { labels: { whole } }),
      },
    }),
  );

const aStep = fc.oneof(
  fc.record({ kind: fc.constantFrom("put", "remove"), object: anObject }),
  fc.record({
    kind: fc.constant("replace" as const),
    objects: fc.uniqueArray(anObject, { selector: ({ metadata }) => metadata.name }),
  }),
);

test("whatever a collection goes through, the parts of each whole are those that a search of it finds", () => {
  fc.assert(
    fc.property(fc.array(aStep, { maxLength: 30 }), (steps) => {
      const store = createStore();
      const parts = createParts({ part });
      for (const step of steps) {
        const changes =
          step.kind === "replace"
            ? store.replace(step.objects)
            : step.kind === "put"
              ? store.put(step.object)
              : store.remove(step.object);
        for (const change of changes) parts.note(change);
        for (const whole of ["x", "y"]) {
          const found = store.list().filter((object) => part(object) === whole);
          expect(new Set(parts.of(whole))).toEqual(new Set(found));
        }
      }
    }),
  );
});

test("of a kind without parts nothing is a part", () => {
  const store = createStore();
  const parts = createParts({});
  const [object] = fc.sample(anObject, 1);
  if (!object) throw new Error("no sample");
  for (const change of store.put(object)) parts.note(change);
  expect(parts.of("x")).toEqual([]);
});
