import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type CheckpointAction,
  type CheckpointSnapshot,
  planCheckpoints,
  type RunResult,
  type SeenCheckpoint,
  type SeenRun,
} from "./checkpoints.ts";

const noon = Date.UTC(2026, 10, 23, 12, 0, 0);
const minute = 60_000;

const base: CheckpointSnapshot = {
  swarm: "demo",
  createdAt: noon - minute,
  generation: 3,
  chainId: "ab".repeat(32),
  height: 0,
  held: "",
  policy: { schedule: undefined, everyBlocks: undefined, retention: 2, maxAge: 10 * minute, verify: true },
  checkpoints: [],
  runs: [],
  conditions: [],
};
const policy = base.policy!;

const asked = (name: string, of: Partial<SeenCheckpoint> = {}): SeenCheckpoint => ({
  name,
  uid: `uid-${name}`,
  generation: 1,
  createdAt: noon,
  scheduled: false,
  deleting: false,
  verify: true,
  destined: true,
  status: undefined,
  ...of,
});

const run = (checkpoint: string, createdAt: number, result?: RunResult): SeenRun => ({
  checkpoint,
  pod: `checkpoint-${checkpoint}`,
  podUid: `pod-${checkpoint}-${createdAt}`,
  deleting: false,
  createdAt,
  end: result && { at: createdAt + 1_000, result },
});

const written = (height: number): NonNullable<RunResult["written"]> => ({
  chainId: base.chainId,
  height,
  epoch: 0,
  stateRoot: "cd".repeat(32),
  manifest: `manifests/${height}.json`,
  manifestDigest: "ef".repeat(32),
  chunks: 3,
  bytes: 99,
  completedAt: noon + 2_000,
});
const verification = { verifiedAt: noon + 3_000, replayedTo: 24, stateRoot: "12".repeat(32) };

/** A small world: performs the plan, and a run ends as `results` say. */
function play(start: CheckpointSnapshot, results: readonly RunResult[], steps = 40) {
  let snapshot = start;
  let now = noon;
  let done = 0;
  const story: string[] = [];
  for (let i = 0; i < steps; i++) {
    const planned = planCheckpoints(snapshot, now);
    const checkpoints = snapshot.checkpoints.map((each) => ({
      ...each,
      status: planned.statuses.get(each.name) ?? each.status,
    }));
    snapshot = { ...snapshot, checkpoints, conditions: [planned.fresh] };
    for (const action of planned.actions) {
      story.push(action.kind === "start" ? `${action.command} ${action.checkpoint}` : wordsOf(action));
      snapshot = after(snapshot, action, now);
    }
    now += 1_000;
    const going = snapshot.runs.find(({ end }) => !end);
    if (going) {
      const result = results[done++] ?? { failure: { reason: "NoSource", message: "nobody answers" } };
      snapshot = { ...snapshot, runs: [{ ...going, end: { at: now, result } }] };
    }
    now += planned.actions.length === 0 ? Math.min(planned.requeueAfter ?? minute, minute) : 0;
  }
  return { snapshot, story, plan: planCheckpoints(snapshot, now), now };
}

const wordsOf = (action: CheckpointAction) =>
  action.kind === "create"
    ? `create ${action.name}`
    : action.kind === "delete"
      ? `delete ${action.checkpoint}`
      : action.kind;

function after(snapshot: CheckpointSnapshot, action: CheckpointAction, now: number): CheckpointSnapshot {
  const { checkpoints, runs } = snapshot;
  switch (action.kind) {
    case "create":
      return { ...snapshot, checkpoints: [...checkpoints, asked(action.name, { scheduled: true, createdAt: now })] };
    case "start":
      return { ...snapshot, runs: [...runs, run(action.checkpoint, now)] };
    case "end":
      return { ...snapshot, runs: runs.filter(({ podUid }) => podUid !== action.podUid) };
    case "delete":
      return { ...snapshot, checkpoints: checkpoints.filter(({ uid }) => uid !== action.uid) };
  }
}

const finding = (snapshot: CheckpointSnapshot, name: string) =>
  snapshot.checkpoints
    .find((each) => each.name === name)
    ?.status?.conditions.map(({ type, status, reason }) => `${type}=${status} ${reason}`);

