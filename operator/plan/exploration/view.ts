/** What the search computes of a world, once each: its name and its plan. A world is never changed after it was looked at. */
import { createHash } from "node:crypto";
import type { Plan } from "../plan.ts";
import { planFor } from "./operator.ts";
import { canonical, rolesOf, type Scene, type World } from "./world.ts";

export interface View {
  readonly scene: Scene;
  /** Equal for worlds that differ only in which of several equal regions is which. */
  key(world: World): string;
  plan(world: World): Plan;
}

export function viewOf(scene: Scene): View {
  const roles = rolesOf(scene);
  const once = <T>(compute: (world: World) => T) => {
    const known = new WeakMap<World, T>();
    return (world: World): T => {
      const before = known.get(world);
      if (before !== undefined) return before;
      const value = compute(world);
      known.set(world, value);
      return value;
    };
  };
  return {
    scene,
    key: once((world) => createHash("sha1").update(canonical(world, roles)).digest("base64")),
    plan: once((world) => planFor(world, scene)),
  };
}
