/** A plan in words: what comes next, why, and what blocks the rest. */
import { type Explanation, explanationText } from "../api/explanation.ts";
import type { Action } from "./actions.ts";
import type { Plan } from "./plan.ts";

/** Lines for a terminal, without a final line break. */
export function explain(plan: Plan): string {
  return `${explanationText(explanationOf(plan))}\nLooks again in ${Math.ceil(plan.requeueAfter / 1_000)} s, or when something changes.`;
}

/** What the operator publishes of a plan. */
export function explanationOf({ actions, decisions, status }: Plan): Explanation {
  return {
    generation: status.observedGeneration,
    epoch: status.epoch,
    power: status.power,
    underWay: status.disruption,
    next: actions.map((action) => ({ what: phrase(action), reason: action.reason, message: action.message })),
    waits: decisions.flatMap((each) =>
      each.kind === "wait" ? [{ topic: each.topic, reason: each.reason, message: each.message }] : [],
    ),
  };
}

function phrase(action: Action): string {
  const words = action.kind.replaceAll("-", " ");
  switch (action.kind) {
    case "take-permit":
      return `${words} for "${action.claim.id}", ${action.claim.power} power`;
    case "submit-governance":
      return `${words} "${action.transaction.id}"`;
    case "clear-permit":
      return `${words} of "${action.id}"`;
    case "create-service":
    case "delete-service":
      return `${words} ${action.service}`;
    case "write-genesis":
      return `${words} of ${action.members.length} members`;
    case "add-finalizer":
    case "remove-finalizer":
    case "delete-genesis":
      return words;
    default:
      return `${words} ${action.identity}`;
  }
}
