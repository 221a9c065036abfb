/** Bounds of everything a peer can make this process hold, wait for or repeat. Bytes, milliseconds, counts. */
export interface NetworkLimits {
  /** Largest payload of one frame: a reply of the driver with its private parts. */
  readonly frameBytes: number;
  /** Largest gossip message before sealing. */
  readonly gossipBytes: number;
  /** Requests to one peer that wait for their answer; and requests of one peer being answered. */
  readonly requestsInFlight: number;
  /** Frames to one peer that wait to be written; and requests of one peer being answered. */
  readonly queuedBytes: number;
  /** Between pings of an idle or busy peer. */
  readonly pingIntervalMs: number;
  /** A peer that is not heard for this long is disconnected. */
  readonly unreachableAfterMs: number;
  /** First and longest wait between dials of one peer; each gets up to half of itself added at random. */
  readonly redialMs: number;
  readonly redialMaxMs: number;
  /** One attempt to connect, handshakes included. */
  readonly dialTimeoutMs: number;
  /** How long the peer with the larger id leaves dialling to the other. */
  readonly dialGraceMs: number;
  /** Penalties after which a peer is disconnected, how fast they are forgiven (one each), how long it stays out. */
  readonly penaltiesToDisconnect: number;
  readonly forgiveOneAfterMs: number;
  readonly banMs: number;
}

export const defaultNetworkLimits: NetworkLimits = {
  frameBytes: 8 * 1024 * 1024,
  gossipBytes: 256 * 1024,
  requestsInFlight: 256,
  queuedBytes: 32 * 1024 * 1024,
  pingIntervalMs: 1_000,
  unreachableAfterMs: 3_000,
  redialMs: 50,
  redialMaxMs: 2_000,
  dialTimeoutMs: 5_000,
  dialGraceMs: 200,
  penaltiesToDisconnect: 5,
  forgiveOneAfterMs: 10_000,
  banMs: 10_000,
};
