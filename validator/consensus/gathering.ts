/**
 * A moment for finalize votes beyond the quorum. Settlement usually needs a signature of every region, and a vote that
 * comes after the finalization costs every member one more verification (about 1 ms). A member that came too late
 * once is not waited for until its votes are in time again, so that a dead or distant one delays no finalization twice.
 */
import { addsCoverage } from "./coverage.ts";
import { type Draft, roundOf, updateRound } from "./state.ts";
import type { SeatIndex, View, Vote } from "./types.ts";

/** Longest wait after the quorum's last vote, ms: a few verifications on a busy machine, below a distant region's round trip. */
export const gatherTime = 20;

/** Is it worth waiting, now, for votes that would cover more than these? Sets the timer when a wait begins. */
export function isGathering(draft: Draft, view: View, votes: readonly Vote[]): boolean {
  const { state, time, effects } = draft;
  const { quorumAt } = roundOf(state, view);
  const waited = quorumAt === undefined ? 0 : time.monotonic - quorumAt;
  if (quorumAt === undefined) updateRound(draft, view, { quorumAt: time.monotonic });
  const signers = votes.map((vote) => vote.signer);
  const missing = state.config.members
    .map((_, seat) => seat as SeatIndex)
    .filter((seat) => addsCoverage(state.config, signers, seat) && (state.lateness.get(seat) ?? 0) < gatherTime);
  if (missing.length > 0 && waited < gatherTime) {
    if (state.gathering.has(view)) return true;
    state.gathering = new Set(state.gathering).add(view);
    effects.push({ kind: "set-timer", timer: "gather", view, milliseconds: gatherTime });
    return true;
  }
  for (const seat of missing) setLateness(draft, seat, Number.POSITIVE_INFINITY);
  if (state.gathering.has(view)) state.gathering = new Set([...state.gathering].filter((other) => other !== view));
  return false;
}

/** A finalize vote came: how late it was decides whether its signer is waited for the next time. */
export function measureLateness(draft: Draft, { view, signer }: Vote): void {
  const { state, time } = draft;
  const { quorumAt } = roundOf(state, view);
  const late = quorumAt === undefined ? 0 : time.monotonic - quorumAt;
  if (late > 0 || state.lateness.has(signer)) setLateness(draft, signer, late);
}

function setLateness({ state }: Draft, seat: SeatIndex, milliseconds: number): void {
  state.lateness = new Map(state.lateness).set(seat, milliseconds);
}
