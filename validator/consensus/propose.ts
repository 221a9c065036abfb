/** The leader's turn (rule 0): what to propose on which parent, or how long to wait for something worth proposing. */
import { fetchBlock, sameBytes } from "./certificates.ts";
import { ancestry, justifiedParent, type Parent } from "./chain.ts";
import { regionDigest } from "./coverage.ts";
import { currentTimeout } from "./pacing.ts";
import { unordered } from "./payload.ts";
import { type Draft, maySign, newestExecuted, roundOf, type State, updateRound } from "./state.ts";
import type { Block, Body, CoverageChange, GovernanceTransaction, Header } from "./types.ts";
import { height as toHeight } from "./types.ts";

/** Proposes in the current view if it is this member's turn and there is reason to; else sets the idle timer. */
export function proposeCurrent(draft: Draft): void {
  const { state, time, effects } = draft;
  const round = roundOf(state, state.view);
  if (round.leader !== state.self || round.own.proposed || round.own.nullify || !maySign(state)) return;
  const justified = justifiedParent(state, state.view);
  if (justified.kind === "unjustified") {
    if (justified.missing !== undefined) fetchBlock(draft, justified.missing, []);
    return;
  }
  const { parent } = justified;
  const chain = ancestry(state, parent.hash);
  if (chain.kind !== "whole") {
    if (chain.kind === "missing") fetchBlock(draft, chain.hash, []);
    return;
  }

  const pair = rootPair(state, parent);
  const lagging = parent.height - pair.rootHeight > state.config.parameters.maxExecutionLag;
  const body = parent.closing ? emptyBody : fillBody(state, parent, chain.blocks, lagging, time.monotonic);
  const wanted = body.batches.length > 0 || body.governance.length > 0 || body.coverage.length > 0;
  if (!wanted) {
    const wait = waitForPayload(state, parent, lagging, time.monotonic);
    if (wait > 0) return setIdleTimer(draft, wait);
  } else {
    const wait = waitForParent(state, parent, body, time.monotonic);
    if (wait > 0) return setIdleTimer(draft, wait);
  }

  const { config } = state;
  const height = parent.closing ? parent.height : toHeight(parent.height + 1);
  const closing =
    parent.closing ||
    body.governance.some((t) => t.closesEpoch) ||
    height === config.anchor.height + config.parameters.epochBlocks;
  const header: Omit<Header, "bodyHash" | "reveal"> = {
    chainId: config.chainId,
    epoch: config.epoch,
    view: state.view,
    height,
    parentView: parent.view,
    parent: parent.hash,
    time: Math.max(parent.time + 1, Math.floor(time.wall)),
    proposer: round.leader,
    closing,
    ...pair,
  };
  updateRound(draft, state.view, { own: { ...round.own, proposed: true } });
  state.idleDeadline = undefined;
  effects.push({
    kind: "propose",
    header,
    body,
    reveal: state.view % config.parameters.revealInterval === 0,
    finalization: pair.rootHeight > config.anchor.height ? state.finalized.certificate : undefined,
  });
}

const emptyBody: Body = { batches: [], governance: [], coverage: [] };

/**
 * The newest executed root that the finalization sent along shows to be final; never below the parent's. A checkpoint
 * on the way is named, not skipped: only a root that a header names can be served with its certificate.
 */
function rootPair(state: State, parent: Parent): Pick<Header, "rootHeight" | "root"> {
  const interval = state.config.parameters.checkpointInterval;
  const checkpoint = (Math.floor(parent.rootHeight / interval) + 1) * interval;
  const known = state.executed.filter(
    ({ height }) => height > parent.rootHeight && height <= Math.min(state.finalized.height, parent.height),
  );
  const next = known.find(({ height }) => height === checkpoint) ?? known.at(-1);
  return next ? { rootHeight: next.height, root: next.root } : { rootHeight: parent.rootHeight, root: parent.root };
}

