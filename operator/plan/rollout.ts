/** Pods of an old revision are replaced one at a time: broken ones first, then the cheapest, halted by the first that does not come back. */
import { revisionFor, whyRevised } from "./canary.ts";
import { type Chain, reachable, type Voting } from "./chain.ts";
import { act, type Decision, wait } from "./decisions.ts";
import { byName, type Facts, type Identity } from "./facts.ts";
import { isKept, mayBeNamed } from "./repair.ts";
import type { Pod } from "./snapshot.ts";

interface Outdated {
  readonly seat: string;
  readonly identity: Identity;
  readonly pod: Pod;
  readonly power: number;
  readonly voting: Voting;
}

export function planRollout(facts: Facts): readonly Decision[] {
  const { chain } = facts;
  const voters = chain ? outdatedVoters(facts, chain) : [];
  const others = facts.identities.flatMap((identity) => outdatedLearner(facts, identity));
  const halted = chain ? haltedBy(facts, chain) : undefined;
  return [
    ...others,
    ...voters.map(
      (each) => unreachable(facts, each) ?? (halted && each.voting !== "no" ? halted : restart(facts, each)),
    ),
  ];
}

/** Who does not vote can be replaced at any time; who may be named by a set that is not seen now is left alone, unless it is broken. */
function outdatedLearner(facts: Facts, identity: Identity): readonly Decision[] {
  const { name, seat, pod, inSet, named } = identity;
  // The permit for this very restart is no reason against it.
  const { permit } = facts.snapshot;
  const restarting = permit?.purpose === "restart" && permit.podUid === pod?.uid;
  if (!pod || inSet || (named && !restarting) || !isOutdated(pod, revisionFor(facts, seat)) || !isKept(facts, identity))
    return [];
  const why = whyRevised(facts, identity);
  if (!mayBeNamed(facts, identity))
    return [
      act("Rollout", {
        kind: "delete-pod",
        identity: name,
        uid: pod.uid,
        version: undefined,
        reason: why.reason,
        message: `${why.message}; it has no vote.`,
      }),
    ];
  if (isBroken(identity, false)) return [restart(facts, { seat, identity, pod, power: 0, voting: "no" })];
  return [
    wait("Rollout", "NamedPerhaps", `${why.message}. It is restarted when a quorum's reports show whether it votes.`),
  ];
}

/** Nobody could confirm the end of a pod whose node does not answer. */
function unreachable(facts: Facts, { identity, pod }: Outdated): Decision | undefined {
  if (reachable(pod, facts.snapshot)) return undefined;
  return wait(
    "Rollout",
    "NodeUnreachable",
    `${whyRevised(facts, identity).message}, on node ${pod.node} that does not answer. It is restarted when the node is back.`,
  );
}

const isOutdated = (pod: Pod, revision: string) => pod.revision !== revision && !pod.deleting && pod.state !== "ended";

function outdatedVoters(facts: Facts, chain: Chain): readonly Outdated[] {
  const { seats } = facts;
  const order: Readonly<Record<Voting, number>> = { no: 0, unknown: 1, yes: 2 };
  return seats
    .flatMap((seat): Outdated[] => {
      const { member, holder } = seat;
      if (!member || !holder?.pod || !isOutdated(holder.pod, revisionFor(facts, seat.id))) return [];
      const voting = isBroken(holder, chain.heard.has(member.id)) ? "no" : (chain.voting.get(member.id) ?? "unknown");
      return [{ seat: seat.id, identity: holder, pod: holder.pod, power: member.power, voting }];
    })
    .toSorted(
      (a, b) => order[a.voting] - order[b.voting] || a.power - b.power || byName(a.identity.name, b.identity.name),
    );
}

/**
 * Its kubelet says that it is not ready, it does not say that it votes, and no peers show that it does: its fix needs
 * nobody's report.
 */
export const isBroken = ({ pod, report }: Identity, heard: boolean) =>
  pod !== undefined && !pod.ready && report?.voting !== true && !heard;

function restart(facts: Facts, { seat, identity, pod, power, voting }: Outdated): Decision {
  const why = whyRevised(facts, identity);
  const { reason } = why;
  const message = `${why.message}${voting === "no" ? "; it does not vote" : ""}.`;
  return {
    kind: "claim",
    topic: "Rollout",
    reason,
    message,
    claim: {
      id: `restart ${identity.name} ${pod.uid}`,
      purpose: "restart",
      seats: [seat],
      identities: [identity.name],
      power: voting === "no" ? 0 : power,
      podUid: pod.uid,
      transaction: undefined,
    },
    steps: () => [
      {
        kind: "delete-pod",
        identity: identity.name,
        uid: pod.uid,
        version: voting === "no" ? pod.version : undefined,
        reason,
        message,
      },
    ],
  };
}

/** An updated pod that does not vote stops the rollout: the fault may be the update's. */
function haltedBy(facts: Facts, chain: Chain): Decision | undefined {
  const bad = facts.seats.find(
    ({ id, member, holder }) =>
      member !== undefined && holder?.pod?.revision === revisionFor(facts, id) && chain.voting.get(member.id) !== "yes",
  );
  return bad?.holder
    ? wait(
        "Rollout",
        "UpdatedPodNotVoting",
        `${bad.holder.name} runs the new revision and is not seen voting. The rollout goes on when it votes; if the new revision is at fault, correct the spec.`,
      )
    : undefined;
}
