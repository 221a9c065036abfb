/**
 * What became of each view at each other member, as its votes tell: a member cannot say of itself that it voted in time.
 * A view is judged when it lies some views back, so that a vote from far away still counts. Bounded: it remembers a
 * fixed number of views.
 */
import type { DriverEvent } from "../driver/services.ts";

/** `voted`: for a block; `gave-up`: for the view's end without one; `missed`: neither reached this validator. */
export type ViewOutcome = "voted" | "gave-up" | "missed";

export interface MemberView {
  readonly member: string;
  readonly outcome: ViewOutcome;
}

/** How far back a view lies when it is judged. */
export const judgedAfter = 16;

/** A function that takes each event, and gives the views that it closed, once for each member. */
export function createMemberViews(expected: readonly string[]): (event: DriverEvent) => readonly MemberView[] {
  let members: readonly string[] = expected;
  let newest = 0;
  /** Views entered here, and who voted how in each. */
  const views = new Map<number, Map<string, Exclude<ViewOutcome, "missed">>>();

  function enter(view: number): readonly MemberView[] {
    newest = Math.max(newest, view);
    if (!views.has(view)) views.set(view, new Map());
    const closed: MemberView[] = [];
    for (const [past, votes] of views) {
      if (past > newest - judgedAfter) continue;
      views.delete(past);
      for (const member of members) closed.push({ member, outcome: votes.get(member) ?? "missed" });
    }
    return closed;
  }

  return (event) => {
    switch (event.kind) {
      case "vote-received": {
        const { seat, vote, view } = event;
        if (seat === undefined || (vote !== "notarize" && vote !== "finalize" && vote !== "nullify")) return [];
        // Who votes a little ahead of this validator is remembered; what lies far ahead is nobody's view here.
        if (view > newest && view <= newest + judgedAfter && !views.has(view)) views.set(view, new Map());
        const votes = views.get(view);
        // A member may vote for a block and then give the view up: it had a block in time to vote for.
        if (votes && votes.get(seat) !== "voted") votes.set(seat, vote === "nullify" ? "gave-up" : "voted");
        return [];
      }
      case "consensus":
        return event.event.kind === "entered-view" ? enter(event.event.view) : [];
      case "epoch":
        // View numbers restart.
        views.clear();
        newest = 0;
        members = event.others;
        return [];
      default:
        return [];
    }
  };
}
