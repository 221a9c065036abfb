/** What `npm run explore` goes through: all scenes at four seats, the same with more, the beginning, and walks beyond. */
import type { Part } from "./part.ts";
import { scenesOf } from "./scenes.ts";

const part = (scene: string, seats: number, faults: number, changes: number, more: Partial<Part> = {}): Part => ({
  scene,
  seats,
  faults,
  changes,
  start: "running",
  maxStates: 50_000,
  walks: 100,
  length: 120,
  seed: 1,
  safety: false,
  ...more,
});

const names = scenesOf(4).map(({ name }) => name);

/** The longest first: the cores end together. */
export const program: readonly Part[] = [
  ...names.map((name) => part(name, 4, 1, 1)),
  part("repair", 4, 2, 0),
  part("repair", 4, 1, 0, { start: "empty" }),
  ...[5, 6, 7].flatMap((seats) =>
    names.map((name) => part(name, seats, 1, 1, { maxStates: 5_000, walks: 50, seed: 1_000 * seats })),
  ),
];
