/** A seat as this machine's views show it. */

/** A place in the validator set. */
export interface Seat {
  /** Unique in the swarm, e.g. `quickstart-eu-west-0`. */
  readonly name: string;
  /** The key pair's generation that holds the seat: its process and its volume are called so. */
  readonly identity: string;
  readonly region: string;
  /** In the current set; 0 of one that joins. */
  readonly power: number;
  readonly zones: readonly string[];
}
