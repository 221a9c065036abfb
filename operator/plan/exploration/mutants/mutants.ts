/** What must not go unnoticed: ways to break the planner that read like an honest mistake, each with the scene that sees it. */
import type { Edit } from "../../../../validator/simulator/mutants/patch.ts";

export interface PlannerMutant {
  readonly name: string;
  /** What it forgets. */
  readonly breaks: string;
  readonly edits: readonly Edit[];
  readonly scene: string;
  readonly faults: number;
  readonly changes: number;
  /** Look for what must never happen alone: it would be found later than a world that does not converge. */
  readonly safety?: boolean;
  /** Any of these rules counts as caught. */
  readonly violates: readonly string[];
}

const plan = (file: string, search: string, replace: string): Edit => ({
  file: `operator/plan/${file}`,
  search,
  replace,
});

export const mutants: readonly PlannerMutant[] = [
  {
    name: "budget ignored",
    breaks: "a restart is granted whatever else is down",
    edits: [
      plan(
        "permit.ts",
        "return left >= chain.quorum ? undefined : atRisk(left, chain.quorum, claim);",
        "return left >= 0 ? undefined : atRisk(left, chain.quorum, claim);",
      ),
    ],
    scene: "rollout",
    faults: 1,
    changes: 1,
    violates: ["power within the budget"],
  },
  {
    name: "budget checked once",
    breaks: "the permit, once taken, is used whatever failed since",
    edits: [
      plan(
        "permit.ts",
        "const wanted = granted !== undefined && obstacle === undefined;",
        "const wanted = granted !== undefined;",
      ),
    ],
    scene: "rollout",
    faults: 1,
    changes: 1,
    violates: ["power within the budget"],
  },
  {
    name: "cache trusted",
    breaks: "a broken pod is deleted even if it has recovered since it was seen",
    edits: [plan("rollout.ts", 'version: voting === "no" ? pod.version : undefined,', "version: undefined,")],
    scene: "rollout",
    faults: 1,
    changes: 1,
    violates: ["power within the budget"],
  },
  {
    name: "permit forgotten",
    breaks: "a permit that stands does not keep others from being taken up",
    edits: [
      plan(
        "permit.ts",
        "  if (permit) return pursue(facts, permit, claims);",
        "  if (permit?.transaction) return pursue(facts, permit, claims);",
      ),
      plan(
        "permit.ts",
        'return { actions: [{ kind: "take-permit", claim, version, reason, message }], waits: [...waits, ...others] };',
        'return { actions: permit ? claims.flatMap((each) => each.steps(permit)) : [{ kind: "take-permit", claim, version, reason, message }], waits: [...waits, ...others] };',
      ),
    ],
    scene: "rollout",
    faults: 0,
    changes: 1,
    safety: true,
    violates: ["power within the budget"],
  },
  {
    name: "permit cleared early",
    breaks: "the permit goes back before the seat is seen voting again, and who is unseen counts as voting",
    edits: [
      plan(
        "permit.ts",
        'if (chain.voting.get(seat) === "yes" || now - permit.takenAt >= recoveryTimeout) return undefined;',
        "if (now >= permit.takenAt) return undefined;",
      ),
      plan(
        "permit.ts",
        '(chain.voting.get(id) === "yes" ? sum + power : sum), 0);',
        "(chain.voting.get(id) !== undefined ? sum + power : sum), 0);",
      ),
      plan("rollout.ts", 'chain.voting.get(member.id) !== "yes",', "chain.voting.get(member.id) === undefined,"),
    ],
    scene: "rollout",
    faults: 0,
    changes: 1,
    violates: ["power within the budget"],
  },
  {
    name: "identity reused",
    breaks: "a lost volume is made again under its old name",
    edits: [plan("bootstrap.ts", "  if (!memory.made)\n", "  if (identities.length === 0 || !memory.made)\n")],
    scene: "repair",
    faults: 1,
    changes: 0,
    violates: ["one key per name"],
  },
  {
    name: "memory written late",
    breaks: "a volume is made before its generation stands in the status",
    edits: [plan("bootstrap.ts", "return remember(known + 1, false,", "return remember(known, false,")],
    scene: "repair",
    faults: 1,
    changes: 0,
    violates: ["one key per name", "no action repeated for ever", "every state converges"],
  },
  {
    name: "end not confirmed",
    breaks: "a pod whose node does not answer is released, and started elsewhere",
    edits: [
      plan(
        "repair.ts",
        'pod !== undefined && (pod.state === "ended" || (pod.state === "unscheduled" && pod.deleting));',
        'pod !== undefined && (pod.state === "ended" || pod.deleting);',
      ),
    ],
    scene: "rollout",
    faults: 1,
    changes: 1,
    safety: true,
    violates: ["one pod per identity"],
  },
  {
    name: "named identity deleted",
    breaks: "what is not on its way in is cleared away, named or not",
    edits: [
      plan(
        "repair.ts",
        "return identity.named || seats.some(",
        "return (identity.named && identity.loss === undefined) || seats.some(",
      ),
    ],
    scene: "repair",
    faults: 1,
    changes: 0,
    safety: true,
    violates: ["named identities stay", "one pod per identity"],
  },
  {
    name: "pending transaction forgotten",
    breaks: "who is named only by a transaction under way can be deleted",
    edits: [plan("facts.ts", "...(snapshot.permit?.identities ?? []),", "")],
    scene: "scale",
    faults: 0,
    changes: 2,
    violates: ["named identities stay"],
  },
  {
    name: "countdown per operator",
    breaks: "the countdown starts anew at every visit",
    edits: [
      plan(
        "facts.ts",
        "const remembered = memory.lost.find((each) => each.identity === name);",
        "const remembered = memory.lost.find((each) => each.identity === name && each.since === now);",
      ),
    ],
    scene: "repair",
    faults: 1,
    changes: 0,
    violates: ["every state converges", "no action repeated for ever"],
  },
  {
    name: "learners kept",
    breaks: "learners that are on their way nowhere stay on the chain's list",
    edits: [plan("plan.ts", "  planDismissals,\n", "")],
    scene: "repair",
    faults: 2,
    changes: 0,
    violates: ["every state converges"],
  },
  {
    name: "drain without end",
    breaks: "a budget stays open though nobody evicts",
    edits: [
      plan(
        "drain.ts",
        "return now - permit.takenAt < drainWindow ? cordonedNode",
        "return now >= permit.takenAt ? cordonedNode",
      ),
      plan("drain.ts", "? [...memory.declinedDrains, pod.node] : memory", "? [...memory.declinedDrains] : memory"),
    ],
    scene: "repair",
    faults: 1,
    changes: 0,
    violates: ["every state converges", "power within the budget"],
  },
  {
    name: "seat taken before catching up",
    breaks: "the set names an identity that follows nothing yet",
    edits: [plan("repair.ts", "?? caughtUp(chain, successor)", "?? undefined")],
    scene: "repair",
    faults: 2,
    changes: 0,
    violates: ["every state converges", "power within the budget"],
  },
  {
    name: "coverage ignored",
    breaks: "a required region may be left without a vote",
    edits: [
      plan(
        "permit.ts",
        "if (of(members) >= least && of(rest) < least)",
        "if (of(members) >= least && of(rest) < least - 1_000)",
      ),
    ],
    scene: "settlement kept",
    faults: 1,
    changes: 1,
    violates: ["settlement kept"],
  },
  {
    name: "set moves more than spare",
    breaks: "a change of the set does not count who is down",
    edits: [
      plan(
        "permit.ts",
        "return left >= quorum ? undefined : atRisk(left, quorum, claim);",
        "return left >= 0 ? undefined : atRisk(left, quorum, claim);",
      ),
    ],
    scene: "scale",
    faults: 1,
    changes: 1,
    violates: ["power within the budget"],
  },
  {
    name: "no evidence is success",
    breaks: "a canary that was not shown to be worse is promoted",
    edits: [
      plan(
        "canary.ts",
        "  return { ...counted, outcome: { kind: verdict.kind, message, at: now } };",
        '  const kind = verdict.kind === "Abort" ? "Abort" : "Promote";\n  return { ...counted, outcome: { kind, message, at: now } };',
      ),
    ],
    scene: "canary without samples",
    faults: 0,
    changes: 1,
    violates: ["trials stay small"],
  },
  {
    name: "canary unbounded",
    breaks: "seats of any power get the overrides on trial",
    edits: [
      plan("canary.ts", "while (chosen.length < canary.seats) {", "while (chosen.length < seats.length) {"),
      plan("canary.ts", "    power([...chosen, seat]) <= chain.fault &&\n", ""),
      plan(
        "canary.ts",
        "  if (seats.length < canary.seats) return undefined;\n  const { trial, terms } = canary;",
        "  const { trial, terms } = canary;",
      ),
    ],
    scene: "canary",
    faults: 0,
    changes: 1,
    violates: ["trials stay small"],
  },
  {
    name: "verdict forgotten",
    breaks: "overrides that were aborted are tried again and again",
    edits: [
      plan(
        "canary.ts",
        "  return trial ? goOn(facts, chain, canary, trial) : begin(facts, chain, canary);",
        "  const next = trial ? goOn(facts, chain, canary, trial) : begin(facts, chain, canary);\n  return next?.outcome ? undefined : next;",
      ),
    ],
    scene: "canary that is worse",
    faults: 0,
    changes: 1,
    violates: ["every state converges", "no action repeated for ever"],
  },
];
