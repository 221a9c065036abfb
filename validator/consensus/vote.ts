/** Votes: what this member casts (rules 1 to 5), and what it does with the votes of others. */
import { assembleIfQuorum, fetchBlock } from "./certificates.ts";
import { judge } from "./chain.ts";
import { addsCoverage, regionBallots, regionDigest } from "./coverage.ts";
import { measureLateness } from "./gathering.ts";
import { fetchMissing, payloadHeld } from "./payload.ts";
import { powerOf } from "./power.ts";
import { allowedByOwnVotes, contradicted, type Round, type RoundVoteKind, withOwnVote } from "./round.ts";
import {
  type Draft,
  earlyViews,
  ignore,
  lateViews,
  maySign,
  newestExecuted,
  roundOf,
  type State,
  updateRound,
} from "./state.ts";
import type { Ballot, Block, NullifyReason, SeatIndex, Verified, View, Vote } from "./types.ts";
import { view as toView, zeroDigest } from "./types.ts";

/** Casts the ballot if this member's own votes allow it. The one place from which round votes leave. */
function cast(
  draft: Draft,
  kind: RoundVoteKind,
  view: View,
  block: Block | undefined,
  reason?: NullifyReason,
): boolean {
  const { state, effects } = draft;
  const round = roundOf(state, view);
  const ballot: Ballot = { kind, epoch: state.config.epoch, view, block: block?.hash ?? zeroDigest };
  if (!maySign(state) || !allowedByOwnVotes(round.own, ballot)) return false;
  updateRound(draft, view, { own: withOwnVote(round.own, ballot) });
  effects.push({ kind: "cast", ballot, block, reason });
  return true;
}

/** Votes for the proposal of the current view once it is valid and its payload held; gives up on an invalid one. */
export function notarizeCurrent(draft: Draft): void {
  const { state, time } = draft;
  const round = roundOf(state, state.view);
  const { proposal } = round;
  if (!proposal || round.own.notarize !== undefined || round.own.nullify || round.giveUp) return;
  const judged = judge(state, proposal, time);
  if (judged.kind === "invalid") return giveUp(draft, state.view, "invalid-proposal");
  if (judged.kind === "wait") {
    if (judged.missing !== undefined) fetchBlock(draft, judged.missing, [round.leader]);
    return;
  }
  if (!payloadHeld(state, proposal.block)) return fetchMissing(draft, proposal.block, [round.leader]);
  cast(draft, "notarize", state.view, proposal.block);
}

/** Marks a view as hopeless for this member; the nullify follows where the rules allow it. */
export function giveUp(draft: Draft, view: View, reason: NullifyReason): void {
  if (roundOf(draft.state, view).giveUp === undefined) updateRound(draft, view, { giveUp: reason });
}

/** Votes to skip the current view when this member gave up on it (rule 2: unless it cast finalize there). */
export function nullifyCurrent(draft: Draft): void {
  const { state } = draft;
  const { giveUp: reason } = roundOf(state, state.view);
  if (reason !== undefined) cast(draft, "nullify", state.view, undefined, reason);
}

/**
 * Votes to finalize notarized blocks whose payload is held (rule 3), also after the view was left, and also for the
 * finalized block itself (rule 5): late signatures extend coverage. A finalization stands for the notarization that
 * its signers held: a member that is always last could otherwise never cover its region.
 */
export function finalizeNotarized(draft: Draft): void {
  const { state } = draft;
  for (let v = state.finalized.view; v < state.view; v++) {
    const round = state.rounds.get(toView(v));
    const proof = round?.notarization ?? round?.finalization;
    if (!round || !proof || round.own.finalize !== undefined || round.own.nullify) continue;
    const block = state.blocks.get(proof.block);
    if (!block) {
      if (v > state.finalized.view) fetchBlock(draft, proof.block, proof.signers);
      continue;
    }
    if (payloadHeld(state, block)) cast(draft, "finalize", round.view, block);
    else fetchMissing(draft, block, proof.signers);
  }
}

