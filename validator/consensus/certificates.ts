/** What a verified certificate changes: the view, the finalized block, coverage, and doubts about one's own state. */
import { ancestry, isCarrier, parentByHash } from "./chain.ts";
import { addFinal, addFinalization, addsCoverage, settleCovered } from "./coverage.ts";
import { gatherTime, isGathering } from "./gathering.ts";
import { observeView } from "./pacemaker.ts";
import { dropFinal, fetchMissing, proposableSince } from "./payload.ts";
import { powerOf } from "./power.ts";
import type { RoundVoteKind } from "./round.ts";
import { shareSoon } from "./sharing.ts";
import {
  type Draft,
  earlyViews,
  executedAt,
  ignore,
  lateViews,
  newestExecuted,
  roundOf,
  type State,
  updateRound,
} from "./state.ts";
import type { Block, Certificate, CoverageState, Digest, SeatIndex, Verified, Vote } from "./types.ts";
import { view as toView } from "./types.ts";

/** Would this certificate, if genuine, tell this member something? Only then is it worth a verification. */
export function isNews(state: State, certificate: Certificate): boolean {
  const { finalized } = state;
  if (certificate.epoch !== state.config.epoch) return false;
  const round = roundOf(state, certificate.view);
  switch (certificate.kind) {
    case "notarize":
      return certificate.view > finalized.view && round.notarization === undefined;
    case "nullify":
      return certificate.view > finalized.view && round.nullification === undefined;
    case "finalize":
      if (round.finalization === undefined) return certificate.view > finalized.view;
      return (
        certificate.view > finalized.view - lateViews &&
        certificate.signers.some((seat) => addsCoverage(state.config, round.finalization?.signers ?? [], seat))
      );
    case "suspect":
    case "sight":
      return false;
  }
}

/** Applies a certificate. `assembledHere` says that this member collected it and others may lack it. */
export function applyCertificate(draft: Draft, certificate: Verified<Certificate>, assembledHere: boolean): void {
  const { state, effects } = draft;
  if (!isNews(state, certificate)) return ignore(draft, "certificate-known");
  const { view, block } = certificate;
  const round = roundOf(state, view);
  effects.push({ kind: "keep-certificate", certificate });
  switch (certificate.kind) {
    case "notarize":
      assertSameBlock(round.finalization?.block, certificate);
      updateRound(draft, view, { notarization: certificate, votes: { ...round.votes, notarize: new Map() } });
      effects.push({ kind: "observe", event: { kind: "notarized", view, block } });
      measureView(draft, certificate);
      checkCertifiedRoot(draft, block);
      break;
    case "nullify":
      if (round.finalization)
        throw new Error(`view ${view} is both finalized and nullified: more than F power is faulty`);
      updateRound(draft, view, { nullification: certificate, votes: { ...round.votes, nullify: new Map() } });
      effects.push({ kind: "observe", event: { kind: "nullified", view } });
      break;
    case "finalize":
      assertSameBlock(round.notarization?.block, certificate);
      if (round.nullification)
        throw new Error(`view ${view} is both finalized and nullified: more than F power is faulty`);
      updateRound(draft, view, { finalization: certificate });
      if (view > state.finalized.view && view > (state.pendingTip?.view ?? 0)) state.pendingTip = certificate;
      coverWith(draft, certificate);
      break;
    case "suspect":
    case "sight":
      return;
  }
  if (assembledHere && certificate.kind === "nullify")
    effects.push({ kind: "broadcast", message: { kind: "certificate", certificate } });
  else if (assembledHere) shareSoon(draft);
  if (view >= state.view) enterView(draft, view + 1);
}

function assertSameBlock(other: Digest | undefined, { view, block }: Certificate): void {
  if (other !== undefined && other !== block)
    throw new Error(`two blocks are certified in view ${view}: more than F power is faulty`);
}

/** How long the view took from having something to propose: the pacemaker's sample. An idle view says nothing. */
function measureView(draft: Draft, { view }: Certificate): void {
  const { state, time } = draft;
  const parent = state.rounds.get(view)?.proposal?.block.header.parent;
  const since = parent === undefined ? undefined : proposableSince(state, parent);
  if (view !== state.view || since === undefined) return;
  const start = Math.max(state.enteredAt, since);
  if (time.monotonic > start)
    state.pacemaker = observeView(state.pacemaker, state.config, state.self, time.monotonic - start);
}

/** Leaves the current view for a later one. Everything that depends on the view is set anew. */
export function enterView(draft: Draft, next: number): void {
  const { state, time } = draft;
  state.view = toView(next);
  state.enteredAt = time.monotonic;
  state.busyFrom = undefined;
  state.viewDeadline = undefined;
  state.idleDeadline = undefined;
  state.resendDelay = 0;
  // Fetches that were not answered may be tried again in the new view.
  state.fetchingBlocks = new Set();
  const horizon = state.finalized.view - lateViews;
  state.rounds = new Map([...state.rounds].filter(([view]) => view >= horizon && view <= next + earlyViews));
  draft.effects.push(
    { kind: "clear-timer", timer: "idle" },
    { kind: "observe", event: { kind: "entered-view", view: state.view, leader: roundOf(state, state.view).leader } },
  );
}

