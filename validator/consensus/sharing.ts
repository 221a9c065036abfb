/**
 * Certificates go to who may lack them. Votes go to everyone, so that everyone usually collects the same certificates:
 * sending them at once, by everyone to everyone, would be half of all messages. They are sent a moment later, and only
 * if somebody has not shown meanwhile that it holds them: a member whose votes reach some members and not others
 * delays the others by that moment.
 */
import { type Draft, roundOf, type State } from "./state.ts";
import type { Certificate, SeatIndex } from "./types.ts";
import { view as toView } from "./types.ts";

/** From collecting a certificate to sending it, ms: votes of healthy members follow each other closer than that. */
export const shareTime = 10;

/** A notarization or finalization was collected here. */
export function shareSoon({ state, effects }: Draft): void {
  if (state.sharing) return;
  state.sharing = true;
  effects.push({ kind: "set-timer", timer: "share", view: state.view, milliseconds: shareTime });
}

export function shareTimerFired({ state, effects }: Draft): void {
  state.sharing = false;
  const send = (certificate: Certificate) =>
    effects.push({ kind: "broadcast", message: { kind: "certificate", certificate } });
  const { notarization } = roundOf(state, toView(state.view - 1));
  if (notarization && !allEntered(state)) send(notarization);
  const final = roundOf(state, state.finalized.view).finalization;
  const told = roundOf(state, state.view).proposal?.finalization;
  if (final && (told === undefined || told.view < final.view)) send(final);
}

/** Has every other member shown that it entered this view: by a vote in it, or by one that follows the last's notarization? */
function allEntered(state: State): boolean {
  const { finalize } = roundOf(state, toView(state.view - 1)).votes;
  return state.config.members.every((_, index) => {
    const seat = index as SeatIndex;
    return seat === state.self || finalize.has(seat) || (state.heard.get(seat)?.view ?? 0) >= state.view;
  });
}