/** Says which regions went silent and which came back, once for a mode of the chain's coverage. */
export function castRegionBallots(draft: Draft): void {
  const { state, effects } = draft;
  const current = newestExecuted(state)?.coverage;
  if (!current || !maySign(state)) return;
  for (const { kind, region } of regionBallots(state.coverage, state.config, current)) {
    const ballot: Ballot = {
      kind,
      epoch: state.config.epoch,
      view: toView(current.modeSeq),
      block: regionDigest(region),
    };
    const key = regionKey(ballot);
    if (state.coverage.cast.has(key)) continue;
    state.coverage = { ...state.coverage, cast: new Set(state.coverage.cast).add(key) };
    effects.push({ kind: "cast", ballot, block: undefined, reason: undefined });
  }
}

export function regionKey({ kind, view, block }: Pick<Ballot, "kind" | "view" | "block">): string {
  return `${kind} ${view} ${block}`;
}

/** Takes a member's vote into its slot. `from` is who said it: nobody fills another's slot. */
export function receiveVote(draft: Draft, from: SeatIndex, vote: Vote): void {
  const { state } = draft;
  if (vote.epoch !== state.config.epoch) return ignore(draft, "vote-of-another-epoch");
  if (vote.signer !== from || !state.config.members[vote.signer]) return ignore(draft, "vote-not-by-its-sender");
  hear(draft, from, vote.view);
  if (vote.kind === "suspect" || vote.kind === "sight") return receiveRegionVote(draft, vote);
  if (vote.view > state.view + earlyViews) return ignore(draft, "vote-too-early");
  const tooLate =
    vote.kind === "finalize" ? vote.view < state.finalized.view - lateViews : vote.view <= state.finalized.view;
  if (tooLate) return ignore(draft, "vote-too-late");
  receiveRoundVote(draft, { ...vote, kind: vote.kind });
}

function receiveRoundVote(draft: Draft, vote: Vote & { readonly kind: RoundVoteKind }): void {
  const { state } = draft;
  const round = roundOf(state, vote.view);
  const slot = round.votes[vote.kind];
  const held = slot.get(vote.signer);
  if (held?.block === vote.block) return ignore(draft, "vote-duplicate");
  const other = contradicted(round, vote);
  // The slot keeps its first vote: retracting power could let one round cross the quorum twice.
  if (other) return checkConflict(draft, round, other, vote);
  updateRound(draft, vote.view, { votes: { ...round.votes, [vote.kind]: new Map(slot).set(vote.signer, vote) } });
  if (vote.kind === "finalize") measureLateness(draft, vote);
  if (vote.kind === "finalize" && round.finalization?.block === vote.block) {
    if (addsCoverage(state.config, round.finalization.signers, vote.signer)) {
      draft.effects.push({ kind: "extend", certificate: round.finalization, votes: [vote] });
    }
    return;
  }
  assembleIfQuorum(draft, vote);
}

/** Two votes that contradict each other are evidence once both signatures are verified. */
function checkConflict(draft: Draft, round: Round, first: Vote, second: Vote): void {
  if (round.conflicts.has(second.signer)) return ignore(draft, "conflict-known");
  const conflicts = new Map(round.conflicts).set(second.signer, { first, second, checked: 0 });
  updateRound(draft, round.view, { conflicts });
  draft.effects.push({ kind: "verify-vote", vote: first }, { kind: "verify-vote", vote: second });
}

/** One of the two signatures of a conflict is genuine. */
export function conflictingVoteVerified(draft: Draft, vote: Verified<Vote>): void {
  const round = roundOf(draft.state, vote.view);
  const conflict = round.conflicts.get(vote.signer);
  if (!conflict) return ignore(draft, "no-conflict");
  const checked = conflict.checked + 1;
  updateRound(draft, vote.view, { conflicts: new Map(round.conflicts).set(vote.signer, { ...conflict, checked }) });
  if (checked !== 2) return;
  const { first, second } = conflict;
  draft.effects.push({
    kind: "report-evidence",
    evidence: { kind: "conflicting-votes", first, second },
    offender: vote.signer,
  });
}

