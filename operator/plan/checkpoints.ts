/**
 * Checkpoints kept outside the volumes: which are to be made, run again, given up or deleted. A plan of its own beside
 * that of the seats: it takes no power, so it needs no permit. Pure, like that one.
 */
import { Cron } from "croner";
import type { SwarmCheckpointStatus } from "../api/swarm-checkpoint.ts";
import type { Condition } from "./snapshot.ts";
import { timeText } from "./time.ts";

/** What the spec asks for. Times in ms. */
export interface CheckpointPolicy {
  /** Five cron fields, UTC. */
  readonly schedule: string | undefined;
  readonly everyBlocks: number | undefined;
  /** Newest of those made from here that stay. */
  readonly retention: number;
  readonly maxAge: number;
  readonly verify: boolean;
}

/** A SwarmCheckpoint as it stands. */
export interface SeenCheckpoint {
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  /** ms since the Unix epoch. */
  readonly createdAt: number;
  /** Made from the swarm's `checkpoints`, by clock or by count: retention deletes it. */
  readonly scheduled: boolean;
  readonly deleting: boolean;
  readonly verify: boolean;
  /** It has somewhere to go. */
  readonly destined: boolean;
  readonly status: SwarmCheckpointStatus | undefined;
}

/** What a run's pod said at its end (checkpoint/outcome.ts). */
export interface RunResult {
  readonly written?:
    | undefined
    | {
        readonly chainId: string;
        readonly height: number;
        readonly epoch: number;
        readonly stateRoot: string;
        readonly manifest: string;
        readonly manifestDigest: string;
        readonly chunks: number;
        readonly bytes: number;
        readonly completedAt: number;
      };
  readonly verification?:
    | undefined
    | { readonly verifiedAt: number; readonly replayedTo: number; readonly stateRoot: string };
  readonly failure?: undefined | { readonly reason: string; readonly message: string };
}

/** A pod that works on a checkpoint. */
export interface SeenRun {
  readonly checkpoint: string;
  readonly pod: string;
  readonly podUid: string;
  readonly deleting: boolean;
  /** ms since the Unix epoch. */
  readonly createdAt: number;
  readonly end: { readonly at: number; readonly result: RunResult } | undefined;
}

export interface CheckpointSnapshot {
  readonly swarm: string;
  /** ms since the Unix epoch. */
  readonly createdAt: number;
  readonly generation: number;
  /** Hexadecimal; "" before genesis. */
  readonly chainId: string;
  /** Newest proven height. */
  readonly height: number;
  /** Why no run may be started now; "": one may. */
  readonly held: string;
  readonly policy: CheckpointPolicy | undefined;
  readonly checkpoints: readonly SeenCheckpoint[];
  readonly runs: readonly SeenRun[];
  /** Of the swarm. */
  readonly conditions: readonly Condition[];
}

export type CheckpointAction =
  | { readonly kind: "create"; readonly name: string; readonly verify: boolean; readonly message: string }
  | {
      readonly kind: "start";
      readonly checkpoint: string;
      /** `take` writes it, `verify` restores what was written. */
      readonly command: "take" | "verify";
      readonly message: string;
    }
  | { readonly kind: "end"; readonly pod: string; readonly podUid: string; readonly message: string }
  | { readonly kind: "delete"; readonly checkpoint: string; readonly uid: string; readonly message: string };

export interface CheckpointPlan {
  /** Statuses that are to be written, before any action; by the checkpoint's name. */
  readonly statuses: ReadonlyMap<string, SwarmCheckpointStatus>;
  readonly actions: readonly CheckpointAction[];
  /** The newest that is complete. */
  readonly last:
    | { readonly name: string; readonly status: SwarmCheckpointStatus; readonly verified: boolean }
    | undefined;
  /** `CheckpointFresh` of the swarm. */
  readonly fresh: Condition;
  /** ms; undefined: nothing is waited for by the clock. */
  readonly requeueAfter: number | undefined;
}

/** Runs for one checkpoint before it is given up. */
const mostAttempts = 5;
/** Between the end of a run that failed and the next, ms. */
const retryMs = 15_000;
/** A run that is not over by then is ended, ms: beyond its own limit. */
const longestRunMs = 4_500_000;
/** How often the chain's height is compared with `everyBlocks`, ms. */
const countEveryMs = 5_000;
/** Longest wait until the clock is looked at again, ms. */
const longestWaitMs = 3_600_000;

