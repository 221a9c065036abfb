/** One part of an exploration: a scene within bounds, every state of them or as many as are allowed, then walks beyond. */
import type { Cold } from "./coverage.ts";
import { explore, type Finding } from "./explore.ts";
import { running, scenesOf } from "./scenes.ts";
import { viewOf } from "./view.ts";
import { walk } from "./walks.ts";
import { emptyWorld } from "./world.ts";

export interface Part {
  readonly scene: string;
  /** 4 to 7. */
  readonly seats: number;
  /** `empty`: from nothing, bootstrap included. */
  readonly start: "running" | "empty";
  /** Faults on one path. */
  readonly faults: number;
  /** Changes of the spec on one path. */
  readonly changes: number;
  readonly maxStates: number;
  /** Random walks. */
  readonly walks: number;
  /** Steps of a walk. */
  readonly length: number;
  /** The first walk's. */
  readonly seed: number;
  /** What must never happen alone: convergence and walks are left out. */
  readonly safety: boolean;
}

/** What came of a part: one line of JSON between processes. */
export interface Outcome {
  readonly kind: "held" | "violated";
  readonly states: number;
  readonly transitions: number;
  /** States from which nobody could go on, and the status said so. */
  readonly lost: number;
  /** Every state of the bounds was met. */
  readonly complete: boolean;
  readonly finding: (Finding & { readonly where: string }) | undefined;
  /** Places of the planner that it never reached. */
  readonly cold: Cold;
}

/** `tick` is told of states done and open, every thousand. */
export function runPart(part: Part, tick: (states: number, open: number) => void): Omit<Outcome, "cold"> {
  const scene = scenesOf(part.seats).find(({ name }) => name === part.scene);
  if (!scene) throw new Error(`there is no scene ${part.scene}`);
  const start = part.start === "empty" ? emptyWorld(scene) : running(scene);
  const { faults, changes, maxStates, safety } = part;
  const result = explore(scene, start, { faults, changes, maxStates, safetyOnly: safety, progress: tick });
  const { states, transitions, lost, complete } = result;
  const end = (finding: Finding | undefined, where: string) => ({
    kind: finding ? ("violated" as const) : ("held" as const),
    states,
    transitions,
    lost,
    complete,
    finding: finding && { ...finding, where },
  });
  if (result.finding) return end(result.finding, scene.name);
  const view = viewOf(scene);
  for (let n = 0; n < part.walks && !safety; n += 1) {
    const { finding } = walk(view, start, part.seed + n, part.length);
    if (finding) return end(finding, `${scene.name}, walk ${part.seed + n}`);
  }
  return end(undefined, scene.name);
}
