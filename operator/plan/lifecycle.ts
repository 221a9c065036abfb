/** The ends of a swarm's life, and its sleep. */

import type { Action } from "./actions.ts";
import { servicesOf } from "./bootstrap.ts";
import { reachable } from "./chain.ts";
import { act, type Decision, wait } from "./decisions.ts";
import type { Facts } from "./facts.ts";
import { hasEnded } from "./repair.ts";

export function planFinalizer({ snapshot }: Facts): readonly Decision[] {
  if (snapshot.swarm.finalizer) return [];
  const message = "Nothing of the swarm may go before its pods have ended.";
  return [act("Bootstrap", { kind: "add-finalizer", reason: "FirstVisit", message })];
}

/** All pods end, volumes and seats stay. The user asked for it: no budget can be kept when everything stops. */
export function planHibernation(facts: Facts): readonly Decision[] {
  return endPods(facts, "Hibernate", "The spec asks for hibernation: volumes and seats stay.", false);
}

function endPods(facts: Facts, reason: string, message: string, unconfirmed: boolean): readonly Decision[] {
  return facts.identities.flatMap((identity): readonly Decision[] => {
    const { name, pod } = identity;
    if (!pod) return [];
    const lostFromSight = pod.deleting && !reachable(pod, facts.snapshot);
    if (hasEnded(identity) || (unconfirmed && lostFromSight))
      return [act("Deletion", { kind: "release-pod", identity: name, uid: pod.uid, reason, message })];
    if (!pod.deleting)
      return [
        act("Deletion", { kind: "delete-pod", identity: name, uid: pod.uid, version: undefined, reason, message }),
      ];
    if (!lostFromSight) return [];
    return [
      wait(
        "Deletion",
        "EndNotConfirmed",
        `Node ${pod.node} has not confirmed that ${name} ended. Bring it back or declare it out of service.`,
      ),
    ];
  });
}

/**
 * Pods first, then what they used; the finalizer last. Retained volumes keep their genesis, so that a swarm of the same
 * name goes on with the same chain: then every pod's end must be confirmed, or an identity could run twice.
 */
export function planDeletion(facts: Facts): readonly Decision[] {
  const { desired, snapshot } = facts;
  const reason = "SwarmDeleted";
  const remove = desired.retainPolicy === "Delete";
  const message = remove ? "The swarm is deleted with its volumes." : "The swarm is deleted; volumes and genesis stay.";
  if (!snapshot.swarm.finalizer) return [];
  if (snapshot.pods.length > 0) return endPods(facts, reason, message, remove);
  const services = servicesOf(desired.name).filter(({ service }) => snapshot.services.includes(service));
  const left: Action[] = [
    ...snapshot.budgets.map(({ name, version }) => ({
      kind: "delete-budget" as const,
      identity: name,
      version,
      reason,
      message,
    })),
    ...services.map(({ service }) => ({ kind: "delete-service" as const, service, reason, message })),
    ...(snapshot.permit
      ? [{ kind: "clear-permit" as const, id: snapshot.permit.id, version: snapshot.permit.version, reason, message }]
      : []),
    ...(remove
      ? snapshot.volumes
          .filter(({ deleting }) => !deleting)
          .map(({ name, uid }) => ({ kind: "delete-volume" as const, identity: name, uid, reason, message }))
      : []),
    ...(remove && snapshot.genesis ? [{ kind: "delete-genesis" as const, reason, message }] : []),
  ];
  if (left.length > 0) return left.map((action) => act("Deletion", action));
  if (remove && snapshot.volumes.length > 0) return [];
  return [act("Deletion", { kind: "remove-finalizer", reason, message: "Nothing is left to wait for." })];
}