describe("on demand", () => {
  test("a checkpoint that a person asked for is written, restored, and the pod taken away", () => {
    const { story, snapshot, plan } = play({ ...base, checkpoints: [asked("mine")] }, [
      { written: written(16), verification },
    ]);
    expect(story).toEqual(["take mine", "end"]);
    expect(finding(snapshot, "mine")).toEqual(["Complete=True Written", "Verified=True Restored"]);
    expect(plan.last).toMatchObject({ name: "mine", verified: true });
    expect(plan.actions).toEqual([]);
  });

  test("a run that finds nobody is tried again, and given up after five", () => {
    const { story, snapshot } = play({ ...base, checkpoints: [asked("mine")] }, []);
    expect(story.filter((each) => each === "take mine")).toHaveLength(5);
    expect(finding(snapshot, "mine")?.[0]).toBe("Complete=False NoSource");
  });

  test("written and not restorable: a verdict stays, an obstacle is tried again without writing anew", () => {
    const forged = { written: written(16), failure: { reason: "RootMismatch", message: "another root" } };
    const verdict = play({ ...base, checkpoints: [asked("mine")] }, [forged]);
    expect(verdict.story).toEqual(["take mine", "end"]);
    expect(finding(verdict.snapshot, "mine")).toEqual(["Complete=True Written", "Verified=False RootMismatch"]);
    const full = { written: written(16), failure: { reason: "ScratchFailed", message: "no space" } };
    const obstacle = play({ ...base, checkpoints: [asked("mine")] }, [full, { verification }]);
    expect(obstacle.story).toEqual(["take mine", "end", "verify mine", "end"]);
    expect(finding(obstacle.snapshot, "mine")?.[1]).toBe("Verified=True Restored");
  });

  test("without a destination it says so, and nothing is started; nor while the swarm is held", () => {
    const nowhere = play({ ...base, checkpoints: [asked("mine", { destined: false })] }, []);
    expect(nowhere.story).toEqual([]);
    expect(finding(nowhere.snapshot, "mine")?.[0]).toBe("Complete=False NoDestination");
    expect(play({ ...base, held: "the swarm sleeps", checkpoints: [asked("mine")] }, []).story).toEqual([]);
  });

  test("one run at a time, oldest first", () => {
    const two = [asked("younger", { createdAt: noon + 5 }), asked("older")];
    const good = { written: written(16), verification };
    expect(play({ ...base, checkpoints: two }, [good, good]).story).toEqual([
      "take older",
      "end",
      "take younger",
      "end",
    ]);
  });
});

describe("by the clock and by count", () => {
  test("a missed schedule makes one, for its last moment", () => {
    const start = { ...base, createdAt: noon - 60 * minute, policy: { ...policy, schedule: "*/10 * * * *" } };
    const { actions } = planCheckpoints(start, noon + 3 * minute);
    expect(actions).toMatchObject([{ kind: "create", name: "demo-20261123t120000z" }]);
  });

  test("every so many blocks, and none while the last one is still to be written", () => {
    const start = { ...base, height: 350, policy: { ...policy, everyBlocks: 100 } };
    expect(planCheckpoints(start, noon).actions).toMatchObject([{ kind: "create", name: "demo-h300" }]);
    const waiting = { ...start, checkpoints: [asked("demo-h200", { scheduled: true })] };
    expect(planCheckpoints(waiting, noon).actions).toMatchObject([{ kind: "start", checkpoint: "demo-h200" }]);
  });
});

describe("retention and freshness", () => {
  const complete = (name: string, height: number, at: number, verified: boolean) =>
    asked(name, {
      scheduled: true,
      createdAt: at,
      status: {
        observedGeneration: 1,
        attempts: 1,
        chainId: base.chainId,
        height,
        completedAt: new Date(at).toISOString(),
        conditions: [condition("Complete", true), condition("Verified", verified)],
      },
    });
  const condition = (type: "Complete" | "Verified", holds: boolean) => ({
    type,
    status: holds ? ("True" as const) : ("False" as const),
    reason: holds ? "Done" : "RootMismatch",
    message: "",
    observedGeneration: 1,
    lastTransitionTime: new Date(noon).toISOString(),
  });

  test("the last verified one is never deleted, whatever comes after it", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 12 }), fc.integer({ min: 1, max: 5 }), (verified, retention) => {
        const checkpoints = verified.map((each, i) => complete(`c${i}`, 8 * (i + 1), noon + i * minute, each));
        const { actions } = planCheckpoints(
          { ...base, policy: { ...policy, retention }, checkpoints },
          noon + 60 * minute,
        );
        const gone = new Set(actions.flatMap((action) => (action.kind === "delete" ? [action.checkpoint] : [])));
        const last = verified.lastIndexOf(true);
        expect(gone.has(`c${last}`)).toBe(false);
        const left = checkpoints.filter(({ name }) => !gone.has(name)).length;
        expect(left).toBeLessThanOrEqual(Math.min(checkpoints.length, retention + 1));
        expect(left).toBeGreaterThanOrEqual(Math.min(checkpoints.length, retention));
      }),
    );
  });

  test("fresh by the newest verified one, not by one that is only written", () => {
    const freshAt = (now: number, ...checkpoints: readonly SeenCheckpoint[]) =>
      planCheckpoints({ ...base, checkpoints }, now).fresh;
    expect(freshAt(noon)).toMatchObject({ status: "False", reason: "NoneYet" });
    expect(freshAt(noon, complete("a", 8, noon, true))).toMatchObject({ status: "True" });
    expect(
      freshAt(noon + 11 * minute, complete("a", 8, noon, true), complete("b", 16, noon + 10 * minute, false)),
    ).toMatchObject({
      status: "False",
      reason: "TooOld",
    });
    expect(planCheckpoints({ ...base, policy: undefined }, noon).fresh).toMatchObject({ status: "Unknown" });
  });
});
