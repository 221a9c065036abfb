/** What the kubelet remembers of one pod while it has to do with it. */
import {
  arrayAt,
  isRecord,
  type JsonRecord,
  keyOf,
  numberAt,
  type ObjectKey,
  type StoredObject,
} from "../../kube/objects.ts";
import { readTerminated, type Terminated, unknownEnd } from "./exit.ts";
import { type ContainerState, isOver } from "./pod-status.ts";
import type { Probe } from "./probes.ts";

export interface Run {
  readonly uid: string;
  readonly key: ObjectKey;
  /** Its name in the process runtime. Pods of one name follow each other, they never run together. */
  readonly process: string;
  readonly log: string;
  state: ContainerState;
  /** When its process ended by itself, ms since 1970; undefined once it was started again. */
  crashedAt: number | undefined;
  lastEnd: Terminated | undefined;
  /** Where its process leaves its last words. */
  messageFile: string | undefined;
  restarts: number;
  /** Short lives in a row. */
  failures: number;
  imageId: string;
  ready: boolean;
  unreadyWhy: string;
  unscheduled: string;
  probes: readonly Probe[];
  ending: Ending | undefined;
  /** Nothing of this pod is started any more. */
  final: boolean;
  /** The API was told that nothing is left of it. */
  removed: boolean;
  /** The status it was last told to have. */
  told: JsonRecord | undefined;
}

export interface Ending {
  readonly graceMs: number;
  /** Nothing of it runs any more. */
  readonly over: boolean;
}

/** A pod seen for the first time. One that ran under an earlier kubelet ended with it: what runs next is a restart. */
export function adoptRun(pod: StoredObject, log: string): Run {
  const { uid, namespace, name } = pod.metadata;
  const [container] = arrayAt(pod["status"], "containerStatuses");
  const state = isRecord(container) ? container["state"] : undefined;
  const lastState = isRecord(container) ? container["lastState"] : undefined;
  const ran = isRecord(state) && isRecord(state["running"]);
  const final = isRecord(state) ? readTerminated(state["terminated"]) : undefined;
  const lastEnd = ran
    ? unknownEnd("it ended with the machine or the operator")
    : (final ?? (isRecord(lastState) ? readTerminated(lastState["terminated"]) : undefined));
  return {
    uid,
    key: keyOf(pod),
    process: `${namespace ?? ""}.${name}`,
    log,
    state: isOver(pod["status"])
      ? { kind: "terminated", end: final ?? unknownEnd("it never ran") }
      : { kind: "waiting", reason: "ContainerCreating", message: "" },
    // Long ago: it has waited enough.
    crashedAt: lastEnd ? 0 : undefined,
    lastEnd,
    messageFile: undefined,
    restarts: numberAt(container, "restartCount") ?? 0,
    failures: 0,
    imageId: "",
    ready: false,
    unreadyWhy: "",
    unscheduled: "",
    probes: [],
    ending: undefined,
    final: isOver(pod["status"]),
    removed: false,
    told: undefined,
  };
}
