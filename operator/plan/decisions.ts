/** What a concern decides: act at once, ask for the permit, remember, or wait; always with a sentence. */
import type { Action } from "./actions.ts";
import type { Claimed, Permit, SeatMemory } from "./snapshot.ts";

export type Topic =
  | "Bootstrap"
  | "Placement"
  | "Repair"
  | "Membership"
  | "Rollout"
  | "Canary"
  | "Drain"
  | "Deletion"
  | "Permit";

export type Decision =
  /** Takes no power away and can be done at any time. */
  | { readonly kind: "act"; readonly topic: Topic; readonly action: Action }
  /** Takes power or changes the chain: only under the permit. `steps` are what the permit is for. */
  | {
      readonly kind: "claim";
      readonly topic: Topic;
      readonly claim: Claimed;
      readonly reason: string;
      readonly message: string;
      readonly steps: (permit: Permit) => readonly Action[];
    }
  /** To be written into the status before anything follows from it. */
  | { readonly kind: "remember"; readonly topic: Topic; readonly seat: SeatMemory; readonly message: string }
  | { readonly kind: "wait"; readonly topic: Topic; readonly reason: string; readonly message: string };

export const act = (topic: Topic, action: Action): Decision => ({ kind: "act", topic, action });
export const wait = (topic: Topic, reason: string, message: string): Decision => ({
  kind: "wait",
  topic,
  reason,
  message,
});