/** Commits up to the newest finalization once the chain to it is whole; asks for what is missing. */
export function advanceFinality(draft: Draft): void {
  const { state, effects } = draft;
  const tip = state.pendingTip;
  if (!tip) return;
  const chain = ancestry(state, tip.block);
  if (chain.kind === "conflict")
    throw new Error(
      `finalized block ${tip.block} does not extend ${state.finalized.hash}: more than F power is faulty`,
    );
  if (chain.kind === "missing") return fetchBlock(draft, tip.block, tip.signers);
  state.pendingTip = undefined;

  let parent = parentByHash(state, state.finalized.hash);
  const committed: Block[] = [];
  for (const block of chain.blocks) {
    if (!parent || !isCarrier(block, parent)) {
      committed.push(block);
      state.coverage = addFinal(state.coverage, block);
      fetchMissing(draft, block, tip.signers);
      effects.push({ kind: "commit", block, finalization: tip });
    }
    parent = parentByHash(state, block.hash);
  }
  const last = chain.blocks.at(-1);
  if (!last) return;
  const { view, height, time, closing } = last.header;
  state.finalized = { view, height, hash: last.hash, time, closed: closing, certificate: tip };
  effects.push({ kind: "observe", event: { kind: "finalized", view, height, block: last.hash } });
  dropFinal(draft, committed);
  dropGovernance(draft, committed);
  for (const block of chain.blocks) checkCertifiedRoot(draft, block.hash);
  pruneBlocks(draft);
  coverWith(draft, tip);
}

export function fetchBlock(draft: Draft, tip: Digest, from: readonly SeatIndex[]): void {
  const { state } = draft;
  if (state.fetchingBlocks.has(tip)) return;
  state.fetchingBlocks = new Set(state.fetchingBlocks).add(tip);
  draft.effects.push({
    kind: "fetch-blocks",
    tip,
    above: state.finalized.height,
    from: from.filter((seat) => seat !== state.self),
  });
}

function dropGovernance(draft: Draft, blocks: readonly Block[]): void {
  const { state } = draft;
  const done = blocks.flatMap((block) => block.body.governance);
  if (done.length === 0) return;
  state.governance = state.governance.filter(({ bytes }) => !done.some((other) => sameBytes(other.bytes, bytes)));
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function pruneBlocks(draft: Draft): void {
  const { state } = draft;
  const horizon = state.finalized.view - lateViews;
  state.blocks = new Map([...state.blocks].filter(([, block]) => block.header.view >= horizon));
}

/** Takes a finalization into account for coverage, if its block is final here. */
function coverWith(draft: Draft, certificate: Verified<Certificate>): void {
  const { state } = draft;
  const block = state.blocks.get(certificate.block);
  if (!block || block.header.view > state.finalized.view) return;
  const required = requiredBy(state, block);
  const current = newestExecuted(state)?.coverage;
  if (!current) return;
  state.coverage = addFinalization(state.coverage, state.config, block, certificate.signers, required, current);
  settle(draft, certificate);
}

/** The coverage state that the block's header names, once it is executed here. */
function requiredBy(state: State, block: Block): CoverageState | undefined {
  return executedAt(state, block.header.rootHeight)?.coverage;
}

function settle(draft: Draft, certificate: Certificate): void {
  const { state } = draft;
  const next = settleCovered(state.coverage);
  if (next === state.coverage) return;
  state.coverage = next;
  draft.effects.push({ kind: "settle", height: next.settled, finalization: certificate });
}

/** After execution moved on: finalizations whose header names a state that was not executed yet can be judged now. */
export function reconsiderCoverage(draft: Draft): void {
  const { state } = draft;
  if (state.coverage.unsettled.length === 0) return;
  for (const round of state.rounds.values()) {
    if (!round.finalization) continue;
    const block = state.blocks.get(round.finalization.block);
    if (block && block.header.height > state.coverage.regional) coverWith(draft, round.finalization);
  }
}

/** A quorum vouches for a root at a height where this member has another: its own state cannot be trusted. */
export function checkCertifiedRoot(draft: Draft, hash: Digest): void {
  const { state } = draft;
  const block = state.blocks.get(hash);
  if (!block || state.quarantined) return;
  const own = executedAt(state, block.header.rootHeight);
  if (!own || own.root === block.header.root) return;
  state.quarantined = true;
  draft.effects.push({ kind: "quarantine", height: own.height, own: own.root, certified: block.header.root, block });
}

/** Hands a ballot's votes to the verifier when they reach a quorum and no certificate is there or under way. */
export function assembleIfQuorum(
  draft: Draft,
  ballot: Pick<Vote, "kind" | "view" | "block"> & { readonly kind: RoundVoteKind },
): void {
  const { state } = draft;
  const { kind, view, block } = ballot;
  const round = roundOf(state, view);
  if (round.assembling[kind] || certificateOf(round, kind)) return;
  const votes = [...round.votes[kind].values()].filter((vote) => vote.block === block);
  if (
    powerOf(
      state.config,
      votes.map((vote) => vote.signer),
    ) < state.totals.quorum
  )
    return;
  if (kind === "finalize" && isGathering(draft, view, votes)) return;
  updateRound(draft, view, { assembling: { ...round.assembling, [kind]: true } });
  votes.sort((a, b) => a.signer - b.signer);
  draft.effects.push({ kind: "assemble", ballot: { kind, epoch: state.config.epoch, view, block }, votes });
}

/** Assembles the finalize votes that were given their moment. */
export function assembleGathered(draft: Draft): void {
  const { state, time } = draft;
  for (const view of state.gathering) {
    const round = roundOf(state, view);
    const [vote] = round.votes.finalize.values();
    if (round.finalization || view < state.finalized.view || !vote)
      state.gathering = new Set([...state.gathering].filter((other) => other !== view));
    else if (time.monotonic - (round.quorumAt ?? 0) >= gatherTime)
      for (const block of new Set([...round.votes.finalize.values()].map((vote) => vote.block)))
        assembleIfQuorum(draft, { kind: "finalize", view, block });
  }
}

function certificateOf(round: ReturnType<typeof roundOf>, kind: RoundVoteKind): Certificate | undefined {
  return kind === "notarize" ? round.notarization : kind === "nullify" ? round.nullification : round.finalization;
}
