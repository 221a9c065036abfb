import type { Strategy } from "./strategy.ts";

/**
 * Two honest processes with one identity and a volume each, as after a copied disk: the world lets each talk to its own
 * side, or both to everyone. Whatever correct code says twice, it says in contradiction.
 */
export const twins: Strategy = { name: "twins", twin: true, misbehave: () => ({}) };
