/**
 * The one place that spends. Whatever takes voting power away, or changes the chain, is a claim; at most one is granted
 * at a time, only while what certainly votes without it still makes a quorum, and regions keep their coverage. The
 * permit stands in the API before the act and is cleared when recovery, or failure, is seen.
 */
import type { Action } from "./actions.ts";
import { type Chain, freshReports } from "./chain.ts";
import type { Decision } from "./decisions.ts";
import type { Facts } from "./facts.ts";
import { faultPower } from "./placement.ts";
import { isBroken } from "./rollout.ts";
import { movedPower } from "./scale.ts";
import type { Claimed, Permit, RefusedTransaction, SetMember } from "./snapshot.ts";

/** A transaction that no block has taken up is handed over again after this long, ms. */
const resubmitAfter = 30_000;
/** How long the permit waits for a recovery before a seat seen down counts as failed, ms. */
export const recoveryTimeout = 300_000;

export type Claim = Extract<Decision, { kind: "claim" }>;
type Wait = Extract<Decision, { kind: "wait" }>;

export interface Spending {
  readonly actions: readonly Action[];
  readonly waits: readonly Wait[];
}

/** Grants at most one claim, goes on with the granted one, or clears the permit. */
export function spend(facts: Facts, claims: readonly Claim[]): Spending {
  const { permit } = facts.snapshot;
  if (permit) return pursue(facts, permit, claims);
  const waits: Wait[] = [];
  for (const [i, { topic, claim, reason, message }] of claims.entries()) {
    const obstacle = obstacleTo(facts, claim);
    if (!obstacle) {
      const version = facts.snapshot.permitVersion;
      const others = claims.slice(i + 1).map((each) => behind(each, claim));
      return { actions: [{ kind: "take-permit", claim, version, reason, message }], waits: [...waits, ...others] };
    }
    waits.push({ kind: "wait", topic, reason: obstacle.reason, message: `${message} ${obstacle.message}` });
  }
  return { actions: [], waits };
}

const behind = (claim: Claim, first: Pick<Claimed, "id">): Wait => ({
  kind: "wait",
  topic: claim.topic,
  reason: "PermitTaken",
  message: `${claim.message} One disruption at a time: "${first.id}" comes first.`,
});

function pursue(facts: Facts, permit: Permit, claims: readonly Claim[]): Spending {
  const granted = claims.find(({ claim }) => claim.id === permit.id);
  const waits = claims.filter((each) => each !== granted).map((each) => behind(each, permit));
  // Between the taking and the act something may have failed: it is spent first, and the permit goes back unused.
  const obstacle = granted && obstacleTo(facts, granted.claim);
  const wanted = granted !== undefined && obstacle === undefined;
  const open = wanted && !isSubmitted(permit) ? held(granted.message) : settled(facts, permit);
  if (open.done) {
    const { id, version } = permit;
    return { actions: [{ kind: "clear-permit", id, version, reason: "Settled", message: open.message }], waits };
  }
  const own: Wait = { kind: "wait", topic: "Permit", reason: "PermitHeld", message: open.message };
  const blocked: readonly Wait[] = granted && obstacle ? [{ kind: "wait", topic: granted.topic, ...obstacle }] : [];
  const steps = wanted || isSubmitted(permit) ? submission(facts, permit) : [];
  return { actions: [...steps, ...(wanted ? granted.steps(permit) : [])], waits: [own, ...blocked, ...waits] };
}

const isSubmitted = ({ submittedAt }: Permit) => submittedAt !== undefined;

/**
 * Hands the permit's transaction to the validators, again when nothing came of it: once said it may be executed at any
 * time of its epoch, so that saying it again risks nothing and not saying it could leave the permit held for ever.
 */
function submission({ chain, now }: Facts, permit: Permit): readonly Action[] {
  const { transaction, submittedAt, version } = permit;
  if (!transaction || chain?.epoch !== transaction.epoch || chain.state !== "current" || chain.pending) return [];
  // Nothing can be executed without a quorum: it is said again when there is one.
  const again = chain.available >= chain.quorum && now - (submittedAt ?? now) >= resubmitAfter;
  if (submittedAt !== undefined && !again) return [];
  const reason = submittedAt === undefined ? "PermitTaken" : "NotYetExecuted";
  const message = `Asks the chain for: ${transaction.id}.`;
  return [{ kind: "submit-governance", transaction, version, reason, message }];
}

