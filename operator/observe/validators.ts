/** What the operator asks of validators: their reports, and the two things it tells them. */
import type { ObjectKey } from "../kube/objects.ts";
import type { Report } from "../plan/snapshot.ts";
import type { Transaction } from "../plan/transactions.ts";

/** One validator to be asked. */
export interface ValidatorTarget {
  readonly identity: string;
  readonly podUid: string;
  /** Of its services, `host:port`. */
  readonly address: string;
}

/** `done`: it took it. `refused`: it will not, for the reason given. `failed`: nobody knows, try again. */
export type CallResult =
  | { readonly kind: "done" }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "failed"; readonly reason: string };

export interface Validators {
  /** Keeps a connection to each of these and to no others of the swarm. `genesis`: the trust anchor, once it is known. */
  readonly follow: (swarm: ObjectKey, targets: readonly ValidatorTarget[], genesis: Uint8Array | undefined) => void;
  /** The newest report of each that ever answered. */
  readonly reports: (swarm: ObjectKey) => readonly Report[];
  readonly provideGenesis: (swarm: ObjectKey, identity: string, document: Uint8Array) => Promise<CallResult>;
  /** Signs with an ed25519 seed of 32 bytes and hands the transaction to validators that follow the chain. */
  readonly submit: (swarm: ObjectKey, transaction: Transaction, seed: Uint8Array) => Promise<CallResult>;
  readonly forget: (swarm: ObjectKey) => void;
}
