/**
 * What happened in a world, as the checkers read it: plain facts in order, about correct members only, besides what
 * reached them. Only genuine evidence is kept: a vote that its signer never signed is no fact.
 */
import type { Ballot, Block, Digest, SeatIndex } from "../consensus/types.ts";
import type { Electorate } from "./electorate.ts";

export interface SettledMessage {
  /** messageHash, hexadecimal. */
  readonly hash: string;
  /** One a payment in order; 0 settled. */
  readonly codes: readonly number[];
}

/** `node` is a seat: a correct member runs one process. `at`: virtual milliseconds. */
export type Fact = { readonly at: number } & (
  | { readonly kind: "started"; readonly node: number }
  | { readonly kind: "said-vote"; readonly node: number; readonly ballot: Ballot }
  | { readonly kind: "said-proposal"; readonly node: number; readonly block: Digest }
  /** A genuine vote (one signer) or certificate came to the member. */
  | {
      readonly kind: "reached";
      readonly node: number;
      readonly ballot: Ballot;
      readonly signers: readonly SeatIndex[];
    }
  /** The member committed the block. */
  | { readonly kind: "final"; readonly node: number; readonly height: number; readonly block: Digest }
  /** The member's ledger stood at this root. */
  | { readonly kind: "executed"; readonly node: number; readonly height: number; readonly root: Digest }
  | {
      readonly kind: "settled";
      readonly node: number;
      readonly height: number;
      readonly receipts: string;
      readonly messages: readonly SettledMessage[];
    }
  /** The member answered "accepted" for the message. */
  | { readonly kind: "acknowledged"; readonly node: number; readonly message: string }
  /** After a restart, a batch of a block it had voted for is not on its disk. */
  | { readonly kind: "payload-missing"; readonly node: number; readonly block: Digest; readonly batch: Digest }
  /** The member found fault with another: a bad signature, a contradiction it can prove, bytes that no honest peer sends. */
  | { readonly kind: "accused"; readonly node: number; readonly of: number; readonly why: string }
  /** The member goes on under this epoch's set: power by seat. */
  | { readonly kind: "epoch"; readonly node: number; readonly epoch: number; readonly powers: readonly number[] }
  | { readonly kind: "quarantined"; readonly node: number; readonly height: number }
  /** Links, clocks and disks are good from now on; the message was submitted after it. */
  | { readonly kind: "healed"; readonly message: string }
  /** When everything acknowledged had settled, the member had settled up to this height. */
  | { readonly kind: "caught-up"; readonly node: number; readonly height: number }
  /** Minor units of each account, after the block of this height. */
  | { readonly kind: "balances"; readonly node: number; readonly height: number; readonly accounts: readonly bigint[] }
);

/** One payment as it was submitted: positions in the account table, minor units. */
export interface SubmittedPayment {
  readonly debtor: number;
  readonly creditor: number;
  readonly amount: number;
}

export interface History {
  /** By epoch, as the first correct member to enter it had it. */
  readonly electorates: ReadonlyMap<number, Electorate>;
  /** Hash of the block that epoch 0 starts from. */
  readonly anchor: Digest;
  readonly correct: readonly number[];
  readonly openings: readonly bigint[];
  /** Every block that anyone proposed or served. */
  readonly blocks: ReadonlyMap<Digest, Block>;
  /** By messageHash, hexadecimal. */
  readonly submitted: ReadonlyMap<string, readonly SubmittedPayment[]>;
  readonly facts: readonly Fact[];
}

/** A rule that was broken. `rule` names it as docs/simulator.md does. */
export interface Violation {
  readonly rule: string;
  readonly detail: string;
  readonly at: number;
}

export const short = (hash: string): string => hash.slice(0, 8);
