/** What the network counts, as the metrics read it. */
import type { PeerName } from "../driver/ports.ts";
import type { GossipCounters } from "./gossip.ts";
import type { StreamCounters } from "./streams.ts";

/** One peer as seen now; counts since the start of the process. */
export interface PeerStats extends Readonly<StreamCounters> {
  readonly connected: boolean;
  readonly requestsInFlight: number;
  readonly queuedBytes: number;
  /** Standing penalties. */
  readonly penalties: number;
  /** What penalties take off its gossip score; below −300 its messages are ignored. */
  readonly score: number;
  /** Milliseconds of the last ping. */
  readonly roundTrip: number | undefined;
}

export interface NetworkStats {
  readonly peers: Readonly<Record<PeerName, PeerStats>>;
  readonly gossip: Readonly<GossipCounters>;
  readonly connections: number;
  /** Connections refused because their peer is not on the list, is banned, or is connected already. */
  readonly refusedConnections: number;
  readonly dialsFailed: number;
  readonly penalties: number;
}
