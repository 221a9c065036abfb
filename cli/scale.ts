/** `swarm scale NAME --replicas N` */
import { checkValidatorSwarm } from "../operator/api/validator-swarm.ts";
import { fieldManager } from "../operator/apply-manifest.ts";
import { validatorSwarms } from "../operator/kube/kinds.ts";
import { isRecord, numberAt, pathOf, type StoredObject } from "../operator/kube/objects.ts";
import { bold, dim, green } from "../operator/terminal.ts";
import { getObject, noSignal, requestMs } from "./ask.ts";
import { type ExitCode, exitCodes } from "./exit.ts";
import { failureOf } from "./failures.ts";
import { followSwarm } from "./follow.ts";
import { type Output, writeJson } from "./output.ts";
import { reportOf } from "./report.ts";
import type { ScaleResult, SwarmReport } from "./shapes.ts";
import type { World } from "./world.ts";

export interface ScaleOptions {
  readonly replicas: number;
  readonly wait: boolean;
  /** Seconds. */
  readonly timeout: number;
}

/** Asks for another number of seats through the scale subresource; with `wait`, ends when all of them vote. */
export async function scale(world: World, name: string, options: ScaleOptions, output: Output): Promise<ExitCode> {
  const { replicas } = options;
  const got = await getObject(world, validatorSwarms, name, `swarm ${name}`);
  if (got.kind === "failed") {
    output.error(got.reason);
    return got.code;
  }
  if (got.object.metadata.deletionTimestamp !== undefined) {
    output.error(`Swarm ${name} is being deleted.`);
    return exitCodes.refused;
  }
  const problems = problemsWith(got.object, replicas);
  if (problems.length > 0) {
    output.error(`Swarm ${name} cannot have ${replicas} seats:`);
    for (const problem of problems) output.error(`  ${problem}`);
    return exitCodes.usage;
  }
  const answer = await world.api.request({
    method: "PATCH",
    path: pathOf(validatorSwarms, world.namespace, name, "scale"),
    query: { fieldManager },
    body: { type: "application/merge-patch+json", value: { spec: { replicas } } },
    signal: noSignal,
    deadlineMs: requestMs,
  });
  if (answer.kind === "failed") {
    const { code, reason } = failureOf(world, answer.failure, `swarm ${name}`);
    output.error(reason);
    return code;
  }
  const from = numberAt(got.object["spec"], "replicas") ?? 0;
  const result = { name, namespace: world.namespace, from, to: replicas };
  if (!output.json)
    output.line(
      from === replicas
        ? `validatorswarm/${bold(name)} has ${replicas} seats already`
        : `validatorswarm/${bold(name)} ${green("scaled")} from ${from} to ${replicas} seats`,
    );
  return options.wait ? waitUntilReady(world, result, options.timeout, output) : finish(result, "asked", 0, output);
}

type Asked = Pick<ScaleResult, "name" | "namespace" | "from" | "to">;

/** What the API's own rules and the planner's say to that many seats, if they have nothing against the present number. */
function problemsWith(swarm: StoredObject, replicas: number): readonly string[] {
  const spec = isRecord(swarm["spec"]) ? swarm["spec"] : {};
  const checked = checkValidatorSwarm({ ...swarm, spec: { ...spec, replicas } });
  if (checked.kind === "ok" || checkValidatorSwarm(swarm).kind === "invalid") return [];
  return checked.problems.map(({ field, message }) => `${field}: ${message}`);
}

async function waitUntilReady(world: World, asked: Asked, seconds: number, output: Output): Promise<ExitCode> {
  const { name, to } = asked;
  const started = performance.now();
  const elapsed = () => (performance.now() - started) / 1_000;
  let said = "";
  const say = (swarm: SwarmReport) => {
    const line = progressOf(swarm);
    if (line === said || output.json) return;
    said = line;
    output.line(`${dim(`${elapsed().toFixed(1).padStart(6)} s`)}  ${line}`);
  };
  const followed = await followSwarm(world, name, seconds * 1_000, output, (object) => {
    if (!object || object.metadata.deletionTimestamp !== undefined) return "gone" as const;
    const swarm = reportOf(object, [], new Map());
    if (swarm.replicas.wanted !== to) return "changed" as const;
    if (!swarm.observed) return undefined;
    say(swarm);
    return swarm.ready && swarm.replicas.inForce === to ? ("ready" as const) : undefined;
  });
  if (followed.kind === "timeout") {
    finish(asked, "timeout", elapsed(), output);
    output.error(
      `Not ready within ${seconds} s: ${followed.last ? progressOf(reportOf(followed.last, [], new Map())) : "it was not seen"}. swarm explain ${name} says what blocks it.`,
    );
    return exitCodes.timeout;
  }
  switch (followed.value) {
    case "ready":
      return finish(asked, "ready", elapsed(), output);
    case "gone":
      finish(asked, "gone", elapsed(), output);
      output.error(`Swarm ${name} was deleted meanwhile.`);
      return exitCodes.notFound;
    case "changed":
      finish(asked, "changed", elapsed(), output);
      output.error(`Somebody else has asked for another number of seats of ${name} meanwhile.`);
      return exitCodes.refused;
  }
}

/** Epoch, seats and power; what is being done; and why it is not ready. */
function progressOf({ epoch, replicas, power, conditions }: SwarmReport): string {
  const votes = power ? `, ${power.available} of ${power.total} power votes, F = ${power.fault}` : "";
  const sentence = (type: string, unless: string) => {
    const found = conditions.find((each) => each.type === type && each.status !== unless);
    return found ? `; ${found.message.replace(/[.]$/, "")}` : "";
  };
  return `epoch ${epoch}: ${replicas.inForce} of ${replicas.wanted} seats${votes}${sentence("PlacementSatisfied", "True")}${sentence("Progressing", "False")}`;
}

function finish(asked: Asked, outcome: ScaleResult["outcome"], seconds: number, output: Output): ExitCode {
  if (output.json) writeJson(output, { ...asked, outcome, seconds: Number(seconds.toFixed(1)) } satisfies ScaleResult);
  else if (outcome === "ready") output.line(`${green("ready")} after ${seconds.toFixed(1)} s`);
  return exitCodes.ok;
}
