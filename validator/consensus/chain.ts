/** The tree of blocks above the finalized one: walking it, and what makes a proposal valid in it (rule 4). */
import { executedAt, roundOf, type State } from "./state.ts";
import type { Anchor, BatchReference, Block, Digest, Header, Height, Proposal, Time, View } from "./types.ts";
import { view as toView } from "./types.ts";

/** What a child needs to know of its parent, whether a block or the epoch's anchor. */
export interface Parent {
  readonly hash: Digest;
  readonly view: View;
  readonly height: Height;
  readonly time: number;
  readonly rootHeight: Height;
  readonly root: Digest;
  readonly closing: boolean;
}

function anchorAsParent(anchor: Anchor): Parent {
  const { hash, height, time, rootHeight, root } = anchor;
  return { hash, view: toView(0), height, time, rootHeight, root, closing: false };
}

export function asParent({ hash, header }: Block): Parent {
  const { view, height, time, rootHeight, root, closing } = header;
  return { hash, view, height, time, rootHeight, root, closing };
}

/** The block or anchor with this hash, if it is known. */
export function parentByHash(state: State, hash: Digest): Parent | undefined {
  if (hash === state.config.anchor.hash) return anchorAsParent(state.config.anchor);
  const block = state.blocks.get(hash);
  return block && asParent(block);
}

/** A carrier follows the closing block only to finalize it; it has no height of its own. */
export function isCarrier(block: Block, parent: Parent): boolean {
  return parent.closing && block.header.closing;
}

export type Ancestry =
  /** From the child of the finalized block up to the tip, ascending. */
  | { readonly kind: "whole"; readonly blocks: readonly Block[] }
  | { readonly kind: "missing"; readonly hash: Digest }
  /** The chain passes the finalized height beside the finalized block. */
  | { readonly kind: "conflict"; readonly at: Block };

/** The chain from the finalized block (exclusive) to `tip` (inclusive). */
export function ancestry(state: State, tip: Digest): Ancestry {
  const blocks: Block[] = [];
  let hash = tip;
  while (hash !== state.finalized.hash) {
    const block = state.blocks.get(hash);
    if (block === undefined) return { kind: "missing", hash };
    if (block.header.view <= state.finalized.view) return { kind: "conflict", at: block };
    blocks.push(block);
    hash = block.header.parent;
  }
  return { kind: "whole", blocks: blocks.reverse() };
}

export type Justification =
  | { readonly kind: "justified"; readonly parent: Parent }
  | {
      readonly kind: "unjustified";
      readonly reason: "view-not-certified" | "parent-unknown";
      readonly missing: Digest | undefined;
    };

/**
 * The parent a proposal of this view must extend as far as this member's certificates say: the newest notarized or
 * final block with nullifications of every view between (rule 4).
 */
export function justifiedParent(state: State, view: View): Justification {
  for (let v = view - 1; v > state.finalized.view; v--) {
    const { notarization, nullification } = roundOf(state, toView(v));
    if (notarization) {
      const parent = parentByHash(state, notarization.block);
      return parent
        ? { kind: "justified", parent }
        : { kind: "unjustified", reason: "parent-unknown", missing: notarization.block };
    }
    if (!nullification) return { kind: "unjustified", reason: "view-not-certified", missing: undefined };
  }
  const parent = parentByHash(state, state.finalized.hash);
  return parent
    ? { kind: "justified", parent }
    : { kind: "unjustified", reason: "parent-unknown", missing: state.finalized.hash };
}

/** Holds this member what rule 4 asks of the proposal's place: its parent certified in `parentView`, and every view between nullified? */
export function parentCertified(state: State, header: Header): boolean {
  const { finalized } = state;
  const certified =
    header.parentView === finalized.view
      ? header.parent === finalized.hash
      : header.parentView > finalized.view && roundOf(state, header.parentView).notarization?.block === header.parent;
  if (!certified) return false;
  for (let v = header.parentView + 1; v < header.view; v++) {
    if (!roundOf(state, toView(v)).nullification) return false;
  }
  return true;
}