function fillBody(state: State, parent: Parent, chain: readonly Block[], lagging: boolean, now: number): Body {
  const { parameters } = state.config;
  const batches = lagging
    ? []
    : unordered(state, parent.hash)
        .filter((entry) => entry.readyAt <= now)
        .slice(0, parameters.maxBlockBatches)
        .map((entry) => entry.batch);
  const ordered = chain.flatMap((block) => block.body.governance);
  const waiting = state.governance.filter(({ bytes }) => !ordered.some((other) => sameBytes(other.bytes, bytes)));
  return { batches, governance: fillGovernance(waiting), coverage: coverageChanges(state, chain) };
}

/** Governance transactions are rare and small: so many, and so many bytes, keep a block far below its size limit. */
const maxGovernance = 8;
const maxGovernanceBytes = 128 * 1024;

/** The first that fit. One that closes the epoch is the block's last: what follows is judged by the next set. */
function fillGovernance(waiting: readonly GovernanceTransaction[]): readonly GovernanceTransaction[] {
  const taken: GovernanceTransaction[] = [];
  let bytes = 0;
  for (const transaction of waiting) {
    bytes += transaction.bytes.length;
    if (taken.length === maxGovernance || bytes > maxGovernanceBytes) break;
    taken.push(transaction);
    if (transaction.closesEpoch) break;
  }
  return taken;
}

/** The mode change that a quorum asks for in the current mode, unless a block under way makes one already. */
function coverageChanges(state: State, chain: readonly Block[]): readonly CoverageChange[] {
  const current = newestExecuted(state)?.coverage;
  if (!current || chain.some((block) => block.body.coverage.length > 0)) return [];
  for (const certificate of state.coverage.proven) {
    if (certificate.view !== current.modeSeq) continue;
    const region = Object.keys(state.config.coverage.requiredRegions).find(
      (name) => regionDigest(name) === certificate.block,
    );
    if (region === undefined) continue;
    const degraded = current.degraded.includes(region);
    if (certificate.kind === "suspect" && !degraded) return [{ kind: "degrade-region", region, certificate }];
    if (certificate.kind === "sight" && degraded) return [{ kind: "restore-region", region, certificate }];
  }
  return [];
}

/** Milliseconds to wait for payload before an empty block; 0 when an empty block is due. */
function waitForPayload(state: State, parent: Parent, lagging: boolean, now: number): number {
  const { idleInterval, settleInterval } = state.config.parameters;
  // Beyond the execution lag payload is no reason to propose: empty blocks as fast as messages go would only add to the lag.
  const ready = lagging
    ? Number.POSITIVE_INFINITY
    : Math.min(...unordered(state, parent.hash).map((entry) => entry.readyAt));
  // An unfinalized parent normally becomes final one message delay later: wait a part of the timeout before pushing.
  const pushing = lagging || parent.hash !== state.finalized.hash;
  const payments = state.coverage.unsettled.some((entry) => entry.payments);
  const patience = pushing
    ? currentTimeout(state) / 3
    : payments
      ? Math.min(settleInterval, idleInterval)
      : idleInterval;
  return Math.max(0, Math.min(state.enteredAt + patience, Math.max(ready, now)) - now);
}

/**
 * Longest wait for the parent to be final, ms. On a busy machine, or when messages are few, two small blocks at once
 * take from each other what one that is late takes along; over a distant region's round trip it is little.
 */
export const paceTime = 20;
/** Payload from which on a block is worth its cost at once, bytes. */
const paceBytes = 128 * 1024;

/** Milliseconds that a small block waits for its parent to be final. */
function waitForParent(state: State, parent: Parent, body: Body, now: number): number {
  if (parent.hash === state.finalized.hash) return 0;
  const bytes = body.batches.reduce((sum, batch) => sum + batch.bytes, 0);
  return bytes >= paceBytes ? 0 : Math.max(0, state.enteredAt + paceTime - now);
}

function setIdleTimer(draft: Draft, milliseconds: number): void {
  const { state, time, effects } = draft;
  const deadline = time.monotonic + milliseconds;
  if (state.idleDeadline !== undefined && Math.abs(state.idleDeadline - deadline) < 1) return;
  state.idleDeadline = deadline;
  effects.push({ kind: "set-timer", timer: "idle", view: state.view, milliseconds });
}
