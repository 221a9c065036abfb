/**
 * Weighted Simplex as a pure function (consensus.md). An input is taken in; then the rules run, in order, on whatever
 * the state now is: no rule depends on which input made it possible, so a lost or late message cannot skip one.
 */
import {
  advanceFinality,
  applyCertificate,
  assembleGathered,
  checkCertifiedRoot,
  enterView,
  isNews,
  reconsiderCoverage,
  sameBytes,
} from "./certificates.ts";
import { forgetOtherModes, initialCoverage } from "./coverage.ts";
import { initialPacemaker, observeRoundTrip } from "./pacemaker.ts";
import { keepTime, resendTimerFired, sayAgain, viewTimerFired } from "./pacing.ts";
import { batchHeld, batchHinted } from "./payload.ts";
import { totals } from "./power.ts";
import { proposeCurrent } from "./propose.ts";
import { shareTimerFired } from "./sharing.ts";
import {
  type Draft,
  type ExecutedState,
  earlyViews,
  ignore,
  lateViews,
  newestExecuted,
  roundOf,
  type State,
  updateRound,
} from "./state.ts";
import type { Ballot, Certificate, Effect, EpochConfig, Input, Proposal, SeatIndex, Time, Verified } from "./types.ts";
import { view as toView } from "./types.ts";
import {
  castRegionBallots,
  conflictingVoteRefused,
  conflictingVoteVerified,
  dropRegionVotes,
  dropVotes,
  finalizeNotarized,
  giveUp,
  hear,
  notarizeCurrent,
  nullifyCurrent,
  receiveVote,
} from "./vote.ts";

export interface Step {
  readonly state: State;
  readonly effects: readonly Effect[];
}

/**
 * The state at an epoch's anchor. `executed` is the chain state there; `previous` the state of the epoch before, whose
 * unsettled blocks and measurements carry over. `self` is undefined for a learner.
 */
export function startEpoch(
  config: EpochConfig,
  self: SeatIndex | undefined,
  executed: ExecutedState,
  previous?: State,
): State {
  const { anchor } = config;
  return {
    config,
    totals: totals(config.members, config.faultModel),
    self,
    started: false,
    view: toView(1),
    enteredAt: 0,
    rounds: new Map(),
    blocks: new Map(),
    finalized: {
      view: toView(0),
      height: anchor.height,
      hash: anchor.hash,
      time: anchor.time,
      closed: false,
      certificate: undefined,
    },
    pendingTip: undefined,
    fetchingBlocks: new Set(),
    payload: previous?.payload ?? new Map(),
    finalBatches: previous?.finalBatches ?? new Map(),
    governance: previous?.governance.filter((transaction) => !transaction.closesEpoch) ?? [],
    executed: [executed],
    coverage: initialCoverage(config, previous?.coverage),
    pacemaker: { ...(previous?.pacemaker ?? initialPacemaker), roundTrips: new Map() },
    gathering: new Set(),
    lateness: new Map(),
    sharing: false,
    heard: new Map(),
    gone: new Set(),
    diskHealthy: previous?.diskHealthy ?? true,
    quarantined: previous?.quarantined ?? false,
    busyFrom: undefined,
    viewDeadline: undefined,
    idleDeadline: undefined,
    resendDelay: 0,
  };
}

/** One input, and everything that follows from it. Pure: equal arguments give equal results. */
export function step(state: State, input: Input, time: Time): Step {
  const draft: Draft = { state: { ...state }, effects: [], time };
  take(draft, input);
  if (draft.state.started) applyRules(draft);
  return { state: draft.state, effects: draft.effects };
}

/** The rules in their order. Each does nothing when its conditions do not hold or its work is done. */
function applyRules(draft: Draft): void {
  assembleGathered(draft);
  advanceFinality(draft);
  finalizeNotarized(draft);
  notarizeCurrent(draft);
  keepTime(draft);
  nullifyCurrent(draft);
  proposeCurrent(draft);
  castRegionBallots(draft);
}

function take(draft: Draft, input: Input): void {
  const { state } = draft;
  switch (input.kind) {
    case "start":
      return start(draft);
    case "proposal":
      return receiveProposal(draft, input.from, input.proposal);
    case "invalid-proposal":
      if (input.from === roundOf(state, input.view).leader && withinReach(state, input.view))
        giveUp(draft, input.view, "invalid-proposal");
      return;
    case "vote":
      return receiveVote(draft, input.from, input.vote);
    case "certificate":
      return receiveCertificate(draft, input.from, input.certificate);
    case "certificate-verified":
      return applyCertificate(draft, input.certificate, false);
    case "certificate-refused":
      return ignore(draft, "certificate-forged");
    case "assembled":
      return assembled(draft, input.certificate);
    case "assembly-refused":
      return assemblyRefused(draft, input.ballot, input.bad);
    case "vote-verified":
      return conflictingVoteVerified(draft, input.vote);
    case "vote-refused":
      return conflictingVoteRefused(draft, input.vote);
    case "batch-held":
      return batchHeld(draft, input.batch, input.creator);
    case "batch-hinted":
      return batchHinted(draft, input.digest, input.holders);
    case "governance":
      if (state.governance.length >= maxGovernancePool) return ignore(draft, "governance-pool-full");
      if (state.governance.some(({ bytes }) => sameBytes(bytes, input.transaction.bytes)))
        return ignore(draft, "governance-known");
      state.governance = [...state.governance, input.transaction];
      return;
    case "blocks":
      return receiveBlocks(draft, input);
    case "executed":
      return executed(draft, input);
    case "timer":
      // Of no one view: `gather` only wakes the rules.
      if (input.timer === "gather") return;
      if (input.timer === "share") return shareTimerFired(draft);
      if (input.view !== state.view) return ignore(draft, "timer-of-another-view");
      if (input.timer === "view") viewTimerFired(draft);
      else if (input.timer === "idle") state.idleDeadline = undefined;
      else resendTimerFired(draft);
      return;
    case "round-trip":
      if (!state.config.members[input.seat]) return ignore(draft, "not-a-member");
      state.pacemaker = observeRoundTrip(state.pacemaker, input.seat, input.milliseconds);
      return;
    case "presence": {
      const gone = new Set(state.gone);
      if (input.gone) gone.add(input.seat);
      else gone.delete(input.seat);
      state.gone = gone;
      return;
    }
    case "disk":
      state.diskHealthy = input.healthy;
      return;
    default:
      input satisfies never;
  }
}

