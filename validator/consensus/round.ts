/** What a member knows and has signed of one view. */
import type { Ballot, Certificate, Digest, NullifyReason, Proposal, SeatIndex, Verified, View, Vote } from "./types.ts";

/** The votes that move views. */
export type RoundVoteKind = "notarize" | "nullify" | "finalize";

/** What this member has cast in the view: the source of rules 0 to 2. */
export interface OwnVotes {
  readonly proposed: boolean;
  readonly notarize: Digest | undefined;
  readonly nullify: boolean;
  readonly finalize: Digest | undefined;
}

export interface Round {
  readonly view: View;
  readonly leader: SeatIndex;
  readonly proposal: Verified<Proposal> | undefined;
  readonly own: OwnVotes;
  /** Set when this member must give up on the view; the first reason stays. */
  readonly giveUp: NullifyReason | undefined;
  /** One slot per member and kind; unverified until a certificate takes them. */
  readonly votes: Readonly<Record<RoundVoteKind, ReadonlyMap<SeatIndex, Vote>>>;
  /** Kinds whose quorum was handed to the verifier. */
  readonly assembling: Readonly<Record<RoundVoteKind, boolean>>;
  /** When the finalize votes became a quorum, monotonic. */
  readonly quorumAt: number | undefined;
  readonly notarization: Verified<Certificate> | undefined;
  readonly nullification: Verified<Certificate> | undefined;
  readonly finalization: Verified<Certificate> | undefined;
  /** A second vote that contradicts the slot's, waiting for both signatures to be checked. One per member. */
  readonly conflicts: ReadonlyMap<SeatIndex, { readonly first: Vote; readonly second: Vote; readonly checked: number }>;
}

const noVotes: ReadonlyMap<SeatIndex, Vote> = new Map();

export function emptyRound(view: View, leader: SeatIndex): Round {
  return {
    view,
    leader,
    proposal: undefined,
    own: { proposed: false, notarize: undefined, nullify: false, finalize: undefined },
    giveUp: undefined,
    votes: { notarize: noVotes, nullify: noVotes, finalize: noVotes },
    assembling: { notarize: false, nullify: false, finalize: false },
    quorumAt: undefined,
    notarization: undefined,
    nullification: undefined,
    finalization: undefined,
    conflicts: new Map(),
  };
}

/**
 * May this member sign the ballot, as far as its own votes of the view say (consensus.md rules 1 and 2)?
 * Rules 3 to 5 are the callers' guards in `vote.ts`.
 */
export function allowedByOwnVotes(own: OwnVotes, ballot: Pick<Ballot, "kind" | "block">): boolean {
  switch (ballot.kind) {
    case "notarize":
      return own.notarize === undefined && !own.nullify;
    case "nullify":
      return !own.nullify && own.finalize === undefined;
    case "finalize":
      return own.finalize === undefined && !own.nullify;
    case "suspect":
    case "sight":
      return true;
  }
}

/** The own votes after casting the ballot. */
export function withOwnVote(own: OwnVotes, ballot: Pick<Ballot, "kind" | "block">): OwnVotes {
  switch (ballot.kind) {
    case "notarize":
      return { ...own, notarize: ballot.block };
    case "nullify":
      return { ...own, nullify: true };
    case "finalize":
      return { ...own, finalize: ballot.block };
    case "suspect":
    case "sight":
      return own;
  }
}

/** The vote already in the round that the rules never allow beside this one; undefined when there is none. */
export function contradicted(round: Round, vote: Vote): Vote | undefined {
  const { notarize, nullify, finalize } = round.votes;
  const other = (found: Vote | undefined) => (found !== undefined && found.block !== vote.block ? found : undefined);
  switch (vote.kind) {
    case "notarize":
      return other(notarize.get(vote.signer));
    case "nullify":
      return finalize.get(vote.signer);
    case "finalize":
      return other(finalize.get(vote.signer)) ?? nullify.get(vote.signer);
    case "suspect":
    case "sight":
      return undefined;
  }
}
