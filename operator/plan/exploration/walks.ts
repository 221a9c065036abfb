/** Random walks beyond the exhaustive bounds: faults keep coming as others pass, specs keep changing, caches lag further. */
import type { Plan } from "../plan.ts";
import { converge } from "./converge.ts";
import { events } from "./events.ts";
import { type Finding, ruleOf } from "./explore.ts";
import { perFirst } from "./operator.ts";
import type { View } from "./view.ts";
import type { World } from "./world.ts";

export interface WalkResult {
  readonly steps: number;
  readonly finding: Finding | undefined;
}

/** A small generator of even numbers in [0, 1) from one seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Faults at work in a world. */
function outstanding({ regions, silent }: World): number {
  return regions.reduce(
    (sum, { nodes, pods, mute }) =>
      sum +
      nodes.filter(({ state, cordoned }) => state !== "up" || cordoned).length +
      pods.filter(({ healthy }) => !healthy).length +
      mute.length,
    silent.length,
  );
}

export function walk(view: View, start: World, seed: number, length: number): WalkResult {
  const chance = random(seed);
  const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(chance() * list.length)];
  const { scene } = view;
  const path: string[] = [];
  let world = start;
  /** Plans made for earlier worlds, while only the cluster moved since: `surprised` once something failed or changed. */
  let plans: { readonly plan: Plan; surprised: boolean }[] = [];

  for (let step = 0; step < length && !world.gone; step += 1) {
    const calm = outstanding(world) < 2;
    const faults = chance() < 0.15 && calm ? 1 : 0;
    const changes = chance() < 0.03 && scene.specs.length > 1 ? 1 : 0;
    const tame = { ...world, faults: 0, changes: 0 };
    const possible = events(tame, { ...scene, deletes: false }, { faults, changes });
    const wanted =
      faults + changes > 0 ? possible.filter(({ kind }) => kind === "fault" || kind === "change") : possible;
    const event = pick(wanted.length > 0 ? wanted : possible);
    const operates = chance() < 0.5 || !event;
    let breach: string | undefined;
    if (operates) {
      const late = chance() < 0.2 ? pick(plans) : undefined;
      const plan = late?.plan ?? view.plan(world);
      const count = chance() < 0.2 ? Math.floor(chance() * (plan.actions.length + 1)) : plan.actions.length;
      const act = perFirst(world, plan, count, scene, late?.surprised === true);
      path.push(late ? `late ${act.label}` : act.label);
      breach = act.breach;
      world = act.next;
      // Its own writes an operator always sees: older plans end here.
      plans = [];
    } else {
      plans.push({ plan: view.plan(world), surprised: false });
      if (event.kind === "fault" || event.kind === "change") for (const each of plans) each.surprised = true;
      path.push(event.label);
      breach = event.breach;
      world = { ...event.next, faults: 0, changes: 0 };
    }
    if (breach) return { steps: step, finding: { rule: ruleOf(breach), detail: breach, path } };
  }
  const outcome = converge(world, view, new Set());
  if (outcome.kind === "stuck" || outcome.kind === "restless") {
    const rule = outcome.kind === "stuck" ? "every state converges" : "no action repeated for ever";
    return { steps: length, finding: { rule, detail: outcome.reason, path: [...path, ...outcome.path] } };
  }
  return { steps: length, finding: undefined };
}
