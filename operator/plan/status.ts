/** The status: every condition at every visit, each with a sentence to act on; and the planner's memory. */
import { type CanaryStatus, describeCanary, nextTrial, outcomeReason, trialOf } from "./canary.ts";
import type { Chain } from "./chain.ts";
import type { Decision, Topic } from "./decisions.ts";
import { declinedDrains } from "./drain.ts";
import type { Facts, Seat } from "./facts.ts";
import { refusalOf } from "./permit.ts";
import { faultPower, regionPowers } from "./placement.ts";
import type { Condition, ConditionType, Memory, SeatMemory } from "./snapshot.ts";
import { timeText } from "./time.ts";

export interface SeatStatus {
  readonly seat: string;
  readonly region: string;
  /** In the current set; 0 when it is not. */
  readonly power: number;
  /** The identity that holds it, or is on its way; "" when none. */
  readonly identity: string;
  /** Of that identity; 0 when none. */
  readonly generation: number;
  readonly role: "validator" | "learner" | "none";
  readonly voting: "yes" | "no" | "unknown";
  /** When it is given up unless it comes back, RFC 3339; absent: it is not missed. */
  readonly replacedAt: string | undefined;
}

export interface SwarmStatus {
  readonly observedGeneration: number;
  /** Seats in the current set that are run here. */
  readonly replicas: number;
  readonly epoch: number;
  readonly power: {
    readonly total: number;
    readonly available: number;
    /** F. */
    readonly fault: number;
    /** What may still fail, or be taken, without stopping the swarm. */
    readonly budgetLeft: number;
  };
  readonly seats: readonly SeatStatus[];
  /** What the permit is held for; "" when it is free. */
  readonly disruption: string;
  /** Undefined: the spec asks for none. */
  readonly canary: CanaryStatus | undefined;
  readonly conditions: readonly Condition[];
  readonly memory: Memory;
}

export function describe(facts: Facts, decisions: readonly Decision[], now: number): SwarmStatus {
  const { chain, snapshot, seats } = facts;
  const members = chain?.current.members.filter(({ managed }) => managed) ?? [];
  const trial = nextTrial(facts);
  return {
    observedGeneration: snapshot.swarm.generation,
    replicas: members.length,
    epoch: chain?.epoch ?? 0,
    power: {
      total: chain?.total ?? 0,
      available: chain?.available ?? 0,
      fault: chain?.fault ?? 0,
      budgetLeft: chain ? Math.max(0, chain.available - chain.quorum) : 0,
    },
    seats: seats.filter(({ plan, member }) => plan ?? member).map((seat) => seatStatus(facts, seat)),
    disruption: snapshot.permit?.id ?? "",
    conditions: conditions(facts, decisions, now),
    canary: describeCanary(facts, trial, decisions),
    memory: { ...remember(facts, decisions), ...(trial ? { canary: trial } : {}) },
  };
}

function seatStatus({ chain, desired }: Facts, { id, plan, member, holder, candidate }: Seat): SeatStatus {
  const identity = member ? holder : candidate;
  return {
    seat: id,
    region: member?.region ?? plan?.region ?? "",
    power: member?.power ?? 0,
    identity: identity?.name ?? "",
    generation: identity?.generation ?? 0,
    role: member ? "validator" : candidate ? "learner" : "none",
    voting: chain?.voting.get(id) ?? "no",
    replacedAt:
      identity?.loss && !identity.loss.due ? timeText(identity.loss.since + desired.identityTimeout) : undefined,
  };
}

/** What the next plan has to know. */
function remember(facts: Facts, decisions: readonly Decision[]): Memory {
  const { memory, chain, identities } = facts;
  const seats = new Map(memory.seats.map((seat): [string, SeatMemory] => [seat.seat, seat]));
  for (const decision of decisions) if (decision.kind === "remember") seats.set(decision.seat.seat, decision.seat);
  return {
    seats: [...seats.values()].toSorted((a, b) => (a.seat < b.seat ? -1 : 1)),
    lost: identities.flatMap(({ name, loss }) =>
      loss && loss.why !== "volume-gone" ? [{ identity: name, since: loss.since, why: loss.why }] : [],
    ),
    epoch: Math.max(memory.epoch, chain?.epoch ?? 0),
    declinedDrains: declinedDrains(facts),
    refused: latestRefusal(facts),
  };
}