const maxGovernancePool = 64;

function start(draft: Draft): void {
  const { state, time } = draft;
  state.started = true;
  enterView(draft, state.view);
  const now = time.monotonic;
  // Everyone starts as heard: a member counts as silent only from what it then leaves out.
  state.heard = new Map(state.config.members.map((_, seat) => [seat as SeatIndex, { at: now, view: state.view }]));
  // After a restart, what was signed may not have been sent: it is said again, the same bytes.
  sayAgain(draft);
}

function withinReach(state: State, view: number): boolean {
  return view > state.finalized.view && view <= state.view + earlyViews;
}

function receiveProposal(draft: Draft, from: SeatIndex, proposal: Verified<Proposal>): void {
  const { state } = draft;
  const { header } = proposal.block;
  if (header.epoch !== state.config.epoch || header.chainId !== state.config.chainId)
    return ignore(draft, "proposal-of-another-epoch");
  if (!withinReach(state, header.view)) return ignore(draft, "proposal-out-of-reach");
  const round = roundOf(state, header.view);
  if (header.proposer !== round.leader) return ignore(draft, "proposal-not-by-the-leader");
  hear(draft, header.proposer, header.view);
  if (from !== header.proposer) hear(draft, from, header.view);
  const first = round.proposal;
  if (first && first.block.hash !== proposal.block.hash) {
    if (round.giveUp !== "leader-equivocated") {
      updateRound(draft, header.view, { giveUp: "leader-equivocated" });
      const evidence = { kind: "conflicting-proposals", first, second: proposal } as const;
      draft.effects.push({ kind: "report-evidence", evidence, offender: header.proposer });
    }
    return;
  }
  if (first) return ignore(draft, "proposal-duplicate");
  updateRound(draft, header.view, { proposal });
  state.blocks = new Map(state.blocks).set(proposal.block.hash, proposal.block);
  if (from === state.self)
    draft.effects.push({ kind: "observe", event: { kind: "proposed", view: header.view, block: proposal.block.hash } });
  if (proposal.finalization) receiveCertificate(draft, from, proposal.finalization);
}

function receiveCertificate(draft: Draft, from: SeatIndex | undefined, certificate: Certificate): void {
  const { state } = draft;
  if (from !== undefined && certificate.epoch === state.config.epoch)
    hear(draft, from, toView(Math.min(certificate.view, state.view)));
  if (!isNews(state, certificate)) return ignore(draft, "certificate-known");
  draft.effects.push({ kind: "verify-certificate", from, certificate });
}

function assembled(draft: Draft, certificate: Verified<Certificate>): void {
  const { state } = draft;
  if (certificate.kind === "suspect" || certificate.kind === "sight") {
    state.coverage = { ...state.coverage, proven: [...state.coverage.proven, certificate] };
    return;
  }
  applyCertificate(draft, certificate, true);
}

function assemblyRefused(draft: Draft, ballot: Ballot, bad: readonly SeatIndex[]): void {
  const { kind } = ballot;
  if (kind === "suspect" || kind === "sight") dropRegionVotes(draft, ballot, bad);
  else dropVotes(draft, { ...ballot, kind }, bad);
}

/** Fetched blocks are hash-linked by the driver; whether they are final is what the certificates say. */
function receiveBlocks(draft: Draft, { blocks, finalization }: Extract<Input, { kind: "blocks" }>): void {
  const { state } = draft;
  const known = new Map(state.blocks);
  for (const block of blocks) {
    const { epoch, view } = block.header;
    if (epoch === state.config.epoch && view > state.finalized.view - lateViews) known.set(block.hash, block);
  }
  state.blocks = known;
  state.fetchingBlocks = new Set();
  for (const block of blocks) {
    const round = roundOf(state, block.header.view);
    if (round.notarization?.block === block.hash || round.finalization?.block === block.hash)
      checkCertifiedRoot(draft, block.hash);
  }
  if (finalization) receiveCertificate(draft, undefined, finalization);
}

function executed(draft: Draft, { height, root, coverage }: ExecutedState): void {
  const { state } = draft;
  if (height <= (newestExecuted(state)?.height ?? -1)) return ignore(draft, "executed-known");
  const oldest = oldestRootNeeded(state);
  state.executed = [...state.executed.filter((entry) => entry.height >= oldest), { height, root, coverage }];
  state.coverage = forgetOtherModes(state.coverage, coverage.modeSeq);
  for (const round of state.rounds.values()) {
    const proof = round.notarization ?? round.finalization;
    if (proof && state.blocks.get(proof.block)?.header.rootHeight === height) checkCertifiedRoot(draft, proof.block);
  }
  reconsiderCoverage(draft);
}

/** Blocks still in memory name roots; the newest executed state stays in any case. */
function oldestRootNeeded(state: State): number {
  let oldest = newestExecuted(state)?.height ?? 0;
  for (const block of state.blocks.values()) oldest = Math.min(oldest, block.header.rootHeight);
  return oldest;
}