export function planCheckpoints(snapshot: CheckpointSnapshot, now: number): CheckpointPlan {
  const { checkpoints, runs } = snapshot;
  const statuses = new Map<string, SwarmCheckpointStatus>();
  const after = checkpoints.map((checkpoint): SeenCheckpoint => {
    const run = runs.find((each) => each.checkpoint === checkpoint.name && !each.deleting);
    const status = statusAfter(snapshot, checkpoint, run, now);
    if (JSON.stringify(status) !== JSON.stringify(checkpoint.status)) statuses.set(checkpoint.name, status);
    return { ...checkpoint, status };
  });
  const complete = after
    .filter(({ deleting, status }) => !deleting && isTrue(status, "Complete"))
    .toSorted((a, b) => (a.status?.height ?? 0) - (b.status?.height ?? 0) || (a.name < b.name ? -1 : 1));
  const newest = complete.at(-1);
  const actions = [
    ...endings(snapshot, after, now),
    ...due(snapshot, after, now),
    ...starts(snapshot, after),
    ...expired(snapshot, after),
  ];
  return {
    statuses,
    actions,
    last: newest?.status && { name: newest.name, status: newest.status, verified: isTrue(newest.status, "Verified") },
    fresh: freshness(snapshot, complete, now),
    requeueAfter: nextLook(snapshot, after, now),
  };
}

/** What becomes of a checkpoint by what its run says. A verdict, once there, stays. */
function statusAfter(
  { chainId }: CheckpointSnapshot,
  checkpoint: SeenCheckpoint,
  run: SeenRun | undefined,
  now: number,
): SwarmCheckpointStatus {
  const { generation, verify, destined } = checkpoint;
  const before: SwarmCheckpointStatus = checkpoint.status ?? {
    observedGeneration: 0,
    conditions: [],
    chainId: "",
    attempts: 0,
  };
  const set = (status: SwarmCheckpointStatus, ...findings: readonly Finding[]): SwarmCheckpointStatus => ({
    ...status,
    observedGeneration: generation,
    conditions: findings.map((finding) => conditionOf(status.conditions, finding, generation, now)),
  });
  const known = (type: "Complete" | "Verified", fallback: Finding): Finding =>
    before.conditions.find((each) => each.type === type) ?? fallback;
  const unverified: Finding = verify
    ? { type: "Verified", status: "Unknown", reason: "NotYet", message: "It is restored once it is written." }
    : { type: "Verified", status: "Unknown", reason: "NotAsked", message: "spec.verifyByRestore is false." };
  const pending: Finding = { type: "Complete", status: "Unknown", reason: "Pending", message: "No run has begun." };
  const complete = known("Complete", pending);
  const verified = known("Verified", unverified);
  if (!destined)
    return set(
      before,
      no("Complete", "NoDestination", "Set spec.destination, or checkpoints.destination of the swarm."),
      verified,
    );
  if (!run) return set(before, complete, verified);
  // It may be over when it is first seen.
  const counted = isRunCounted(before, run)
    ? before
    : { ...before, chainId, attempts: before.attempts + 1, startedAt: timeText(run.createdAt) };
  if (!run.end) {
    if (complete.status === "True") return set(counted, complete, verified);
    const message = `Run ${counted.attempts} of ${mostAttempts} is under way in the pod ${run.pod}.`;
    return set(counted, { type: "Complete", status: "Unknown", reason: "Running", message }, verified);
  }
  const { written, verification, failure } = run.end.result;
  let status = counted;
  let done: Finding = complete;
  if (written) {
    const { completedAt, ...fields } = written;
    status = { ...status, ...fields, completedAt: timeText(completedAt) };
    done = {
      type: "Complete",
      status: "True",
      reason: "Written",
      message: `Height ${written.height}: ${written.chunks} chunks, ${written.bytes} bytes, read back.`,
    };
  } else if (complete.status !== "True" && failure) done = no("Complete", failure.reason, failure.message);
  let proven: Finding = verified;
  if (verification) {
    const { verifiedAt, replayedTo, stateRoot } = verification;
    status = { ...status, verification: { verifiedAt: timeText(verifiedAt), replayedTo, stateRoot } };
    const message = `Restored, and replayed to height ${replayedTo} with the certified root.`;
    proven = { type: "Verified", status: "True", reason: "Restored", message };
  } else if (done.status === "True" && failure && verified.status !== "True")
    proven = no("Verified", failure.reason, failure.message);
  return set(status, done, proven);
}

const isRunCounted = (status: SwarmCheckpointStatus, run: SeenRun) => status.startedAt === timeText(run.createdAt);