/** Its moment is that of the first look: a refusal that goes on being seen is no other one, one after a later submission is. */
function latestRefusal(facts: Facts): Memory["refused"] {
  const { memory, snapshot } = facts;
  const seen = refusalOf(facts);
  const known = memory.refused;
  // The status has whole seconds.
  const submittedAt = Math.floor((snapshot.permit?.submittedAt ?? 0) / 1_000) * 1_000;
  return seen && (known?.id !== seen.id || known.epoch !== seen.epoch || known.at < submittedAt) ? seen : known;
}

interface Finding {
  readonly status: Condition["status"];
  readonly reason: string;
  readonly message: string;
}
const yes = (reason: string, message: string): Finding => ({ status: "True", reason, message });
const no = (reason: string, message: string): Finding => ({ status: "False", reason, message });
const unknown = (reason: string, message: string): Finding => ({ status: "Unknown", reason, message });

function conditions(facts: Facts, decisions: readonly Decision[], now: number): readonly Condition[] {
  const { snapshot } = facts;
  const findings: Readonly<Record<ConditionType, Finding>> = {
    Ready: ready(facts, decisions),
    Progressing: progressing(facts, decisions),
    Degraded: degraded(facts),
    PlacementSatisfied: placement(facts),
    QuorumAvailable: quorum(facts),
    RolloutHealthy: rollout(facts, decisions),
    CheckpointFresh: unknown("NotScheduled", "No schedule asks for checkpoints outside the validators' own."),
  };
  return (Object.entries(findings) as [ConditionType, Finding][]).map(([type, finding]) => {
    const old = snapshot.conditions.find((each) => each.type === type);
    const time = timeText(now);
    return {
      type,
      ...finding,
      observedGeneration: snapshot.swarm.generation,
      lastTransitionTime: old?.status === finding.status ? old.lastTransitionTime : time,
    };
  });
}

const firstWait = (decisions: readonly Decision[], ...topics: readonly Topic[]) =>
  decisions.find((each) => each.kind === "wait" && topics.includes(each.topic)) as
    | Extract<Decision, { kind: "wait" }>
    | undefined;

function ready(facts: Facts, decisions: readonly Decision[]): Finding {
  const { chain, desired, layout, snapshot, seats } = facts;
  if (snapshot.swarm.deleting) return no("Deleting", "The swarm is being deleted.");
  if (desired.hibernate) return no("Hibernating", "Set spec.hibernate to false to wake the swarm.");
  if (layout.kind === "refused" && !chain) return no(layout.reason, layout.message);
  if (!chain) return no("Starting", firstWait(decisions, "Bootstrap")?.message ?? "Volumes and pods are being made.");
  const stopped = quorum(facts);
  if (stopped.status !== "True") return { ...stopped, status: "False" };
  const open = seats.filter(({ id, plan, member }) => plan && (!member || chain.voting.get(id) !== "yes"));
  if (open.length > 0) return no("SeatsMissing", `Not voting yet: ${open.map(({ id }) => id).join(", ")}.`);
  return yes("AllSeatsVote", `${chain.available} of ${chain.total} power votes in epoch ${chain.epoch}.`);
}

