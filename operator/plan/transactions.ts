/** What the planner asks of the chain. The world turns it into a governance transaction and signs it as the delegate. */
import type { PublicKeys } from "./snapshot.ts";

/** A member of a set to be: known keys, or keys that come with it. */
export interface MemberChange {
  readonly id: string;
  readonly power: number;
  readonly region: string;
  /** Residency zones whose private data it may hold. */
  readonly zones: readonly string[];
  readonly keys: Pick<PublicKeys, "blsKey" | "peerKey">;
  /** Of a key that was in no set before. */
  readonly proofOfPossession: string | undefined;
}

export type TransactionBody =
  | {
      readonly kind: "set-members";
      readonly members: readonly MemberChange[];
      readonly requiredRegions: Readonly<Record<string, number>>;
    }
  | { readonly kind: "rotate-seat"; readonly seat: string; readonly currentKey: string; readonly keys: PublicKeys }
  | { readonly kind: "admit-learner"; readonly seat: string; readonly learner: string; readonly peerKey: string }
  | { readonly kind: "dismiss-learner"; readonly learner: string }
  | { readonly kind: "set-parameters"; readonly parameters: Readonly<Record<string, number | string>> };

/**
 * One transaction. It is good in the epoch it names and closes it, so that whoever submits it again changes nothing:
 * a world puts the epoch into a seat's action, and under the governance set's authority checks it before it signs.
 */
export interface Transaction {
  /** Names the wish: `<epoch> <kind> <what>`. Equal ids ask for the same thing. */
  readonly id: string;
  readonly epoch: number;
  readonly body: TransactionBody;
}