/** A vote of a conflict is forged: if it was the slot's, the slot is free for the genuine one. */
export function conflictingVoteRefused(draft: Draft, vote: Vote): void {
  if (vote.kind === "suspect" || vote.kind === "sight") return;
  dropVotes(draft, { ...vote, kind: vote.kind }, [vote.signer]);
}

/** Empties slots whose signatures are bad, and hands the rest to the verifier again if it still is a quorum. */
export function dropVotes(
  draft: Draft,
  ballot: Pick<Vote, "view" | "block"> & { readonly kind: RoundVoteKind },
  bad: readonly SeatIndex[],
): void {
  const round = roundOf(draft.state, ballot.view);
  const slot = new Map(round.votes[ballot.kind]);
  for (const signer of bad) {
    if (slot.get(signer)?.block !== ballot.block) continue;
    slot.delete(signer);
    draft.effects.push({ kind: "observe", event: { kind: "bad-vote", signer, voteKind: ballot.kind } });
  }
  updateRound(draft, ballot.view, {
    votes: { ...round.votes, [ballot.kind]: slot },
    assembling: { ...round.assembling, [ballot.kind]: false },
  });
  assembleIfQuorum(draft, ballot);
}

function receiveRegionVote(draft: Draft, vote: Vote): void {
  const { state } = draft;
  if (vote.view !== newestExecuted(state)?.coverage.modeSeq) return ignore(draft, "region-vote-of-another-mode");
  const known = Object.keys(state.config.coverage.requiredRegions).some(
    (region) => regionDigest(region) === vote.block,
  );
  if (!known) return ignore(draft, "region-unknown");
  const key = regionKey(vote);
  const slot = new Map(state.coverage.slots.get(key));
  if (slot.has(vote.signer)) return ignore(draft, "vote-duplicate");
  const before = powerOf(state.config, slot.keys());
  slot.set(vote.signer, vote);
  state.coverage = { ...state.coverage, slots: new Map(state.coverage.slots).set(key, slot) };
  if (before < state.totals.quorum && powerOf(state.config, slot.keys()) >= state.totals.quorum)
    assembleRegionBallot(draft, vote);
}

function assembleRegionBallot(draft: Draft, { kind, epoch, view, block }: Ballot): void {
  const votes = [...(draft.state.coverage.slots.get(regionKey({ kind, view, block }))?.values() ?? [])];
  votes.sort((a, b) => a.signer - b.signer);
  draft.effects.push({ kind: "assemble", ballot: { kind, epoch, view, block }, votes });
}

/** As `dropVotes`, for the ballots on regions. */
export function dropRegionVotes(draft: Draft, ballot: Ballot, bad: readonly SeatIndex[]): void {
  const { state } = draft;
  const key = regionKey(ballot);
  const slot = new Map(state.coverage.slots.get(key));
  for (const signer of bad) slot.delete(signer);
  state.coverage = { ...state.coverage, slots: new Map(state.coverage.slots).set(key, slot) };
  if (powerOf(state.config, slot.keys()) >= state.totals.quorum) assembleRegionBallot(draft, ballot);
}

/** Remembers that the member is alive and which view it speaks of. */
export function hear(draft: Draft, from: SeatIndex, view: View): void {
  const { state, time } = draft;
  const last = state.heard.get(from);
  const newest = last !== undefined && last.view > view ? last.view : view;
  state.heard = new Map(state.heard).set(from, { at: time.monotonic, view: newest });
}

/** Is the leader of the current view known to be silent, while the views since went on without it? */
export function leaderIsSilent(state: State, now: number, timeout: number): boolean {
  const { leader } = roundOf(state, state.view);
  const last = state.heard.get(leader);
  if (leader === state.self || last === undefined) return false;
  return state.view - last.view > state.config.parameters.silentViews && now - last.at > timeout;
}
