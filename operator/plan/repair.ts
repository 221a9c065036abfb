/** Pods that ended come back, identities that are lost are replaced on chain, what no set names any more is cleared away. */

import type { Place } from "./actions.ts";
import { lossSentence } from "./bootstrap.ts";
import { revisionFor } from "./canary.ts";
import type { Chain } from "./chain.ts";
import { reachable } from "./chain.ts";
import { act, type Decision, wait } from "./decisions.ts";
import type { Facts, Identity, Seat } from "./facts.ts";
import { admit, caughtUp, chainBusy, membershipClaim } from "./membership.ts";
import { timeText } from "./time.ts";

/** Identities that are to run: named by a set, or on their way into one. */
export function isKept({ seats }: Facts, identity: Identity): boolean {
  return identity.named || seats.some(({ candidate }) => candidate?.name === identity.name);
}

/** One pod per identity, and a new one only after the end of the old one was confirmed. */
export function planPods(facts: Facts): readonly Decision[] {
  return facts.identities.filter((identity) => isKept(facts, identity)).flatMap((identity) => planPod(facts, identity));
}

function planPod(facts: Facts, identity: Identity): readonly Decision[] {
  const { seats } = facts;
  const { name, pod, volume, generation } = identity;
  const seat = seats.find(({ id }) => id === identity.seat);
  if (pod && hasEnded(identity))
    return [
      act("Repair", {
        kind: "release-pod",
        identity: name,
        uid: pod.uid,
        reason: "PodEnded",
        message: `The end of the pod of ${name} was confirmed.`,
      }),
    ];
  if (pod?.state === "unscheduled")
    return [
      wait(
        "Repair",
        "NotScheduled",
        `The pod of ${name} is on no node yet: see its events if that stays so. Its region needs a node that is free and may mount its volume.`,
      ),
    ];
  if (pod) return pod.deleting && !reachable(pod, facts.snapshot) ? [unconfirmed(facts, identity)] : [];
  if (!volume || identity.loss?.why === "volume-gone" || seat?.memory === undefined) return [];
  const made = generation < seat.memory.generation || (generation === seat.memory.generation && seat.memory.made);
  if (!made) return [];
  return [
    act("Repair", {
      kind: "create-pod",
      identity: name,
      seat: identity.seat,
      generation,
      revision: revisionFor(facts, identity.seat),
      volumeUid: volume.uid,
      // The volume says where; a preference beside it could only contradict.
      place: placeOf(seat),
      reason: "PodMissing",
      message: `${name} has a volume and no pod.`,
    }),
  ];
}

const placeOf = ({ plan, member, id }: Seat): Place => ({
  region: plan?.region ?? member?.region ?? id,
  zone: undefined,
  node: plan?.place.node,
});

/** Its processes have ended for sure, or never began and never will: a pod that is being deleted is bound to no node. */
export const hasEnded = ({ pod }: Identity) =>
  pod !== undefined && (pod.state === "ended" || (pod.state === "unscheduled" && pod.deleting));

function unconfirmed({ snapshot }: Facts, { name, pod }: Identity): Decision {
  const node = snapshot.nodes?.find((each) => each.name === pod?.node);
  return wait(
    "Repair",
    "EndNotConfirmed",
    `Node ${node?.name ?? pod?.node} has not confirmed that ${name} ended, so it is not started elsewhere. Bring the node back, or declare it out of service.`,
  );
}

/** Countdowns, and the way of a successor: made, admitted, caught up, seated. */
export function planReplacements(facts: Facts): readonly Decision[] {
  const { chain, desired } = facts;
  if (!chain) return [];
  const waiting = facts.identities.flatMap(({ name, loss }) =>
    loss && !loss.due
      ? [
          wait(
            "Repair",
            "IdentityMissed",
            `${name}: ${loss.why.replace("-", " ")}. It is replaced by a new identity at ${timeText(loss.since + desired.identityTimeout)} unless it comes back.`,
          ),
        ]
      : [],
  );
  const orphans = facts.seats.filter(({ orphaned }) => orphaned);
  return [
    ...waiting,
    ...orphans.flatMap((seat): readonly Decision[] => {
      if (!seat.wanting)
        return [wait("Repair", "OneAtATime", `${lossSentence(seat)} Another seat is being replaced first.`)];
      return seat.candidate ? replace(facts, chain, seat, seat.candidate) : [];
    }),
    ...(orphans.length > 0 && chain.available < chain.quorum ? [disaster(chain)] : []),
  ];
}