interface Settling {
  readonly done: boolean;
  readonly message: string;
}
const done = (message: string): Settling => ({ done: true, message });
const held = (message: string): Settling => ({ done: false, message });

/** Whether what the permit was taken for is over: only what was observed ends it. */
function settled(facts: Facts, permit: Permit): Settling {
  const { chain } = facts;
  if (!chain) return done("There is no chain, so nobody votes.");
  return permit.transaction
    ? settledOnChain(facts, chain, permit, permit.transaction.epoch)
    : settledPod(facts, chain, permit);
}

function settledOnChain(facts: Facts, chain: Chain, permit: Permit, epoch: number): Settling {
  if (permit.submittedAt === undefined && chain.epoch <= epoch)
    return done(`"${permit.id}" was never submitted, and is not wanted now or not affordable.`);
  if (refusalOf(facts)) return done(`The chain refused "${permit.id}".`);
  if (chain.epoch <= epoch || !chain.trusted)
    return held(`"${permit.id}" was submitted; a quorum's reports are to show the epoch after ${epoch}.`);
  for (const id of permit.seats) {
    const seat = facts.seats.find((each) => each.id === id);
    if (!seat?.member || !seat.holder || !permit.identities.includes(seat.holder.name)) continue;
    const open = unrecovered(facts, chain, permit, id);
    if (open) return held(open);
  }
  return done(`Epoch ${chain.epoch} has begun and who moved votes, or is known to be down.`);
}

function settledPod(facts: Facts, chain: Chain, permit: Permit): Settling {
  const [id = ""] = permit.seats;
  const [identity = ""] = permit.identities;
  const seat = facts.seats.find((each) => each.id === id);
  if (facts.snapshot.budgets.some((budget) => budget.name === identity && budget.open))
    return held(`The budget of ${identity} closes first.`);
  if (!seat?.member || seat.holder?.name !== identity) return done(`${identity} holds no seat any more.`);
  const open = unrecovered(facts, chain, permit, id);
  return open ? held(open) : done(`${identity} votes again, or is known to be down.`);
}

/** Why the seat's power is not accounted for yet; undefined when it votes, or was given long enough: then it counts as down. */
function unrecovered({ now }: Facts, chain: Chain, permit: Permit, seat: string): string | undefined {
  if (chain.voting.get(seat) === "yes" || now - permit.takenAt >= recoveryTimeout) return undefined;
  return `${seat} is not seen voting again yet. See its pod's log if it does not come back.`;
}

/** The verified refusal of the permit's transaction. */
export function refusalOf({ snapshot, now }: Facts): RefusedTransaction | undefined {
  const { permit, swarm } = snapshot;
  if (!permit?.transaction) return undefined;
  const { id, epoch } = permit.transaction;
  for (const { outcomes } of freshReports(snapshot, now)) {
    const outcome = outcomes.kind === "verified" ? outcomes.value.find((each) => each.id === id) : undefined;
    if (outcome?.outcome === "refused")
      return {
        id,
        epoch,
        identities: permit.identities,
        reason: outcome.reason,
        at: now,
        generation: swarm.generation,
      };
  }
  return undefined;
}

interface Obstacle {
  readonly reason: string;
  readonly message: string;
}
type Rule = (facts: Facts, chain: Chain, claim: Claimed) => Obstacle | undefined;

