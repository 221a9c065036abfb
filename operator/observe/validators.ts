/** What the operator asks of validators: their reports, and the two things it tells them. */
import type { ObjectKey } from "../kube/objects.ts";
import type { Watch } from "../plan/canary.ts";
import type { Report, Samples } from "../plan/snapshot.ts";
import type { Transaction } from "../plan/transactions.ts";

/** One validator to be asked. */
export interface ValidatorTarget {
  readonly identity: string;
  readonly podUid: string;
  /** Of its services, `host:port`. */
  readonly address: string;
  /** The name in its certificate, where the world has certificates. */
  readonly servername: string;
  readonly seat: string;
  /** Of its metrics, `host:port`; undefined while it has none. */
  readonly metrics: string | undefined;
}

/** The operator's own ed25519 key for a swarm. */
export interface OperatorKey {
  /** 32 bytes. */
  readonly seed: Uint8Array;
  /** Hexadecimal. */
  readonly publicKey: string;
}

/** Whom to ask in one swarm, and about what. */
export interface Interest {
  readonly targets: readonly ValidatorTarget[];
  /** The trust anchor, once it is known. */
  readonly genesis: Uint8Array | undefined;
  readonly key: OperatorKey;
  /** Whose outcome is awaited. */
  readonly transaction: Transaction | undefined;
  /** What their seats do is measured; undefined: nothing is. */
  readonly watch: SampleWatch | undefined;
}

export interface SampleWatch extends Watch {
  /** A Prometheus that scrapes them, and their namespace there; undefined: their own endpoints are asked. */
  readonly prometheus: { readonly url: string; readonly namespace: string } | undefined;
}

/** `done`: it took it. `refused`: it will not, for the reason given. `failed`: nobody knows, try again. */
export type CallResult =
  | { readonly kind: "done" }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "failed"; readonly reason: string };

export interface Validators {
  /** Keeps a connection to each of the targets and to no others of the swarm. */
  readonly follow: (swarm: ObjectKey, interest: Interest) => void;
  /** The newest report of each that answers, or did until seconds ago. */
  readonly reports: (swarm: ObjectKey) => readonly Report[];
  /** What was measured of the seats, while an interest asked for it. */
  readonly samples: (swarm: ObjectKey) => Samples;
  readonly provideGenesis: (swarm: ObjectKey, identity: string, document: Uint8Array) => Promise<CallResult>;
  /** Signs with the key it was given and hands the transaction to validators that follow the chain. */
  readonly submit: (swarm: ObjectKey, transaction: Transaction) => Promise<CallResult>;
  readonly forget: (swarm: ObjectKey) => void;
}
