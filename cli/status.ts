/** `swarm status [NAME]` */
import { pods, validatorSwarms } from "../operator/kube/kinds.ts";
import type { StoredObject } from "../operator/kube/objects.ts";
import { getObject, listObjects } from "./ask.ts";
import { type ExitCode, exitCodes } from "./exit.ts";
import type { Failed } from "./failures.ts";
import { askPods } from "./live.ts";
import { type Output, writeJson } from "./output.ts";
import { instanceLabel, reportOf } from "./report.ts";
import type { SwarmReport } from "./shapes.ts";
import { swarmLines, swarmTable } from "./tree.ts";
import type { World } from "./world.ts";

type Gathered = { readonly kind: "gathered"; readonly swarms: readonly SwarmReport[] } | Failed;

/** Shows one swarm as a tree, or all of the namespace as a table. `failed` when one is not ready. */
export async function status(world: World, name: string | undefined, output: Output): Promise<ExitCode> {
  const gathered = await gather(world, name);
  if (gathered.kind === "failed") {
    output.error(gathered.reason);
    return gathered.code;
  }
  const { swarms } = gathered;
  if (output.json) writeJson(output, { swarms });
  else for (const line of linesOf(swarms, name, world)) output.line(line);
  return swarms.every(({ ready, observed }) => ready && observed) ? exitCodes.ok : exitCodes.failed;
}

/** Lines for a terminal. */
export function linesOf(swarms: readonly SwarmReport[], name: string | undefined, world: World): readonly string[] {
  if (name !== undefined) return swarms.flatMap(swarmLines);
  return swarms.length > 0 ? swarmTable(swarms) : [`No swarms in namespace ${world.namespace} of ${world.name}.`];
}

/** Live figures are asked for one swarm only: for many they would take long. */
export async function gather(world: World, name: string | undefined): Promise<Gathered> {
  const [found, owned] = await Promise.all([
    name === undefined ? listObjects(world, validatorSwarms) : getObject(world, validatorSwarms, name, `swarm ${name}`),
    listObjects(world, pods, name === undefined ? instanceLabel : `${instanceLabel}=${name}`),
  ]);
  if (found.kind === "failed") return found;
  // Whoever may not list pods still sees the swarm.
  const all = owned.kind === "listed" ? owned.objects : [];
  const swarms = found.kind === "listed" ? found.objects : [found.object];
  return {
    kind: "gathered",
    swarms: await Promise.all(
      swarms.map(async (swarm) => {
        const its = all.filter(({ metadata }) => metadata.labels?.[instanceLabel] === swarm.metadata.name);
        const live = name === undefined ? new Map() : await askPods(world, name, validatorsOf(its));
        return reportOf(swarm, its, live);
      }),
    ),
  };
}

function validatorsOf(its: readonly StoredObject[]): readonly string[] {
  return its
    .filter(({ metadata }) => metadata.labels?.["app.kubernetes.io/component"] === "validator")
    .map(({ metadata }) => metadata.name);
}