/** Pods whose word is kept, whose checkpoint is gone, or that take too long. */
function endings(
  { runs }: CheckpointSnapshot,
  checkpoints: readonly SeenCheckpoint[],
  now: number,
): readonly CheckpointAction[] {
  return runs
    .filter(({ deleting }) => !deleting)
    .flatMap((run): CheckpointAction[] => {
      const { pod, podUid, end, createdAt } = run;
      const checkpoint = checkpoints.find(({ name }) => name === run.checkpoint);
      const action = { kind: "end", pod, podUid } as const;
      if (!checkpoint || checkpoint.deleting)
        return [{ ...action, message: `${run.checkpoint} is not wanted any more.` }];
      if (end && now >= end.at + (isFailed(end.result) ? retryMs : 0))
        return [{ ...action, message: `What the run for ${run.checkpoint} came to is in its status.` }];
      if (!end && now >= createdAt + longestRunMs)
        return [{ ...action, message: `The run for ${run.checkpoint} takes too long.` }];
      return [];
    });
}

const isFailed = ({ failure }: RunResult) => failure !== undefined;

/** Refusals of what was written: running again would say the same. */
const verdicts: ReadonlySet<string> = new Set([
  "Corrupted",
  "Truncated",
  "Forged",
  "AnotherChain",
  "UnknownVersion",
  "RootMismatch",
]);

/** What is left to do for a checkpoint: undefined when nothing, or when it was given up. */
function commandFor({ deleting, destined, verify, status }: SeenCheckpoint): "take" | "verify" | undefined {
  if (deleting || !destined || (status?.attempts ?? 0) >= mostAttempts) return undefined;
  if (!isTrue(status, "Complete")) return "take";
  const verified = status?.conditions.find(({ type }) => type === "Verified");
  if (!verify || verified?.status === "True" || verdicts.has(verified?.reason ?? "")) return undefined;
  return "verify";
}

/** One run at a time: the destination's volume is mounted once, and a validator serves one reader. */
function starts(snapshot: CheckpointSnapshot, checkpoints: readonly SeenCheckpoint[]): readonly CheckpointAction[] {
  if (snapshot.held !== "" || snapshot.runs.length > 0) return [];
  const waiting = checkpoints.toSorted((a, b) => a.createdAt - b.createdAt || (a.name < b.name ? -1 : 1));
  for (const checkpoint of waiting) {
    const command = commandFor(checkpoint);
    if (!command) continue;
    const message = command === "take" ? `${checkpoint.name} is written.` : `${checkpoint.name} is restored.`;
    return [{ kind: "start", checkpoint: checkpoint.name, command, message }];
  }
  return [];
}

/** By the clock and by count. Names come from what they are made for: asked twice, nothing is made twice. */
function due(
  snapshot: CheckpointSnapshot,
  checkpoints: readonly SeenCheckpoint[],
  now: number,
): readonly CheckpointAction[] {
  const { policy, swarm, held } = snapshot;
  if (!policy || held !== "") return [];
  const scheduled = checkpoints.filter((each) => each.scheduled && !each.deleting);
  // A chain that cannot be read makes no heap of requests.
  if (scheduled.some((each) => commandFor(each) === "take")) return [];
  const actions: CheckpointAction[] = [];
  const add = (name: string, message: string) => {
    if (!checkpoints.some((each) => each.name === name))
      actions.push({ kind: "create", name, verify: policy.verify, message });
  };
  const moment = lastMoment(snapshot, scheduled, now);
  if (moment !== undefined)
    add(
      `${swarm}-${timeText(moment).replaceAll(/[-:]/g, "").toLowerCase()}`,
      `The schedule asks for one at ${timeText(moment)}.`,
    );
  const height = dueHeight(snapshot, checkpoints);
  if (height !== undefined && actions.length === 0)
    add(
      `${swarm}-h${height}`,
      `The chain has passed height ${height}, and one is made every ${policy.everyBlocks} blocks.`,
    );
  return actions;
}

/** The newest moment of the schedule since the last one that was made; of those missed, the last alone. */
function lastMoment(
  { policy, createdAt }: CheckpointSnapshot,
  scheduled: readonly SeenCheckpoint[],
  now: number,
): number | undefined {
  const cron = cronOf(policy);
  const since = scheduled.reduce((latest, each) => Math.max(latest, each.createdAt), createdAt);
  const [moment] = cron?.previousRuns(1, new Date(now)) ?? [];
  return moment && moment.getTime() > since && moment.getTime() <= now ? moment.getTime() : undefined;
}

function cronOf(policy: CheckpointPolicy | undefined): Cron | undefined {
  return policy?.schedule === undefined ? undefined : new Cron(policy.schedule, { timezone: "UTC", paused: true });
}

