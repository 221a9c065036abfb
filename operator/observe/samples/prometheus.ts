/**
 * Samples from a Prometheus that scrapes the validators: one instant query for the raw series of all of them, which are
 * compared exactly as those of their endpoints are. Series carry `namespace` and `pod`, as a PodMonitor's do.
 */
import { z } from "zod";
import { numberOf, type Sample } from "./exposition.ts";
import { metricsRead, readingOf } from "./reading.ts";
import { fetchText, type Read, type SampleSource, type SampleTarget } from "./source.ts";

/** The answer to an instant query (Prometheus HTTP API v1). */
const answer = z.object({
  status: z.literal("success"),
  data: z.object({
    resultType: z.literal("vector"),
    result: z
      .array(z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) }))
      .max(100_000),
  }),
});

/** The query that one round asks. Names are those of Kubernetes objects: nothing in them is special to a pattern but dots. */
export function queryFor(namespace: string, targets: readonly SampleTarget[]): string {
  const pods = targets.map(({ identity }) => identity.replaceAll(".", "\\\\.")).join("|");
  return `{__name__=~"${metricsRead.join("|")}",namespace="${namespace}",pod=~"${pods}"}`;
}

/** `url`: of the server, without `/api/v1`. */
export function prometheusSource(url: string, namespace: string): SampleSource {
  return async (targets, signal): Promise<Read> => {
    if (targets.length === 0) return { readings: [], problem: "" };
    const body = new URLSearchParams({ query: queryFor(namespace, targets) });
    const fetched = await fetchText(`${url.replace(/\/+$/, "")}/api/v1/query`, { method: "POST", body }, signal);
    if (fetched.kind === "failed") return { readings: [], problem: `Prometheus ${fetched.reason}.` };
    const parsed = answer.safeParse(jsonOf(fetched.text));
    if (!parsed.success) return { readings: [], problem: "Prometheus answered no vector of samples." };
    const samples = samplesByPod(parsed.data.data.result);
    const readings = targets.flatMap(
      ({ seat, podUid, identity }) => readingOf(seat, podUid, samples.get(identity) ?? []) ?? [],
    );
    const missing = targets.filter(({ seat }) => readings.every((each) => each.seat !== seat));
    return {
      readings,
      problem:
        missing.length === 0
          ? ""
          : `Prometheus has no samples of ${missing.map(({ identity }) => identity).join(", ")}.`,
    };
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function samplesByPod(result: z.infer<typeof answer>["data"]["result"]): ReadonlyMap<string, readonly Sample[]> {
  const pods = new Map<string, Sample[]>();
  for (const {
    metric,
    value: [, text],
  } of result) {
    const { __name__: name = "", pod = "", ...labels } = metric;
    const value = numberOf(text);
    if (value === undefined) continue;
    const own = pods.get(pod) ?? [];
    pods.set(pod, own);
    own.push({ name, labels, value });
  }
  return pods;
}