function progressing({ desired, snapshot }: Facts, decisions: readonly Decision[]): Finding {
  if (desired.paused && !snapshot.swarm.deleting)
    return no("Paused", "Set spec.paused to false: until then nothing is done.");
  const busy = decisions.find(({ kind }) => kind === "act" || kind === "claim" || kind === "remember");
  if (busy?.kind === "act") return yes(busy.action.reason, busy.action.message);
  if (busy?.kind === "claim") return yes(busy.reason, busy.message);
  const waiting = firstWait(
    decisions,
    "Permit",
    "Membership",
    "Repair",
    "Rollout",
    "Canary",
    "Drain",
    "Bootstrap",
    "Deletion",
  );
  if (waiting) return yes(waiting.reason, waiting.message);
  return no("Settled", "The swarm is as the spec asks.");
}

function degraded({ chain, seats, desired }: Facts): Finding {
  if (!chain || desired.hibernate) return no("NotRunning", "No seat is expected to vote.");
  const down = seats.filter(
    ({ member, holder }) =>
      member && (chain.voting.get(member.id) === "no" || (holder?.loss && holder.loss.why !== "replaced")),
  );
  if (down.length === 0) return no("AllSeatsHeard", "Every seat is heard or on its way.");
  const power = down.reduce((sum, { member }) => sum + (member?.power ?? 0), 0);
  return yes(
    "SeatsDown",
    `${down.map(({ id }) => id).join(", ")} with ${power} power, of F = ${chain.fault} that may fail. See status.seats.`,
  );
}

function placement({ layout, chain, desired }: Facts): Finding {
  if (layout.kind === "refused") return no(layout.reason, layout.message);
  if (chain && desired.surviveRegionLoss) {
    const fault = faultPower(chain.current.members, desired.faultModel);
    const heavy = regionPowers(chain.current.members).find(([, held]) => held > fault);
    if (heavy)
      return no("RegionTooHeavyNow", `Region ${heavy[0]} holds ${heavy[1]} > F = ${fault} until the set has changed.`);
  }
  return yes("Placed", layout.message);
}

function quorum({ chain, desired, snapshot }: Facts): Finding {
  if (desired.hibernate) return no("Hibernating", "Set spec.hibernate to false to wake the swarm.");
  if (!chain) return no("NoChain", "The chain has not started.");
  if (chain.available >= chain.quorum) return yes("QuorumVotes", quorumNumbers(chain));
  const waiting = snapshot.reports.filter(({ role }) => role === "waiting").length;
  if (!chain.trusted && chain.reporting === 0 && waiting > 0)
    return unknown("GenesisWanted", `${waiting} validators are being given their genesis.`);
  if (!chain.trusted)
    return unknown(
      "TooFewReports",
      `Fresh reports cover ${chain.reporting} of the ${chain.quorum} power that a quorum needs. Look at the pods that do not answer; if more than F = ${chain.fault} is lost for good, start a new swarm with spec.restoreFrom.`,
    );
  return no(
    "QuorumLost",
    `${quorumNumbers(chain)} Bring seats back; if more than F = ${chain.fault} is lost for good, start a new swarm with spec.restoreFrom.`,
  );
}

const quorumNumbers = (chain: Chain) =>
  `${chain.available} of ${chain.total} power is seen voting, ${chain.quorum} makes a quorum.`;

function rollout(facts: Facts, decisions: readonly Decision[]): Finding {
  const halted = decisions.find(
    (each) => each.kind === "wait" && each.topic === "Rollout" && each.reason !== "PermitTaken",
  );
  if (halted?.kind === "wait") return no(halted.reason, halted.message);
  const outcome = trialOf(facts)?.outcome;
  if (outcome && outcome.kind !== "Promote")
    return no(outcomeReason[outcome.kind], `${outcome.message} It is not tried again until the spec changes.`);
  const going = decisions.find(({ topic }) => topic === "Rollout");
  if (going) return yes("RollingOut", "Pods are replaced one at a time.");
  const watched = decisions.find(({ topic }) => topic === "Canary");
  if (watched?.kind === "wait") return yes(watched.reason, watched.message);
  return outcome
    ? yes("CanaryPromoted", `${outcome.message} Every pod has the overrides: write them into the spec.`)
    : yes("UpToDate", "Every pod runs the spec's revision.");
}
