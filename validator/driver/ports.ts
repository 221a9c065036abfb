/**
 * What the driver needs from the world. `network/`, `storage/` and the system clock implement these for real;
 * the simulator has the one other implementation.
 */
import type { Time } from "../consensus/types.ts";

export interface Clock {
  now(): Time;
  /** Calls once after the delay; the result cancels. */
  after(milliseconds: number, call: () => void): () => void;
  /** Resolves after everything that waits now (votes, answers) had its turn: long work yields between slices. */
  yield(): Promise<void>;
}

/** A libp2p peer id in text form; members' ids derive from their `peerKey`. */
export type PeerName = string;

/** A request-response protocol between members. The payloads are the messages of `proto/validator/v1/peer.proto`. */
export type StreamProtocol = "batch" | "fetch-batches" | "fetch-blocks" | "fetch-checkpoint" | "fetch-private";

export interface PeerAddress {
  readonly peer: PeerName;
  /** Multiaddresses to dial, e.g. `/ip4/127.0.0.1/tcp/7100`. */
  readonly addresses: readonly string[];
}

export type RequestFailure = {
  readonly kind: "unreachable" | "timeout" | "refused" | "overloaded";
  readonly message: string;
};
export type Reply =
  | { readonly kind: "ok"; readonly bytes: Uint8Array }
  | { readonly kind: "failed"; readonly failure: RequestFailure };

/** After `disconnected`, `gone`: nobody this process is connected to is connected to the peer either; `relayed`: somebody is. */
export type PeerEvent = "connected" | "disconnected" | "gone" | "relayed";

export interface Network {
  readonly self: PeerName;
  /** Replaces the set of peers that may connect and are dialled. Connections of others are closed. */
  setPeers(peers: readonly PeerAddress[]): void;
  /** Gossips a sealed message to every allowed peer; never blocks. Not delivered to self. */
  broadcast(bytes: Uint8Array): void;
  /** One request on the long-lived stream to the peer, with its answer. */
  request(peer: PeerName, protocol: StreamProtocol, bytes: Uint8Array, timeoutMs: number): Promise<Reply>;
  /** A gossip message: `from` signed it, whoever relayed it. At most one handler. */
  onBroadcast(handler: (from: PeerName, bytes: Uint8Array) => void): void;
  /** Answers requests; a rejection becomes `refused`. At most one handler. */
  onRequest(handler: (from: PeerName, protocol: StreamProtocol, bytes: Uint8Array) => Promise<Uint8Array>): void;
  onPeer(handler: (peer: PeerName, event: PeerEvent) => void): void;
  onRoundTrip(handler: (peer: PeerName, milliseconds: number) => void): void;
  /** The peer sent bytes that cannot be honest: score it down, disconnect it when it goes on. */
  penalize(peer: PeerName, reason: string): void;
}
