/**
 * Own execution against certified roots: the root computed here after a block, and the one that a final header names for
 * it. The first that differ end it: what this process computes is then another ledger than the swarm's.
 */
import type { Block, Certificate, Digest, Header, Height } from "../consensus/types.ts";
import type { ExecutedBlock } from "../ledger/types.ts";

/** A block whose roots differ. */
export interface RootMismatch {
  readonly height: Height;
  /** Named by a final header. */
  readonly expected: Digest;
  readonly computed: Digest;
}

/** How far own execution was compared, since this process began. A root covers everything before it. */
export interface ShadowState {
  /** Newest height compared; undefined before the first. */
  readonly compared: { readonly height: Height; readonly root: Digest } | undefined;
  /** Blocks executed here up to it. */
  readonly blocks: number;
  /** Payments in them. */
  readonly payments: number;
  readonly mismatch: RootMismatch | undefined;
}

interface FinalHeader {
  readonly header: Header;
  readonly finalization: Certificate;
}

export interface Shadow {
  readonly state: ShadowState;
  /** The header that shows the mismatch. */
  readonly evidence: FinalHeader | undefined;
  /** A finalization with its block; one of another block proves nothing of this header, and is passed over. */
  finalized(block: Block, finalization: Certificate): void;
  executed(result: Pick<ExecutedBlock, "height" | "root" | "messages">): void;
  /** Execution goes on from a state that was not computed here. */
  jumped(): void;
}

/** Heights that wait for the other half of the comparison: the next one that meets covers those forgotten. */
const waitingKept = 1_024;

/** `diverged` is called once, where the mismatch is seen. */
export function createShadow(diverged: (mismatch: RootMismatch) => void): Shadow {
  const computed = new Map<Height, { readonly root: Digest; readonly blocks: number; readonly payments: number }>();
  const certified = new Map<Height, FinalHeader>();
  let blocks = 0;
  let payments = 0;
  let state: ShadowState = { compared: undefined, blocks: 0, payments: 0, mismatch: undefined };
  let evidence: FinalHeader | undefined;

  function compare(height: Height): void {
    const own = computed.get(height);
    const final = certified.get(height);
    if (!own || !final || state.mismatch) return;
    const expected = final.header.root;
    if (own.root === expected) {
      state = { ...state, compared: { height, root: own.root }, blocks: own.blocks, payments: own.payments };
      forgetUpTo(computed, height);
      forgetUpTo(certified, height);
      return;
    }
    evidence = final;
    state = { ...state, mismatch: { height, expected, computed: own.root } };
    diverged({ height, expected, computed: own.root });
  }

  return {
    get state() {
      return state;
    },
    get evidence() {
      return evidence;
    },
    finalized(block, finalization) {
      const { rootHeight } = block.header;
      if (finalization.block !== block.hash || rootHeight <= (state.compared?.height ?? -1)) return;
      if (certified.has(rootHeight)) return;
      certified.set(rootHeight, { header: block.header, finalization });
      bound(certified);
      compare(rootHeight);
    },
    executed({ height, root, messages }) {
      blocks += 1;
      for (const message of messages) payments += message.payments;
      computed.set(height, { root, blocks, payments });
      bound(computed);
      compare(height);
    },
    jumped() {
      computed.clear();
    },
  };
}

function forgetUpTo(waiting: Map<Height, unknown>, height: Height): void {
  for (const at of waiting.keys()) if (at <= height) waiting.delete(at);
}

function bound(waiting: Map<Height, unknown>): void {
  const oldest = waiting.keys().next();
  if (waiting.size > waitingKept && !oldest.done) waiting.delete(oldest.value);
}
