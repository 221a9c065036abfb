import type { Strategy } from "./strategy.ts";

/** An honest process on a medium that loses durable bytes: it opens and is right, or names the damage and stays away. */
export const rottenDisk: Strategy = { name: "rotten-disk", rots: true, misbehave: () => ({}) };
