/**
 * Specs that are wrong in one thing, each with the one sentence it gets: an API server, the planner and everything
 * offline are held to the same table.
 */
import { invalidChanges } from "./invalid-changes.ts";
import { invalidRules } from "./invalid-rules.ts";
import { invalidShapes } from "./invalid-shapes.ts";

/** Fields of the object by dotted path; a number is a position in a list. */
export type Edits = Readonly<Record<string, unknown>>;

export interface InvalidSpec {
  readonly name: string;
  /** What differs from the quickstart's manifest. `undefined` removes a field. */
  readonly set: Edits;
  /** Present: the object is valid, but not as the next version of one with these edits. */
  readonly before?: Edits;
  /** `schema`: refused at admission. `planner`: admitted, and refused with a condition. */
  readonly layer: "schema" | "planner";
  /** Dotted, such as `spec.regions.0.name`; an API server writes `spec.regions[0].name`. */
  readonly field: string;
  readonly message: string;
  /** Part of what an API server says, where it checks the type or the bounds in words of its own. */
  readonly server?: string;
}

/** All of them. */
export const invalidSpecs: readonly InvalidSpec[] = [...invalidShapes, ...invalidRules, ...invalidChanges];

/** A manifest with some edits, as a new object. */
export function edited(manifest: unknown, edits: Edits): unknown {
  const copy = structuredClone(manifest);
  for (const [path, value] of Object.entries(edits)) {
    const keys = path.split(".");
    const last = keys.pop() ?? "";
    let holder = copy as Record<string, unknown>;
    for (const key of keys) {
      holder[key] ??= {};
      holder = holder[key] as Record<string, unknown>;
    }
    if (value === undefined) delete holder[last];
    else holder[last] = structuredClone(value);
  }
  return copy;
}
