/** What is known of one pod's validator: its words of now, and what its last chain report proved. */
import type { Claim, PublicKeys, Report } from "../../plan/snapshot.ts";
import { certifiedSets } from "./certified-sets.ts";
import type { ReportTarget } from "./connection.ts";
import type { Examined, Knowledge } from "./knowledge.ts";
import type { Words } from "./words.ts";

/** Everything about one pod that a report is made of. */
export interface PodState {
  readonly target: ReportTarget;
  readonly keys: Claim<PublicKeys>;
  /** Undefined: it does not answer. */
  readonly words: Words | undefined;
  /** The clock's wall time when the words came. */
  readonly saidAt: number;
  readonly examined: Examined;
}

export const unseen: Pick<PodState, "keys" | "words" | "saidAt" | "examined"> = {
  keys: { kind: "absent" },
  words: undefined,
  saidAt: 0,
  examined: { kind: "nothing" },
};

/** The pod's report; undefined while it does not answer. */
export function reportOf(pod: PodState, knowledge: Knowledge | undefined, operatorKey: string): Report | undefined {
  const { target, keys, words, saidAt, examined } = pod;
  if (!words) return undefined;
  const { role, voting, epoch, view, heard, height, root } = words;
  const said = { identity: target.identity, podUid: target.podUid, observedAt: saidAt, keys };
  const shared = { ...said, role, voting, epoch, view, heard };
  if (examined.kind !== "proven" || !knowledge)
    return {
      ...shared,
      height: { kind: "unverified", value: height },
      root: { kind: "unverified", value: root },
      sets: examined.kind === "refused" ? { kind: "unverified", value: examined.reason } : { kind: "absent" },
      outcomes: { kind: "absent" },
    };
  const { header, trusted, shadow } = examined;
  return {
    ...shared,
    height: { kind: "verified", value: header.height },
    root: { kind: "verified", value: header.root },
    sets: { kind: "verified", value: certifiedSets(trusted, knowledge.coverage(), operatorKey) },
    shadow,
    outcomes: { kind: "verified", value: knowledge.outcomes() },
  };
}

/** A learner is compared with the rest in steps of this many blocks. */
const learnerStep = 16;

const unproven = { epoch: -1, degradedRegions: [] };

/** Equal for two reports between which nothing changed that the planner acts on. */
export function digestOf(report: Report | undefined): string {
  if (!report) return "";
  const { identity, podUid, keys, role, voting, epoch, height, root, sets, shadow, heard, outcomes } = report;
  const step = role === "learner" && height.kind === "verified" ? Math.floor(height.value / learnerStep) : 0;
  // A set is fixed for its epoch.
  const { epoch: proven, degradedRegions } = sets.kind === "verified" ? sets.value.current : unproven;
  const claims = [height.kind, root.kind, sets.kind, proven, degradedRegions];
  // Its counters grow with the height.
  const compared = shadow && [shadow.kind, shadow.kind === "verified" ? shadow.value.mismatch : undefined];
  return JSON.stringify([identity, podUid, keys, role, voting, epoch, step, claims, compared, heard, outcomes]);
}
