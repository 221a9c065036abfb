/** What stands in the API of a swarm's checkpoints, put together without judgement. */
import { decodeOutcome } from "../../checkpoint/outcome.ts";
import {
  checkpointStatus,
  checkSwarmCheckpoint,
  type SwarmCheckpoint,
  type SwarmCheckpointStatus,
} from "../api/swarm-checkpoint.ts";
import type { ValidatorSwarmSpec } from "../api/validator-swarm.ts";
import { pods, swarmCheckpoints } from "../kube/kinds.ts";
import { keyOf, type StoredObject } from "../kube/objects.ts";
import type { Objects } from "../kube/watched.ts";
import { type Destination, runEnd } from "../objects/checkpoint.ts";
import { checkpointLabel, scheduledLabel } from "../objects/names.ts";
import type { CheckpointPolicy, RunResult, SeenCheckpoint, SeenRun } from "../plan/checkpoints.ts";

/** A SwarmCheckpoint that can be worked on. */
export interface ReadCheckpoint {
  readonly object: StoredObject;
  readonly spec: SwarmCheckpoint["spec"];
  readonly destination: Destination | undefined;
  readonly seen: SeenCheckpoint;
}

export interface ObservedCheckpoints {
  readonly checkpoints: readonly ReadCheckpoint[];
  readonly runs: readonly SeenRun[];
}

const ms = (text: string | undefined) => {
  const parsed = Date.parse(text ?? "");
  return Number.isNaN(parsed) ? 0 : parsed;
};

/** The swarm's own; an object that no schema takes is left out. */
export function observeCheckpoints(
  swarm: StoredObject,
  spec: ValidatorSwarmSpec,
  objects: Objects,
): ObservedCheckpoints {
  const key = keyOf(swarm);
  const checkpoints = objects.partsOf(swarmCheckpoints, key).flatMap((object) => read(object, spec) ?? []);
  const names = new Map(checkpoints.map(({ object }) => [object.metadata.uid, object.metadata.name]));
  const runs = objects.partsOf(pods, key).flatMap((pod) => readRun(pod, names) ?? []);
  return { checkpoints, runs };
}

function read(object: StoredObject, swarm: ValidatorSwarmSpec): ReadCheckpoint | undefined {
  const parsed = checkSwarmCheckpoint(object);
  if (parsed.kind === "invalid") return undefined;
  const { spec } = parsed.checkpoint;
  const destination = spec.destination ?? swarm.checkpoints?.destination;
  const { metadata } = object;
  const { name, uid, generation = 0, labels } = metadata;
  const seen: SeenCheckpoint = {
    name,
    uid,
    generation,
    createdAt: ms(metadata.creationTimestamp),
    scheduled: labels?.[scheduledLabel] === "true",
    deleting: metadata.deletionTimestamp !== undefined,
    verify: spec.verifyByRestore,
    destined: destination !== undefined,
    status: statusOf(object),
  };
  return { object, spec, destination, seen };
}

/** Undefined before the first visit, and when somebody else wrote into it: it is worked on anew. */
function statusOf(object: StoredObject): SwarmCheckpointStatus | undefined {
  return object["status"] === undefined ? undefined : checkpointStatus.safeParse(object["status"]).data;
}

function readRun(pod: StoredObject, names: ReadonlyMap<string, string>): SeenRun | undefined {
  const of = pod.metadata.labels?.[checkpointLabel];
  if (of === undefined) return undefined;
  const { name, uid, creationTimestamp, deletionTimestamp } = pod.metadata;
  const end = runEnd(pod);
  const result = end && resultOf(end.said);
  return {
    checkpoint: names.get(of) ?? "",
    pod: name,
    podUid: uid,
    deleting: deletionTimestamp !== undefined,
    createdAt: ms(creationTimestamp),
    end: end && result && { at: end.at, result },
  };
}

/** What a run's last words say. */
export const resultOf = (said: string): RunResult => decodeOutcome(said) ?? silent(said);

/** It died without a word of its own. */
const silent = (said: string) => ({
  failure: { reason: "RunFailed", message: said === "" ? "The run ended without a word." : said.slice(0, 1_024) },
});

/** Undefined: the spec asks for none. */
export function policyOf({ checkpoints }: ValidatorSwarmSpec): CheckpointPolicy | undefined {
  if (!checkpoints) return undefined;
  const { schedule, everyBlocks, retention, maxAgeSeconds, verifyByRestore } = checkpoints;
  return { schedule, everyBlocks, retention, maxAge: maxAgeSeconds * 1_000, verify: verifyByRestore };
}
