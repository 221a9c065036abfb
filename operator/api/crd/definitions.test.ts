import { describe, expect, test } from "vitest";
import { definition, kinds } from "./definitions.ts";
import type { Structural } from "./structural.ts";

/** Every node of a schema with its path; `[]` stands for an entry of a list, `*` for one of a map. */
function nodes(node: Structural, path: string): readonly (readonly [path: string, node: Structural])[] {
  const { properties = {}, items, additionalProperties } = node;
  return [
    [path, node],
    ...Object.entries(properties).flatMap(([name, each]) => nodes(each, `${path}.${name}`)),
    ...(items ? nodes(items, `${path}[]`) : []),
    ...(additionalProperties ? nodes(additionalProperties, `${path}.*`) : []),
  ];
}

describe.each(kinds.map((kind) => [kind.kind, kind] as const))("%s", (_, kind) => {
  const all = nodes(kind.schema, "").filter(([path]) => path !== "");
  const wrong = (isWrong: (node: Structural, path: string) => boolean) =>
    all.filter(([path, node]) => isWrong(node, path)).map(([path]) => path);

  test("every field says in a sentence what it is", () => {
    expect(
      wrong(({ description = "" }, path) => !/(\[\]|\*)$/.test(path) && !/^[A-Z].*\.$/s.test(description)),
    ).toEqual([]);
  });

  test("every text, list and map is bounded, so that the cost of a rule is", () => {
    const bounded = (node: Structural) =>
      node.maxLength !== undefined || node.enum !== undefined || node.format === "date-time";
    expect(wrong((node) => node.type === "string" && !bounded(node))).toEqual([]);
    expect(wrong((node) => node.type === "array" && node.maxItems === undefined)).toEqual([]);
    expect(wrong((node) => node.additionalProperties !== undefined && node.maxProperties === undefined)).toEqual([]);
    expect(
      wrong((node) => node.type === "integer" && (node.minimum === undefined || node.maximum === undefined)),
    ).toEqual([]);
  });

  test("lists have a type, and the keys of map lists are always there", () => {
    expect(wrong((node) => node.type === "array" && node["x-kubernetes-list-type"] === undefined)).toEqual([]);
    expect(
      wrong(({ items, "x-kubernetes-list-map-keys": keys = [] }) =>
        keys.some((key) => !items?.required?.includes(key)),
      ),
    ).toEqual([]);
  });

  test("it fits into the annotation of 256 KiB that client-side apply keeps", () => {
    expect(Buffer.byteLength(JSON.stringify(definition(kind)))).toBeLessThan(256 * 1024);
  });
});
