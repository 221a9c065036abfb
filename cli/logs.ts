/** `swarm logs SEAT|POD` */
import { pods } from "../operator/kube/kinds.ts";
import { pathOf, type StoredObject } from "../operator/kube/objects.ts";
import { getObject, listObjects, noSignal, requestMs } from "./ask.ts";
import { type ExitCode, exitCodes } from "./exit.ts";
import { type Failed, failed, failureOf } from "./failures.ts";
import { type Output, writeJson } from "./output.ts";
import { seatLabel } from "./report.ts";
import type { LogLine } from "./shapes.ts";
import type { World } from "./world.ts";

export interface LogsOptions {
  readonly follow: boolean;
  readonly previous: boolean;
  /** Lines from the end; all when absent. */
  readonly tail?: number;
}

/** A quiet validator says nothing for long. */
const followIdleMs = 12 * 3_600_000;

/** Copies a pod's log to the output, line by line. */
export async function logs(world: World, target: string, options: LogsOptions, output: Output): Promise<ExitCode> {
  const report = ({ code, reason }: Failed): ExitCode => {
    output.error(reason);
    return code;
  };
  const found = await findPod(world, target);
  if (found.kind === "failed") return report(found);
  const pod = found.object.metadata.name;
  const answer = await world.api.stream({
    method: "GET",
    path: pathOf(pods, world.namespace, pod, "log"),
    query: {
      follow: options.follow ? true : undefined,
      previous: options.previous ? true : undefined,
      tailLines: options.tail,
    },
    signal: noSignal,
    deadlineMs: requestMs,
    idleMs: options.follow ? followIdleMs : requestMs,
  });
  const refused = (failure: Parameters<typeof failureOf>[1]) => {
    const why = failureOf(world, failure, `log of pod ${pod}`);
    // The request was right: the container has not started, or there was none before it.
    return report(failure.status === 400 ? failed(exitCodes.failed, why.reason) : why);
  };
  if (answer.kind === "failed") return refused(answer.failure);
  for await (const item of answer.items) {
    if (item.kind === "line")
      if (output.json) writeJson(output, { pod, line: item.text } satisfies LogLine);
      else output.line(item.text);
    else if (item.kind === "failed") return refused(item.failure);
  }
  return exitCodes.ok;
}

/** The pod of that name, or the one that holds the seat: the newest identity that is not on its way out. */
async function findPod(
  world: World,
  target: string,
): Promise<{ readonly kind: "got"; readonly object: StoredObject } | Failed> {
  const named = await getObject(world, pods, target, `pod ${target}`);
  if (named.kind === "got" || named.code !== exitCodes.notFound) return named;
  const listed = await listObjects(world, pods, seatLabel);
  if (listed.kind === "failed") return listed;
  const seatOf = ({ metadata }: StoredObject) => metadata.labels?.[seatLabel] ?? "";
  const generationOf = ({ metadata }: StoredObject) => Number(metadata.labels?.["validatorswarm.io/generation"] ?? "0");
  const leaves = ({ metadata }: StoredObject) => Number(metadata.deletionTimestamp !== undefined);
  const [best] = listed.objects
    .filter((pod) => seatOf(pod) === target)
    .toSorted((a, b) => leaves(a) - leaves(b) || generationOf(b) - generationOf(a));
  if (best) return { kind: "got", object: best };
  const seats = [...new Set(listed.objects.map(seatOf))].filter((seat) => seat !== "");
  return failed(
    exitCodes.notFound,
    `There is no seat or pod ${target} in namespace ${world.namespace} of ${world.name}.${seats.length > 0 ? ` Seats: ${seats.join(", ")}.` : ""}`,
  );
}
