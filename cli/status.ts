/** `swarm status [NAME]` */
import { pods, validatorSwarms } from "../operator/kube/kinds.ts";
import { getObject, listObjects } from "./ask.ts";
import { type ExitCode, exitCodes } from "./exit.ts";
import { askValidators } from "./live.ts";
import { type Output, writeJson } from "./output.ts";
import { instanceLabel, reportAll } from "./report.ts";
import { statusLines } from "./tree.ts";
import { watchStatus } from "./watch.ts";
import type { World } from "./world.ts";

export interface StatusOptions {
  readonly watch: boolean;
}

/**
 * Shows one swarm as a tree, or all of the namespace as a table. `failed` when one is not ready. Live figures are asked
 * of one swarm only: of many they would take long.
 */
export async function status(
  world: World,
  name: string | undefined,
  { watch }: StatusOptions,
  output: Output,
): Promise<ExitCode> {
  const label = name === undefined ? instanceLabel : `${instanceLabel}=${name}`;
  const [found, owned] = await Promise.all([
    name === undefined ? listObjects(world, validatorSwarms) : getObject(world, validatorSwarms, name, `swarm ${name}`),
    listObjects(world, pods, label),
  ]);
  if (found.kind === "failed") {
    output.error(found.reason);
    return found.code;
  }
  // Whoever may not list pods still sees the swarm.
  const all = owned.kind === "listed" ? owned.objects : [];
  if (owned.kind === "failed") output.error(`Pods are not shown: ${owned.reason}`);
  if (watch) return watchStatus(world, name, owned.kind === "listed", output);
  const swarms = found.kind === "listed" ? found.objects : [found.object];
  const reports = reportAll(swarms, all, name === undefined ? new Map() : await askValidators(world, name, all));
  if (output.json) writeJson(output, { swarms: reports });
  else for (const line of statusLines(reports, name, world)) output.line(line);
  return reports.every(({ ready, observed }) => ready && observed) ? exitCodes.ok : exitCodes.failed;
}
