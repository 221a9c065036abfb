/** A plan in words: what comes next, why, and what blocks the rest. */
import type { Action } from "./actions.ts";
import type { Plan } from "./plan.ts";

/** Lines for a terminal, without a final line break. */
export function explain({ actions, decisions, status, requeueAfter }: Plan): string {
  const next = actions.map((action) => `  ${phrase(action)}\n    ${action.reason}: ${action.message}`);
  const waits = decisions.flatMap((each) =>
    each.kind === "wait" ? [`  ${each.topic}, ${each.reason}\n    ${each.message}`] : [],
  );
  const { total, available, fault, budgetLeft } = status.power;
  const lines = [
    `Power: ${available} of ${total} votes, F = ${fault}, ${budgetLeft} may still be taken. Epoch ${status.epoch}.`,
    ...(status.disruption === "" ? [] : [`Under way: ${status.disruption}.`]),
    next.length > 0 ? "Next:" : "Next: nothing.",
    ...next,
    ...(waits.length > 0 ? ["Waits:", ...new Set(waits)] : []),
    `Looks again in ${Math.ceil(requeueAfter / 1_000)} s, or when something changes.`,
  ];
  return lines.join("\n");
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
