/** Writes down where a pod stands, as the Kubernetes API says it. Pure. */
import { arrayAt, isRecord, type JsonRecord, textAt } from "../../kube/objects.ts";
import { type Terminated, timestamp } from "./exit.ts";

/** What the kubelet knows of a container. Times: milliseconds since 1970. */
export type ContainerState =
  /** Not running, and about to: `reason` as Kubernetes has it (ContainerCreating, CrashLoopBackOff, ImagePullBackOff, …). */
  | { readonly kind: "waiting"; readonly reason: string; readonly message: string }
  | { readonly kind: "running"; readonly pid: number; readonly since: number }
  /** Ended; whether for good is another question (`final`). */
  | { readonly kind: "terminated"; readonly end: Terminated };

export interface PodFacts {
  readonly containerName: string;
  readonly image: string;
  readonly imageId: string;
  readonly state: ContainerState;
  /** This pod starts nothing any more: a phase of the end is one for ever. */
  readonly final: boolean;
  /** How it ended the last time, if it did. */
  readonly lastEnd: Terminated | undefined;
  readonly restarts: number;
  readonly ready: boolean;
  /** What the last probe said, when it is not ready. */
  readonly unreadyWhy: string;
  /** "" when it has a node, else why it has none. */
  readonly unscheduled: string;
}

/** A complete `status`. `previous` is the one before: conditions that did not change keep their time. */
export function podStatus(facts: PodFacts, previous: unknown, nowMs: number): JsonRecord {
  const now = timestamp(nowMs);
  const { state } = facts;
  const ready = facts.ready && state.kind === "running";
  const ran = state.kind !== "waiting" || facts.lastEnd !== undefined;
  const phase =
    state.kind === "terminated" && facts.final
      ? state.end.exitCode === 0
        ? "Succeeded"
        : "Failed"
      : ran
        ? "Running"
        : "Pending";
  const names = `[${facts.containerName}]`;
  const unready = {
    status: "False",
    reason: state.kind === "terminated" ? "PodCompleted" : "ContainersNotReady",
    message: `containers with unready status: ${names}${facts.unreadyWhy === "" ? "" : ` (${facts.unreadyWhy})`}`,
  };
  const scheduled =
    facts.unscheduled === ""
      ? { status: "True" }
      : { status: "False", reason: "Unschedulable", message: facts.unscheduled };
  const conditions = [
    { type: "PodScheduled", ...scheduled },
    { type: "Initialized", status: facts.unscheduled === "" ? "True" : "False" },
    { type: "ContainersReady", ...(ready ? { status: "True" } : unready) },
    { type: "Ready", ...(ready ? { status: "True" } : unready) },
  ].map((condition) => ({ ...condition, lastTransitionTime: since(condition, previous) ?? now }));
  const address = facts.unscheduled === "" ? "127.0.0.1" : null;
  return {
    phase,
    conditions,
    hostIP: address,
    podIP: address,
    podIPs: address === null ? null : [{ ip: address }],
    startTime: facts.unscheduled === "" ? textAt(previous, "startTime") || now : null,
    // One that never had a node says, too, that nothing of it runs.
    containerStatuses:
      facts.unscheduled === "" || facts.final
        ? [
            {
              name: facts.containerName,
              image: facts.image,
              imageID: facts.imageId,
              ready,
              started: state.kind === "running",
              restartCount: facts.restarts,
              state: stateOf(state),
              ...(facts.lastEnd ? { lastState: { terminated: facts.lastEnd } } : {}),
              ...(state.kind === "running" ? { containerID: `process://${state.pid}` } : {}),
            },
          ]
        : null,
  };
}

function stateOf(state: ContainerState): JsonRecord {
  switch (state.kind) {
    case "waiting":
      return { waiting: { reason: state.reason, message: state.message } };
    case "running":
      return { running: { startedAt: timestamp(state.since) } };
    case "terminated":
      return { terminated: state.end };
  }
}

/** When the condition came to have its status; undefined when it has another now. */
function since(condition: { readonly type: string; readonly status: string }, previous: unknown): string | undefined {
  const before = arrayAt(previous, "conditions").find((one) => textAt(one, "type") === condition.type);
  return isRecord(before) && before["status"] === condition.status
    ? textAt(before, "lastTransitionTime") || undefined
    : undefined;
}

/** Whether the pod's `Ready` condition is true. */
export function isReady(status: unknown): boolean {
  return arrayAt(status, "conditions").some(
    (condition) => textAt(condition, "type") === "Ready" && textAt(condition, "status") === "True",
  );
}

/** Whether the pod has ended for good. */
export function isOver(status: unknown): boolean {
  return ["Succeeded", "Failed"].includes(textAt(status, "phase"));
}
