/** Walks through every world that a scene can reach within its bounds, and checks each. */

import type { Plan } from "../plan.ts";
import { converge, type Outcome } from "./converge.ts";
import { type Bounds, type Event, events } from "./events.ts";
import { perFirst } from "./operator.ts";
import { type View, viewOf } from "./view.ts";
import type { Scene, World } from "./world.ts";

export interface Finding {
  readonly rule: string;
  readonly detail: string;
  /** What led there, first first. */
  readonly path: readonly string[];
}

export interface Result {
  readonly states: number;
  readonly transitions: number;
  /** States from which more than F is gone for good. */
  readonly lost: number;
  /** False when the limit of states ended it. */
  readonly complete: boolean;
  readonly finding: Finding | undefined;
  /** Reasons of every decision met. */
  readonly reasons: ReadonlySet<string>;
}

export interface ExploreOptions extends Bounds {
  readonly maxStates: number;
  /** Leave convergence out: only what must never happen. */
  readonly safetyOnly?: boolean;
  readonly progress?: (states: number, open: number) => void;
}

interface Path {
  readonly label: string;
  readonly before: Path | undefined;
}
interface Open {
  readonly world: World;
  readonly path: Path | undefined;
}

/** Depth first: what is open stays short. Worlds are kept as hashes of their canonical form. */
export function explore(scene: Scene, start: World, options: ExploreOptions): Result {
  const view = viewOf(scene);
  const { key } = view;
  const seen = new Set<string>([key(start)]);
  const converged = new Set<string>();
  const reasons = new Set<string>();
  const open: Open[] = [{ world: start, path: undefined }];
  let [states, transitions, lost] = [0, 0, 0];
  const result = (finding: Finding | undefined, complete: boolean): Result => ({
    states,
    transitions,
    lost,
    complete,
    finding,
    reasons,
  });

  for (let entry = open.pop(); entry; entry = open.pop()) {
    if (states >= options.maxStates) return result(undefined, false);
    states += 1;
    if (states % 1_000 === 0) options.progress?.(states, open.length);
    const { world } = entry;
    const fail = (rule: string, detail: string, more: readonly string[]) =>
      result({ rule, detail, path: [...lineOf(entry.path), ...more] }, false);

    const outcome: Outcome = options.safetyOnly ? { kind: "converged", worlds: [] } : converge(world, view, converged);
    if (outcome.kind === "stuck" || outcome.kind === "restless")
      return fail(
        outcome.kind === "stuck" ? "every state converges" : "no action repeated for ever",
        outcome.reason,
        outcome.path,
      );
    if (outcome.kind === "lost") lost += 1;
    if (outcome.kind === "converged") for (const each of outcome.worlds) converged.add(key(each));

    for (const { label, next, breach } of successors(world, view, options, reasons)) {
      transitions += 1;
      if (breach) return fail(ruleOf(breach), breach, [label]);
      const name = key(next);
      if (seen.has(name)) continue;
      seen.add(name);
      open.push({ world: next, path: { label, before: entry.path } });
    }
  }
  return result(undefined, true);
}

function lineOf(path: Path | undefined): readonly string[] {
  const line: string[] = [];
  for (let at = path; at; at = at.before) line.unshift(at.label);
  return line;
}

export function ruleOf(breach: string): string {
  if (breach.includes("runs twice") || breach.includes("released the pod")) return "one pod per identity";
  if (breach.includes("second key")) return "one key per name";
  if (breach.includes("left required region")) return "settlement kept";
  if (breach.includes("overrides")) return "trials stay small";
  if (breach.includes("volume")) return "named identities stay";
  return "power within the budget";
}

interface Successor {
  readonly label: string;
  readonly next: World;
  readonly breach: string | undefined;
}

/**
 * The operator's plan up to each of its actions, every event; and, after each event, the plan made before it: a stale
 * cache, or an operator that was replaced while it acted.
 */
function* successors(world: World, view: View, bounds: Bounds, reasons: Set<string>): Generator<Successor> {
  if (world.gone) return;
  const { scene } = view;
  const plan = view.plan(world);
  for (const each of plan.decisions)
    reasons.add(
      `${each.topic} ${each.kind === "act" ? each.action.reason : each.kind === "remember" ? "remember" : each.reason}`,
    );
  const size = plan.actions.length;
  for (let count = 0; count <= size; count += 1) {
    const act = perFirst(world, plan, count, scene, false);
    yield act;
    if (count > 0) yield stale(act.next, act.label, plan, scene, false);
  }
  for (const each of events(world, scene, bounds)) {
    yield each;
    if (size > 0) yield stale(each.next, each.label, plan, scene, isSurprise(each));
  }
}

const isSurprise = ({ kind }: Event) => kind === "fault" || kind === "change";

function stale(world: World, after: string, plan: Plan, scene: Scene, lenient: boolean): Successor {
  const { label, next, breach } = perFirst(world, plan, plan.actions.length, scene, lenient);
  return { label: `${after}; from before it ${label}`, next, breach };
}
