/**
 * `plan(desired, snapshot, now)`: the operator's whole policy. Pure and total: the same snapshot gives the same answer,
 * and every snapshot gives one. One function per concern decides, one place spends the permit.
 */
import type { Action } from "./actions.ts";
import { planGenesis, planIdentities, planKeys, planServices } from "./bootstrap.ts";
import { planCanary, type Watch, watchOf } from "./canary.ts";
import { type Decision, wait } from "./decisions.ts";
import type { Desired } from "./desired.ts";
import { planBudgets, planDrains } from "./drain.ts";
import { type Facts, gather } from "./facts.ts";
import { planDeletion, planFinalizer, planHibernation } from "./lifecycle.ts";
import { planDismissals, planOthers, planParameters } from "./membership.ts";
import { type Claim, spend } from "./permit.ts";
import { planPods, planReplacements, planRetirement } from "./repair.ts";
import { planRollout } from "./rollout.ts";
import { planScale } from "./scale.ts";
import type { Snapshot } from "./snapshot.ts";
import { describe, type SwarmStatus } from "./status.ts";

export interface Plan {
  /** In their order; the first that fails ends the round. */
  readonly actions: readonly Action[];
  /** To be written before the actions are performed, when it differs from what stands. */
  readonly status: SwarmStatus;
  /** Plan again after this many ms, if nothing changes before. */
  readonly requeueAfter: number;
  /** What is to be measured meanwhile; undefined: nothing. */
  readonly watch: Watch | undefined;
  /** What was decided and why: for `explain`. */
  readonly decisions: readonly Decision[];
}

type Concern = (facts: Facts) => readonly Decision[];

/** In order of urgency: claims are granted in it. */
const running: readonly Concern[] = [
  planFinalizer,
  planPlacement,
  planServices,
  planBudgets,
  planKeys,
  planIdentities,
  planPods,
  planGenesis,
  planReplacements,
  planScale,
  planDismissals,
  planParameters,
  planOthers,
  planDrains,
  planRollout,
  planCanary,
  planRetirement,
];

export function plan(desired: Desired, snapshot: Snapshot, now: number): Plan {
  const facts = gather(desired, snapshot, now);
  const decided = concernsOf(facts).flatMap((concern) => concern(facts));
  const asleep = desired.hibernate || snapshot.swarm.deleting || desired.paused;
  const claims = decided.filter((each): each is Claim => each.kind === "claim");
  const spending = asleep ? { actions: [], waits: [] } : spend(facts, claims);
  const decisions = [...decided, ...spending.waits];
  const free = decided.flatMap((each) => (each.kind === "act" ? [each.action] : []));
  return {
    actions: [...free, ...spending.actions],
    status: describe(facts, decisions, now),
    requeueAfter: requeue(facts, decisions),
    watch: watchOf(facts),
    decisions,
  };
}

function concernsOf({ desired, snapshot }: Facts): readonly Concern[] {
  if (snapshot.swarm.deleting) return [planDeletion];
  if (desired.paused) return [];
  if (desired.hibernate) return [planFinalizer, planHibernation];
  return running;
}

function planPlacement({ layout }: Facts): readonly Decision[] {
  return layout.kind === "refused" ? [wait("Placement", layout.reason, layout.message)] : [];
}

/** Soon while something is under way, at a countdown's end, seldom when all is quiet. */
function requeue(facts: Facts, decisions: readonly Decision[]): number {
  const { identities, desired, now } = facts;
  const ends = identities.flatMap(({ loss }) =>
    loss && !loss.due ? [Math.max(1_000, loss.since + desired.identityTimeout - now)] : [],
  );
  const pace = decisions.some(({ kind }) => kind !== "wait") ? 1_000 : decisions.length > 0 ? 10_000 : 60_000;
  return Math.min(pace, watchOf(facts)?.every ?? pace, ...ends);
}
