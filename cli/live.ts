/** What validators say about themselves right now: from their metrics, asked one by one, for display only. */
import { pods } from "../operator/kube/kinds.ts";
import { boundedLines } from "../operator/kube/lines.ts";
import { pathOf, type StoredObject } from "../operator/kube/objects.ts";
import { noSignal } from "./ask.ts";
import { addressHere } from "./find.ts";
import { podsOf } from "./report.ts";
import type { World } from "./world.ts";

/** One validator's word. */
export interface LiveFigures {
  /** Newest final block, blocks. */
  readonly height: number;
  readonly quarantined: boolean;
  /** Regions that settlement does not wait for. */
  readonly degradedRegions: readonly string[];
}

const askMs = 2_000;
const maxLineBytes = 64 << 10;
const mostLines = 10_000;
const atOnce = 16;
/** Port `metrics` of a validator's pod. */
const metricsPort = 7_102;

/**
 * Asks the validators of a swarm; by pod. Those that do not answer in time, or may not be asked, are left out. On this
 * machine they are asked where their pods listen, in a cluster through the API server (`pods/proxy`).
 */
export async function askValidators(
  world: World,
  swarm: string,
  owned: readonly StoredObject[],
): Promise<ReadonlyMap<string, LiveFigures>> {
  const found = new Map<string, LiveFigures>();
  const open = [...podsOf(swarm, owned, "validator")];
  const work = async () => {
    for (let pod = open.pop(); pod !== undefined; pod = open.pop()) {
      const { name } = pod.metadata;
      const here = addressHere(world, pod, "metrics");
      const lines = here === undefined ? linesOfPod(world, name) : linesAt(`${here}/metrics`);
      const figures = await readFigures(lines);
      if (figures) found.set(name, figures);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return found;
}

async function* linesAt(url: string): AsyncGenerator<string, void, void> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(askMs) });
    if (!response.ok || response.body === null) return;
    for await (const item of boundedLines(buffers(response.body), maxLineBytes, () => {}))
      if (item.kind === "line") yield item.text;
  } catch {
    // It does not answer: there is nothing to show.
  }
}

async function* buffers(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, void> {
  for await (const chunk of chunks) yield Buffer.from(chunk);
}

async function* linesOfPod({ api, namespace }: World, name: string): AsyncGenerator<string, void, void> {
  const answer = await api.stream({
    method: "GET",
    path: `${pathOf(pods, namespace, `${name}:${metricsPort}`)}/proxy/metrics`,
    signal: noSignal,
    deadlineMs: askMs,
    idleMs: askMs,
  });
  if (answer.kind === "failed") return;
  for await (const item of answer.items) if (item.kind === "line") yield item.text;
}

/** Undefined when there is no height among the lines. */
async function readFigures(lines: AsyncIterable<string>): Promise<LiveFigures | undefined> {
  let height: number | undefined;
  let quarantined = false;
  const degradedRegions: string[] = [];
  let read = 0;
  for await (const line of lines) {
    if (++read > mostLines) break;
    const [, name, labels = "", figure = ""] = /^([a-z_]+)(?:\{(.*)\})? (\S+)/.exec(line) ?? [];
    const value = Number(figure);
    if (name === "consensus_height" && labels.includes('state="final"') && Number.isSafeInteger(value) && value >= 0)
      height = value;
    else if (name === "consensus_quarantined") quarantined = value === 1;
    else if (name === "coverage_degraded" && value === 1) {
      const [, region] = /(?:^|,)region="([^"\\]*)"/.exec(labels) ?? [];
      if (region !== undefined) degradedRegions.push(region);
    }
  }
  return height === undefined ? undefined : { height, quarantined, degradedRegions };
}
