/** `swarm delete NAME` */

import { fieldManager } from "../operator/apply-manifest.ts";
import { createWriter } from "../operator/kube/apply.ts";
import { validatorSwarms } from "../operator/kube/kinds.ts";
import { isRecord, textAt } from "../operator/kube/objects.ts";
import { bold, red } from "../operator/terminal.ts";
import { getObject, noSignal, requestMs } from "./ask.ts";
import { type ExitCode, exitCodes } from "./exit.ts";
import { followSwarm } from "./follow.ts";
import { type Output, writeJson } from "./output.ts";
import type { DeleteResult } from "./shapes.ts";
import type { World } from "./world.ts";

export interface DeleteOptions {
  /** The caller knows that the volumes go with it. */
  readonly deleteVolumes: boolean;
  readonly wait: boolean;
  /** Seconds. */
  readonly timeout: number;
}

/** Deletes exactly the swarm that was looked at. What becomes of its volumes stands in its spec. */
export async function remove(world: World, name: string, options: DeleteOptions, output: Output): Promise<ExitCode> {
  const got = await getObject(world, validatorSwarms, name, `swarm ${name}`);
  if (got.kind === "failed") {
    output.error(got.reason);
    return got.code;
  }
  const { uid } = got.object.metadata;
  const spec = isRecord(got.object["spec"]) ? got.object["spec"] : {};
  const volumes = textAt(spec["storage"], "retainPolicy") === "Delete" ? "deleted" : "retained";
  if (volumes === "deleted" && !options.deleteVolumes) {
    output.error(
      `The volumes of ${name} are deleted with it (spec.storage.retainPolicy is Delete): its chain and its validators' keys are lost for good. Say --delete-volumes if that is meant, or set retainPolicy to Retain first.`,
    );
    return exitCodes.refused;
  }
  const writer = createWriter({ api: world.api, fieldManager, signal: noSignal, deadlineMs: requestMs });
  const removed = await writer.remove(validatorSwarms, { name, namespace: world.namespace, uid });
  // Somebody else was faster: it is gone, as asked.
  if (removed.kind !== "applied" && removed.kind !== "gone") {
    output.error(
      removed.kind === "conflict" ? `${name} was deleted and made anew meanwhile. Look at it first.` : removed.message,
    );
    return removed.kind === "unavailable" ? exitCodes.unreachable : exitCodes.refused;
  }
  const kept = volumes === "retained" ? "its volumes stay" : red("its volumes go too");
  const result = { name, namespace: world.namespace, volumes } as const;
  if (!output.json) output.line(`validatorswarm/${bold(name)} is being deleted; ${kept}`);
  if (!options.wait) return finish({ ...result, outcome: "asked" }, output);
  const followed = await followSwarm(world, name, options.timeout * 1_000, output, (swarm) =>
    swarm?.metadata.uid === uid ? undefined : true,
  );
  if (followed.kind === "reached") return finish({ ...result, outcome: "gone" }, output);
  finish({ ...result, outcome: "timeout" }, output);
  output.error(`Not gone within ${options.timeout} s. swarm explain ${name} says what blocks it.`);
  return exitCodes.timeout;
}

function finish(result: DeleteResult, output: Output): ExitCode {
  if (output.json) writeJson(output, result);
  else if (result.outcome === "gone") output.line("gone");
  return exitCodes.ok;
}