/** `wait`: something this member lacks may still come. `invalid`: never votable, the view is given up. */
export type Validity =
  | { readonly kind: "valid"; readonly ancestors: readonly Block[] }
  | {
      readonly kind: "wait";
      readonly for: "certificate" | "ancestor" | "finality" | "execution";
      readonly missing?: Digest;
    }
  | { readonly kind: "invalid"; readonly reason: string };

const invalid = (reason: string): Validity => ({ kind: "invalid", reason });

/**
 * Judges a proposal of the current view. Reads the block, its ancestors and the epoch's set; local progress can only
 * make it wait (consensus.md rule 4 and Execution).
 */
export function judge(state: State, proposal: Proposal, time: Time): Validity {
  const { header, body } = proposal.block;
  const { parameters, anchor, chainId, epoch } = state.config;
  if (header.chainId !== chainId || header.epoch !== epoch) return invalid("another chain or epoch");
  if (!parentCertified(state, header)) return { kind: "wait", for: "certificate" };
  const parent = parentByHash(state, header.parent);
  if (!parent) return { kind: "wait", for: "ancestor", missing: header.parent };
  const chain = ancestry(state, header.parent);
  if (chain.kind === "missing") return { kind: "wait", for: "ancestor", missing: chain.hash };
  if (chain.kind === "conflict") return invalid("it does not extend the finalized block");

  if (header.parentView !== parent.view) return invalid("parentView is not its parent's view");
  if (header.time <= parent.time) return invalid("its time is not above its parent's");
  if (header.time > time.wall + parameters.maxClockDrift) return invalid("its time is too far ahead");

  if (parent.closing) {
    const empty = body.batches.length === 0 && body.governance.length === 0 && body.coverage.length === 0;
    if (!header.closing || header.height !== parent.height || !empty)
      return invalid("only empty carriers follow a closing block");
  } else {
    if (header.height !== parent.height + 1) return invalid("its height does not follow its parent's");
    const closes =
      body.governance.some((t) => t.closesEpoch) || header.height === anchor.height + parameters.epochBlocks;
    if (header.closing !== closes) return invalid("closing is set otherwise than the rule says");
  }

  if (body.batches.length > parameters.maxBlockBatches) return invalid("too many batches");
  const ordered = batchesOf(chain.blocks);
  for (const batch of body.batches) {
    if (ordered.has(batch.digest)) return invalid("a batch is ordered twice");
    ordered.add(batch.digest);
    // Settlement waits for the zone that the reference names: it must be the one its content names.
    const held = state.payload.get(batch.digest);
    if (held?.held && !sameReference(held.batch, batch)) return invalid("a batch is not what its reference says");
  }

  const repeats = header.rootHeight === parent.rootHeight && header.root === parent.root;
  const lagging = parent.height - header.rootHeight > parameters.maxExecutionLag;
  if (lagging && body.batches.length > 0) return invalid("payments beyond the execution lag");
  if (repeats) return { kind: "valid", ancestors: chain.blocks };
  if (header.rootHeight < parent.rootHeight) return invalid("rootHeight goes back");
  if (header.rootHeight === parent.rootHeight) return invalid("another root for its parent's rootHeight");
  if (header.rootHeight > parent.height) return invalid("rootHeight is above its ancestors");
  if (header.rootHeight > state.finalized.height) return { kind: "wait", for: "finality" };
  const own = executedAt(state, header.rootHeight);
  if (!own) return { kind: "wait", for: "execution" };
  if (own.root !== header.root) return invalid("its root differs from this validator's");
  return { kind: "valid", ancestors: chain.blocks };
}

function sameReference(a: BatchReference, b: BatchReference): boolean {
  return a.digest === b.digest && a.payments === b.payments && a.bytes === b.bytes && a.zone === b.zone;
}

/** Digests of all batches in these blocks. */
export function batchesOf(blocks: readonly Block[]): Set<Digest> {
  return new Set(blocks.flatMap((block) => block.body.batches.map((batch) => batch.digest)));
}