function disaster(chain: Chain): Decision {
  return wait(
    "Repair",
    "QuorumLost",
    `${chain.available} of the ${chain.quorum} power that a quorum needs vote: no seat can change hands on chain. Bring back what is only unreachable; if more than F = ${chain.fault} is lost for good, start a new swarm with spec.restoreFrom.`,
  );
}

function replace(facts: Facts, chain: Chain, seat: Seat, successor: Identity): readonly Decision[] {
  const blocked = chainBusy(facts, chain) ?? admit(facts, chain, successor) ?? caughtUp(chain, successor);
  if (blocked) return [blocked];
  const { member } = seat;
  const { keys } = successor;
  if (!member || !keys) return [];
  return [
    membershipClaim({
      topic: "Repair",
      epoch: chain.epoch,
      what: `${seat.id} to ${successor.name}`,
      seats: [seat.id],
      identities: [successor.name, ...(seat.holder ? [seat.holder.name] : [])],
      power: member.power,
      body: { kind: "rotate-seat", seat: seat.id, currentKey: member.blsKey, keys },
      reason: "SuccessorCaughtUp",
      message: `${lossSentence(seat)} ${successor.name} has caught up and takes its ${member.power} power over.`,
    }),
  ];
}

/** What nobody needs: only when a quorum's fresh reports show that no set names it. */
export function planRetirement(facts: Facts): readonly Decision[] {
  const unkept = facts.identities.filter((identity) => !isKept(facts, identity));
  return [
    ...unkept.flatMap((identity): readonly Decision[] =>
      mayBeNamed(facts, identity)
        ? [
            wait(
              "Repair",
              "NamedPerhaps",
              `${identity.name} is not needed as far as is known. It stays until a quorum's reports show that no set names it.`,
            ),
          ]
        : retire(facts, identity),
    ),
    ...orphanBudgets(facts),
  ];
}

/** Whether a set could name it after all: reports may be old, or its keys may be gone with its volume. */
export function mayBeNamed({ chain, seats }: Facts, { name, seat, volume, keys }: Identity): boolean {
  if (!chain || (volume && !keys)) return false;
  if (!chain.trusted) return true;
  if (keys) return false;
  if (chain.pending) return true;
  const current = seats.find(({ id }) => id === seat);
  return current?.member !== undefined && (current.holder === undefined || current.holder.name === name);
}

/** Budgets over nothing: neither pod nor volume is left of their identity. */
function orphanBudgets({ identities, snapshot }: Facts): readonly Decision[] {
  return snapshot.budgets
    .filter((budget) => identities.every(({ name }) => name !== budget.name))
    .map(({ name, version }) =>
      act("Repair", {
        kind: "delete-budget",
        identity: name,
        version,
        reason: "IdentityGone",
        message: `Nothing is left of ${name} to be evicted.`,
      }),
    );
}

function retire({ snapshot }: Facts, identity: Identity): readonly Decision[] {
  const { name, pod, volume } = identity;
  const message = `No set names ${name}, and nothing waits for it.`;
  const budget = snapshot.budgets.find((each) => each.name === name);
  const reason = "IdentityRetired";
  if (budget)
    return [act("Repair", { kind: "delete-budget", identity: name, version: budget.version, reason, message })];
  const dropped: readonly Decision[] =
    volume && !volume.deleting
      ? [act("Repair", { kind: "delete-volume", identity: name, uid: volume.uid, reason, message })]
      : [];
  if (!pod) return dropped;
  if (!pod.deleting && !hasEnded(identity))
    return [act("Repair", { kind: "delete-pod", identity: name, uid: pod.uid, version: undefined, reason, message })];
  const release = act("Repair", { kind: "release-pod", identity: name, uid: pod.uid, reason, message });
  if (hasEnded(identity)) return [release];
  if (reachable(pod, snapshot)) return [];
  // Nobody counts its votes, and without its volume its name is never used again: where it still runs does not matter.
  return dropped.length > 0 ? dropped : [release];
}