/** Ordered; the first that objects names the reason. */
const rules: readonly Rule[] = [
  function aQuorumReports(facts, chain, claim) {
    if (chain.trusted || isOwnFix(facts, chain, claim)) return undefined;
    if (chain.state === "forked")
      return {
        reason: "Forked",
        message: "Two certified sets of one epoch are shown: find out which validators run which, and call for help.",
      };
    if (chain.state === "outdated")
      return {
        reason: "ReportsOutdated",
        message: `Reports show epoch ${chain.epoch}, a newer one was seen before: wait for members that follow.`,
      };
    return {
      reason: "TooFewReports",
      message: `Fresh reports cover ${chain.reporting} of the ${chain.quorum} power that a quorum needs: nothing voluntary happens until more validators answer.`,
    };
  },
  function theRestIsAQuorum(facts, chain, claim) {
    if (claim.transaction || isDown(facts, chain, claim)) return undefined;
    const left = certain(
      chain.current.members.filter(({ id }) => !claim.seats.includes(id)),
      chain,
    );
    return left >= chain.quorum ? undefined : atRisk(left, chain.quorum, claim);
  },
  function theNextSetHasAQuorum({ desired }, chain, claim) {
    if (!claim.transaction) return undefined;
    if (chain.available < chain.quorum) return atRisk(chain.available, chain.quorum, claim);
    const next = nextMembers(chain, claim);
    const fault = Math.min(chain.fault, faultPower(next, desired.faultModel));
    const moved = movedPower(chain.current.members, next);
    if (moved > fault) return { reason: "MovesTooMuch", message: `It moves ${moved} power, above F = ${fault}.` };
    if (moved === 0) return undefined;
    // Who comes in counts as not voting until it is seen to vote.
    const stays = next.map((member) => ({ ...member, power: Math.min(member.power, before(chain, member)) }));
    const left = certain(stays, chain);
    const quorum = next.reduce((sum, { power }) => sum + power, 0) - faultPower(next, desired.faultModel);
    return left >= quorum ? undefined : atRisk(left, quorum, claim);
  },
  function regionsKeepTheirCoverage(facts, chain, claim) {
    const { desired } = facts;
    if (desired.allowSettlementPause || isDown(facts, chain, claim)) return undefined;
    const { requiredRegions, degradedRegions, members } = chain.current;
    const rest = claim.transaction
      ? nextMembers(chain, claim).map((member) => ({ ...member, power: Math.min(member.power, before(chain, member)) }))
      : members.filter(({ id }) => !claim.seats.includes(id));
    for (const [region, least] of Object.entries(requiredRegions)) {
      if (degradedRegions.includes(region)) continue;
      const of = (all: readonly SetMember[]) =>
        certain(
          all.filter((member) => member.region === region),
          chain,
        );
      if (of(members) >= least && of(rest) < least)
        return {
          reason: "CoverageAtRisk",
          message: `Without it ${of(rest)} of the ${least} power that settlement requires of ${region} would vote. Give the region another seat, or set disruption.allowSettlementPause.`,
        };
    }
    return undefined;
  },
];

const atRisk = (left: number, quorum: number, { id }: Claimed): Obstacle => ({
  reason: "QuorumAtRisk",
  message: `During "${id}" ${left} of the ${quorum} power that a quorum needs would vote for sure.`,
});

function obstacleTo(facts: Facts, claim: Claimed): Obstacle | undefined {
  const { chain } = facts;
  if (!chain) return { reason: "NoChain", message: "The chain has not started." };
  for (const rule of rules) {
    const obstacle = rule(facts, chain, claim);
    if (obstacle) return obstacle;
  }
  return undefined;
}

/** Power of the members that are seen voting. */
const certain = (members: readonly SetMember[], chain: Chain) =>
  members.reduce((sum, { id, power }) => (chain.voting.get(id) === "yes" ? sum + power : sum), 0);

/** A pod that nobody calls working: its restart takes nothing, however few report. */
function isOwnFix({ identities }: Facts, chain: Chain, { purpose, seats: [id = ""], identities: [name] }: Claimed) {
  const identity = identities.find((each) => each.name === name);
  return purpose === "restart" && identity !== undefined && isBroken(identity, chain.heard.has(id));
}

const isDown = (facts: Facts, chain: Chain, claim: Claimed) =>
  isOwnFix(facts, chain, claim) ||
  (claim.transaction === undefined && claim.seats.every((id) => chain.voting.get(id) === "no"));

/** Power of the member's key in the current set. */
const before = (chain: Chain, member: SetMember) =>
  chain.current.members.find(({ blsKey }) => blsKey === member.blsKey)?.power ?? 0;

/** The set that the claim's transaction would make. */
function nextMembers(chain: Chain, { transaction }: Claimed): readonly SetMember[] {
  const { members } = chain.current;
  const body = transaction?.body;
  if (body?.kind === "rotate-seat")
    return members.map((member) => (member.id === body.seat ? { ...member, ...pair(body.keys) } : member));
  if (body?.kind === "set-members")
    return body.members.map(({ id, power, region, keys }) => ({ id, power, region, ...pair(keys), managed: true }));
  return members;
}
const pair = ({ blsKey, peerKey }: { readonly blsKey: string; readonly peerKey: string }) => ({ blsKey, peerKey });
