/** What the model's validators are measured to do: enough for a verdict in every look, or nothing at all. */
import type { SeatWindow } from "../../analysis/window.ts";
import type { Samples } from "../snapshot.ts";
import { now, type Scene, votes, type World } from "./world.ts";

const windows = 24;
const length = 30_000;

/** Windows that end now, of every seat that votes. */
export function measure(world: World, scene: Scene): Samples {
  const canary = scene.specs[world.spec]?.canary;
  if (!scene.measured || !canary || world.memory?.canary?.since === undefined) return { windows: [], problem: "" };
  const seats = world.regions.flatMap((region) =>
    region.processes
      .filter((process) => votes(world, region, process))
      .map(({ seat, podUid }): SeatWindow => {
        const tried = region.pods.some(({ uid, revision }) => uid === podUid && revision === canary.revision);
        return { seat, timeouts: { trials: 1_000, events: tried && scene.measured === "worse" ? 500 : 5 } };
      }),
  );
  const ends = Array.from({ length: windows }, (_, i) => now - (windows - 1 - i) * length);
  return { windows: ends.map((to) => ({ from: to - length, to, seats })), problem: "" };
}
