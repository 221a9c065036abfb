/** Histories for the checkers' tests: a good one of two blocks, to be spoilt one fact at a time. */
import { sealBlock } from "../../../codec/block.ts";
import type { Block, Digest, SeatIndex, VoteKind } from "../../../consensus/types.ts";
import { digest, epoch, height, seatIndex, view, zeroDigest } from "../../../consensus/types.ts";
import { electorateOf } from "../../electorate.ts";
import type { Fact, History } from "../../history.ts";

export const named = (name: string): Digest => digest(Buffer.from(name.padEnd(32, ".")).toString("hex"));

export interface BlockFields {
  readonly view: number;
  readonly height: number;
  readonly parent: Digest;
  readonly parentView: number;
  /** Makes blocks of the same place differ. */
  readonly time?: number;
}

export const anchor = named("anchor");

export function block(fields: BlockFields): Block {
  const header = {
    chainId: named("chain"),
    epoch: epoch(0),
    view: view(fields.view),
    height: height(fields.height),
    parentView: view(fields.parentView),
    parent: fields.parent,
    time: fields.time ?? 1_000 + fields.height,
    proposer: seatIndex(0),
    closing: false,
    rootHeight: height(0),
    root: named("root"),
  };
  return sealBlock(header, { batches: [], governance: [], coverage: [] }, undefined);
}

/** Time is the fact's place in the list. */
type Untimed<F> = F extends infer G ? Omit<G, "at"> : never;
export type Event = Untimed<Fact>;

export function ballot(kind: VoteKind, at: number, hash: Digest = zeroDigest) {
  return { kind, epoch: epoch(0), view: view(at), block: hash } as const;
}

export function says(node: number, kind: VoteKind, at: number, hash?: Digest): Event {
  return { kind: "said-vote", node, ballot: ballot(kind, at, hash) };
}

/** A certificate, or one vote, comes to the member. */
export function hears(
  node: number,
  kind: VoteKind,
  at: number,
  hash?: Digest,
  by: readonly number[] = [0, 1, 2],
): Event {
  return { kind: "reached", node, ballot: ballot(kind, at, hash), signers: by as readonly SeatIndex[] };
}

export const first = block({ view: 1, height: 1, parent: anchor, parentView: 0 });
export const second = block({ view: 2, height: 2, parent: first.hash, parentView: 1 });
export const rival = block({ view: 2, height: 2, parent: first.hash, parentView: 1, time: 2_000 });
/** On the first block, over a nullified view 2. */
export const skipping = block({ view: 3, height: 2, parent: first.hash, parentView: 1 });

/** Four members of power 1, of whom 0, 1 and 2 are correct; two payments from account 0 to 1. */
export function history(events: readonly Event[], more: Partial<History> = {}): History {
  return {
    electorates: new Map([[0, electorateOf([1, 1, 1, 1])]]),
    anchor,
    correct: [0, 1, 2],
    openings: [100n, 100n],
    blocks: new Map([first, second, rival, skipping].map((made) => [made.hash, made])),
    submitted: new Map([
      ["paid", [{ debtor: 0, creditor: 1, amount: 7 }]],
      ["fresh", [{ debtor: 0, creditor: 1, amount: 1 }]],
    ]),
    facts: events.map((event, at) => ({ at, ...event })),
    ...more,
  };
}

/** A member that does everything right for two views. */
export function goodMember(node: number): readonly Event[] {
  return [
    { kind: "started", node },
    says(node, "notarize", 1, first.hash),
    hears(node, "notarize", 1, first.hash),
    says(node, "finalize", 1, first.hash),
    says(node, "notarize", 2, second.hash),
    hears(node, "finalize", 1, first.hash),
    { kind: "final", node, height: 1, block: first.hash },
    hears(node, "notarize", 2, second.hash),
    says(node, "finalize", 2, second.hash),
  ];
}
