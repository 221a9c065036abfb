/** The libp2p host of a member: TCP, TLS, yamux, gossip; no discovery, no relays, nobody who is not on the list. */
import type { GossipSub } from "@chainsafe/libp2p-gossipsub";
import { type Identify, identify } from "@libp2p/identify";
import type { PrivateKey } from "@libp2p/interface";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { createLibp2p, type Libp2p } from "libp2p";
import type { PeerName } from "../driver/ports.ts";
import { gossipService } from "./gossip.ts";
import type { NetworkLimits } from "./limits.ts";
import { muxing } from "./muxing.ts";
import { directTls } from "./secure.ts";

/** Who may connect; asked after the TLS handshake has shown who it is. */
export interface Gate {
  /** On the list and not banned. */
  readonly welcome: (peer: PeerName) => boolean;
  readonly denyInbound: (peer: PeerName) => boolean;
  readonly denyOutbound: (peer: PeerName) => boolean;
  /** The TCP connection of an own dial stands, its handshake begins. */
  readonly handshaking: (peer: PeerName) => void;
}

export interface PeerHostOptions {
  readonly privateKey: PrivateKey;
  readonly chainId: string;
  readonly listen: readonly string[];
  readonly announce: readonly string[];
  readonly limits: NetworkLimits;
  readonly gate: Gate;
  /** What penalties take off a peer's gossip score; at most 0. */
  readonly score: (peer: PeerName) => number;
}

export type PeerHost = Libp2p<{ identify: Identify; gossip: GossipSub }>;

const mostConnections = 1_024;
/** Handshakes at once, and connections a second from one address: a stranger's flood costs no more. */
const mostHandshakes = 64;
const connectionsPerSecond = 100;

/** A host that is not started yet. */
export function createPeerHost({ gate, limits, ...options }: PeerHostOptions): Promise<PeerHost> {
  return createLibp2p({
    start: false,
    privateKey: options.privateKey,
    addresses: { listen: [...options.listen], announce: [...options.announce] },
    transports: [tcp({ dialOpts: { noDelay: true }, listenOpts: { noDelay: true } })],
    connectionEncrypters: [directTls()],
    streamMuxers: [yamux(muxing)],
    // Own pings on the urgent stream measure round trips and notice silence.
    connectionMonitor: { enabled: false },
    connectionManager: {
      maxConnections: mostConnections,
      inboundConnectionThreshold: connectionsPerSecond,
      maxIncomingPendingConnections: mostHandshakes,
      dialTimeout: limits.dialTimeoutMs,
      inboundUpgradeTimeout: limits.dialTimeoutMs,
      reconnectRetries: 0,
    },
    connectionGater: {
      denyDialMultiaddr: () => false,
      denyDialPeer: (peer) => !gate.welcome(peer.toString()),
      denyOutboundConnection(peer) {
        if (gate.denyOutbound(peer.toString())) return true;
        gate.handshaking(peer.toString());
        return false;
      },
      denyInboundEncryptedConnection: (peer) => gate.denyInbound(peer.toString()),
      denyOutboundEncryptedConnection: (peer) => gate.denyOutbound(peer.toString()),
      denyInboundRelayReservation: () => true,
      denyInboundRelayedConnection: () => true,
      denyOutboundRelayedConnection: () => true,
      // Where peers are is configuration, not hearsay.
      filterMultiaddrForPeer: () => false,
    },
    services: {
      identify: identify({ maxObservedAddresses: 0 }),
      gossip: gossipService(options.chainId, options.score, limits),
    },
  });
}
