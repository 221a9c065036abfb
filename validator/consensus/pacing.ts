/** The view's clock: when it runs out, when it may idle, and when things are said again. */
import { justifiedParent } from "./chain.ts";
import { viewTimeout } from "./pacemaker.ts";
import { proposableSince } from "./payload.ts";
import { type Draft, maySign, roundOf, type State } from "./state.ts";
import type { Broadcast, View } from "./types.ts";
import { view as toView } from "./types.ts";
import { giveUp, leaderIsSilent } from "./vote.ts";

/** The current view's timeout in milliseconds: doubles per view since the last finalization, not since a nullification. */
export function currentTimeout(state: State): number {
  return viewTimeout(state.pacemaker, state.config, state.self, state.view - state.finalized.view);
}

/** May the swarm idle, and until when at least? Idling ends with payload, an unfinalized block or a closing epoch (consensus.md, Idle). */
function idleUntil(state: State): number | undefined {
  if (roundOf(state, state.view).proposal) return undefined;
  const justified = justifiedParent(state, state.view);
  if (justified.kind === "unjustified") return undefined;
  const { parent } = justified;
  if (parent.hash !== state.finalized.hash || parent.closing || state.governance.length > 0) return undefined;
  const { idleInterval, settleInterval } = state.config.parameters;
  const payments = state.coverage.unsettled.some((entry) => entry.payments);
  const idle = state.enteredAt + (payments ? Math.min(settleInterval, idleInterval) : idleInterval);
  return Math.min(idle, proposableSince(state, parent.hash) ?? idle);
}

/** When the view is to be given up: a timeout after the leader had reason to propose. */
function deadline(draft: Draft): number {
  const { state, time } = draft;
  const idle = idleUntil(state);
  if (idle === undefined || idle <= time.monotonic) {
    // The clock starts when the reason appears, and does not start again for a second reason.
    state.busyFrom ??= Math.max(state.enteredAt, Math.min(idle ?? time.monotonic, time.monotonic));
    return state.busyFrom + currentTimeout(state);
  }
  state.busyFrom = undefined;
  return idle + currentTimeout(state);
}

/** Keeps the view timer at the view's deadline, and gives up at once on a leader known to be silent. */
export function keepTime(draft: Draft): void {
  const { state, time, effects } = draft;
  if (!state.started) return;
  const round = roundOf(state, state.view);
  if (!round.proposal && maySign(state)) {
    if (state.gone.has(round.leader)) giveUp(draft, state.view, "leader-gone");
    else if (leaderIsSilent(state, time.monotonic, currentTimeout(state))) giveUp(draft, state.view, "leader-silent");
  }
  if (round.giveUp === undefined) {
    const next = deadline(draft);
    // A proposal in time does not put the deadline off; only a change of what the view waits for moves it.
    if (state.viewDeadline === undefined || Math.abs(next - state.viewDeadline) >= 1) {
      state.viewDeadline = next;
      effects.push({
        kind: "set-timer",
        timer: "view",
        view: state.view,
        milliseconds: Math.max(0, next - time.monotonic),
      });
    }
  }
  if (state.resendDelay === 0) {
    state.resendDelay = Math.max(2 * currentTimeout(state), 2 * state.config.parameters.idleInterval);
    effects.push({
      kind: "set-timer",
      timer: "resend",
      view: state.view,
      milliseconds: firstResend(state, time.monotonic),
    });
  }
}

/** Half-way to the view's deadline: before the view can end by a nullification that hides what a peer misses. */
function firstResend(state: State, now: number): number {
  return Math.max(0, (state.viewDeadline ?? now) - now - currentTimeout(state) / 2);
}

export function viewTimerFired(draft: Draft): void {
  const { state, time, effects } = draft;
  const round = roundOf(state, state.view);
  if (round.giveUp !== undefined) return;
  const due = deadline(draft);
  if (time.monotonic + 1 < due) {
    state.viewDeadline = undefined;
    return;
  }
  effects.push({ kind: "observe", event: { kind: "timed-out", view: state.view, leader: round.leader } });
  giveUp(draft, state.view, "timeout");
}

/** How many certificates one resend repeats at most. */
const maxResent = 32;

/** The view lasts: says everything again, and waits twice as long before the next time. */
export function resendTimerFired(draft: Draft): void {
  const { state, effects } = draft;
  sayAgain(draft);
  effects.push({ kind: "set-timer", timer: "resend", view: state.view, milliseconds: state.resendDelay });
  state.resendDelay = Math.min(2 * state.resendDelay, state.config.parameters.maxTimeout);
}

/** Says again what a peer may have missed: own votes, and the certificates that lead to this view. */
export function sayAgain(draft: Draft): void {
  const { state, effects } = draft;
  const say = (message: Broadcast) => effects.push({ kind: "broadcast", message });
  if (state.finalized.certificate) say({ kind: "certificate", certificate: state.finalized.certificate });
  for (const view of viewsToResend(state)) {
    const round = roundOf(state, view);
    if (round.notarization) say({ kind: "certificate", certificate: round.notarization });
    if (round.nullification) say({ kind: "certificate", certificate: round.nullification });
    for (const kind of ["notarize", "nullify", "finalize"] as const) {
      const own = state.self === undefined ? undefined : round.votes[kind].get(state.self);
      if (own) say({ kind: "vote", vote: own });
    }
    if (round.own.proposed && round.proposal) say({ kind: "proposal", proposal: round.proposal });
  }
  for (const slot of state.coverage.slots.values()) {
    const own = state.self === undefined ? undefined : slot.get(state.self);
    if (own) say({ kind: "vote", vote: own });
  }
}

/** From the finalized view on, the newest `maxResent`. */
function viewsToResend(state: State): readonly View[] {
  const first = Math.max(state.finalized.view, state.view - maxResent + 1, 1);
  return Array.from({ length: Math.max(0, state.view - first + 1) }, (_, i) => toView(first + i));
}
