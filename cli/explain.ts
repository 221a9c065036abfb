/** `swarm explain NAME`: what the operator would do next, why, and what blocks it. */
import { explanationName, explanationText, readExplanation } from "../operator/api/explanation.ts";
import { configMaps, validatorSwarms } from "../operator/kube/kinds.ts";
import { bold, dim, yellow } from "../operator/terminal.ts";
import { getObject } from "./ask.ts";
import { type ExitCode, exitCodes } from "./exit.ts";
import { type Output, writeJson } from "./output.ts";
import type { ExplainResult } from "./shapes.ts";
import type { World } from "./world.ts";

/** Reads what the operator published with its last plan. */
export async function explain(world: World, name: string, output: Output): Promise<ExitCode> {
  const [swarm, published] = await Promise.all([
    getObject(world, validatorSwarms, name, `swarm ${name}`),
    getObject(world, configMaps, explanationName(name), `explanation of swarm ${name}`),
  ]);
  if (swarm.kind === "failed") {
    output.error(swarm.reason);
    return swarm.code;
  }
  if (published.kind === "failed") {
    output.error(
      published.code === exitCodes.notFound
        ? `The operator has not planned for ${name} yet. Does an operator run at ${world.name}?`
        : published.reason,
    );
    return published.code;
  }
  const explanation = readExplanation(published.object["data"]);
  if (explanation === undefined) {
    output.error(
      `The ConfigMap ${explanationName(name)} holds no explanation. The operator writes it at its next plan.`,
    );
    return exitCodes.failed;
  }
  const observed = explanation.generation === swarm.object.metadata.generation;
  if (output.json) {
    writeJson(output, { name, namespace: world.namespace, observed, ...explanation } satisfies ExplainResult);
    return exitCodes.ok;
  }
  output.line(`${bold(name)}  ${dim(`namespace ${world.namespace}`)}`);
  if (!observed) output.line(yellow("This is of an older spec: the operator has not looked at the newest one yet."));
  output.line(explanationText(explanation));
  return exitCodes.ok;
}
