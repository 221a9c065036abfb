/** Expected failures of everything that is done with a checkpoint. */

/** Why a checkpoint is refused. Closed: each has its test. */
export type Refusal =
  /** A chunk or the manifest is not what its digest says. */
  | "Corrupted"
  /** A chunk is missing, or ends too soon. */
  | "Truncated"
  /** A certificate, a handover, the state or the executed keys are not those that a quorum signed. */
  | "Forged"
  /** Older than what is known already. */
  | "Stale"
  | "AnotherChain"
  /** A manifest of a later release. */
  | "UnknownVersion"
  /** Restored, and executing the blocks above gave another root than the certified one. */
  | "RootMismatch";

/** Why nothing could be done: none of these says anything against a checkpoint. */
export type Obstacle =
  /** No such manifest at the destination. */
  | "NotFound"
  /** No validator has one to give. */
  | "NoSource"
  /** The destination does not answer, or refuses. */
  | "StoreUnavailable"
  /** The scratch volume failed. */
  | "ScratchFailed";

export interface Failure {
  readonly kind: "failed";
  readonly reason: Refusal | Obstacle;
  /** A sentence a person can act on. */
  readonly message: string;
}

export const failed = (reason: Failure["reason"], message: string): Failure => ({ kind: "failed", reason, message });

/** How a store throws that it does not answer. Everything else it throws is a bug. */
export class StoreError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "StoreError";
  }
}
