/** Samples from the validators' own metrics endpoints, all asked at once. */
import { parseExposition } from "./exposition.ts";
import { metricsRead, type Reading, readingOf } from "./reading.ts";
import { fetchText, type Read, type SampleTarget } from "./source.ts";

const wanted = new Set(metricsRead);

export async function readEndpoints(targets: readonly SampleTarget[], signal: AbortSignal): Promise<Read> {
  const read = await Promise.all(targets.map((target) => readEndpoint(target, signal)));
  const reasons = read.flatMap((each) => (typeof each === "string" ? [each] : []));
  return {
    readings: read.flatMap((each) => (typeof each === "string" ? [] : [each])),
    problem: reasons.slice(0, 3).join(" "),
  };
}

/** A sentence when it could not be read. */
async function readEndpoint(target: SampleTarget, signal: AbortSignal): Promise<Reading | string> {
  const { seat, identity, podUid, metrics } = target;
  if (metrics === undefined) return `${identity} has no address for its metrics.`;
  const fetched = await fetchText(`http://${metrics}/metrics`, {}, signal);
  if (fetched.kind === "failed") return `The metrics endpoint of ${identity} ${fetched.reason}.`;
  const parsed = parseExposition(fetched.text, wanted);
  if (parsed.kind === "refused") return `The metrics of ${identity} cannot be read: ${parsed.reason}.`;
  return readingOf(seat, podUid, parsed.samples) ?? `${identity} serves no metrics of a validator that votes.`;
}
