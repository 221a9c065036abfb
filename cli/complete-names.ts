/** Names that the API server knows, for completion: quickly or not at all, and never an error. */
import { pods, validatorSwarms } from "../operator/kube/kinds.ts";
import { listObjects } from "./ask.ts";
import { instanceLabel, seatLabel } from "./report.ts";
import { openWorld } from "./world.ts";

/** Somebody waits at the keyboard, ms. */
const patienceMs = 2_000;

/** `options`: those of the command line so far. */
export async function knownNames(
  of: "swarm" | "pod",
  { kubeconfig, context, namespace }: Readonly<Record<string, string>>,
  plugin: boolean,
): Promise<readonly string[]> {
  const found = openWorld(
    {
      ...(kubeconfig === undefined ? {} : { kubeconfig }),
      ...(context === undefined ? {} : { context }),
      ...(namespace === undefined ? {} : { namespace }),
    },
    plugin,
  );
  if (found.kind === "none") return [];
  const { world } = found;
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, patienceMs, undefined);
  const listed = await Promise.race([
    of === "swarm" ? listObjects(world, validatorSwarms) : listObjects(world, pods, instanceLabel),
    late,
  ]);
  clearTimeout(timer);
  world.api.close();
  if (listed?.kind !== "listed") return [];
  const seats = listed.objects.flatMap(({ metadata }) => metadata.labels?.[seatLabel] ?? []);
  const names = listed.objects.map(({ metadata }) => metadata.name);
  return of === "swarm" ? names : [...new Set([...seats, ...names])];
}