function dueHeight({ policy, height }: CheckpointSnapshot, checkpoints: readonly SeenCheckpoint[]): number | undefined {
  const every = policy?.everyBlocks;
  if (every === undefined) return undefined;
  const last = checkpoints.reduce((most, { status }) => Math.max(most, status?.height ?? 0), 0);
  const next = Math.floor(height / every) * every;
  return next > 0 && next > last && height >= last + every ? next : undefined;
}

/** Older ones made from here than `retention` goes, but the last verified one never. */
function expired({ policy }: CheckpointSnapshot, checkpoints: readonly SeenCheckpoint[]): readonly CheckpointAction[] {
  if (!policy) return [];
  const byAge = checkpoints
    .filter(({ deleting }) => !deleting)
    .toSorted((a, b) => b.createdAt - a.createdAt || (a.name < b.name ? 1 : -1));
  const lastVerified = byAge
    .filter(({ status }) => isTrue(status, "Verified"))
    .toSorted((a, b) => (b.status?.height ?? 0) - (a.status?.height ?? 0))[0];
  return byAge
    .filter(({ scheduled }) => scheduled)
    .slice(policy.retention)
    .filter((each) => each.uid !== lastVerified?.uid)
    .map(({ name, uid }) => ({
      kind: "delete",
      checkpoint: name,
      uid,
      message: `${name} is older than the ${policy.retention} that are kept.`,
    }));
}

function freshness(
  { policy, generation, conditions }: CheckpointSnapshot,
  complete: readonly SeenCheckpoint[],
  now: number,
): Condition {
  const set = (status: Condition["status"], reason: string, message: string) =>
    conditionOf(conditions, { type: "CheckpointFresh", status, reason, message }, generation, now);
  if (!policy) return set("Unknown", "NotScheduled", "spec.checkpoints asks for none outside the validators' volumes.");
  const counting = policy.verify ? complete.filter(({ status }) => isTrue(status, "Verified")) : complete;
  const newest = counting.at(-1);
  const at = Date.parse(newest?.status?.completedAt ?? "");
  const seconds = Math.round(policy.maxAge / 1_000);
  if (!newest || Number.isNaN(at)) {
    const failed = complete
      .at(-1)
      ?.status?.conditions.find(({ type, status }) => type === "Verified" && status === "False");
    if (failed) return set("False", failed.reason, failed.message);
    return set("False", "NoneYet", `There is no ${policy.verify ? "verified" : "complete"} checkpoint yet.`);
  }
  if (now - at > policy.maxAge)
    return set(
      "False",
      "TooOld",
      `${newest.name}, the newest, is older than ${seconds} s. Look at its SwarmCheckpoints.`,
    );
  return set("True", "Fresh", `${newest.name} is of height ${newest.status?.height} and younger than ${seconds} s.`);
}

function nextLook(
  snapshot: CheckpointSnapshot,
  checkpoints: readonly SeenCheckpoint[],
  now: number,
): number | undefined {
  const { policy, runs } = snapshot;
  const waits = runs.flatMap(({ end, createdAt }) =>
    end ? [end.at + retryMs - now] : [createdAt + longestRunMs - now],
  );
  if (policy?.everyBlocks !== undefined) waits.push(countEveryMs);
  const next = cronOf(policy)?.nextRun(new Date(now));
  if (next) waits.push(next.getTime() - now);
  if (policy) waits.push(policy.maxAge);
  if (snapshot.held !== "" && checkpoints.some((each) => commandFor(each))) waits.push(countEveryMs);
  if (waits.length === 0) return undefined;
  return Math.min(longestWaitMs, Math.max(1_000, Math.min(...waits)));
}

type Finding = Pick<SwarmCheckpointStatus["conditions"][number] | Condition, "status" | "reason" | "message"> & {
  readonly type: string;
};

const no = (type: "Complete" | "Verified", reason: string, message: string): Finding => ({
  type,
  status: "False",
  reason,
  message,
});

/** Keeps the moment of the last change. */
function conditionOf<Type extends string>(
  before: readonly { readonly type: Type; readonly status: string; readonly lastTransitionTime: string }[],
  { type, status, reason, message }: Finding,
  generation: number,
  now: number,
) {
  const old = before.find((each) => each.type === type);
  return {
    type: type as Type,
    status,
    reason,
    message,
    observedGeneration: generation,
    lastTransitionTime: old?.status === status ? old.lastTransitionTime : timeText(now),
  };
}

function isTrue(status: SwarmCheckpointStatus | undefined, type: "Complete" | "Verified"): boolean {
  return status?.conditions.some((each) => each.type === type && each.status === "True") ?? false;
}
