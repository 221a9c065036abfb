/**
 * The driver's `Network` over libp2p: TCP with TLS and yamux, only listed peers, gossip for what everyone hears, one
 * long-lived stream each way for requests.
 */
import { gossipsub, StrictSign } from "@chainsafe/libp2p-gossipsub";
import { generateKeyPairFromSeed } from "@libp2p/crypto/keys";
import { identify } from "@libp2p/identify";
import type { Connection, PeerId, Stream } from "@libp2p/interface";
import { peerIdFromString } from "@libp2p/peer-id";
import { tcp } from "@libp2p/tcp";
import { tls } from "@libp2p/tls";
import { yamux } from "@libp2p/yamux";
import { multiaddr } from "@multiformats/multiaddr";
import { createLibp2p } from "libp2p";
import { sha256 } from "../crypto/hash.ts";
import type { Network, PeerAddress, PeerName, StreamProtocol } from "../driver/ports.ts";
import { createRequestStream, type RequestStream } from "./requests.ts";
import { createGossipSealer } from "./seal.ts";

export interface NetworkOptions {
  /** 32 bytes from the volume. */
  readonly peerKeySeed: Uint8Array;
  /** Multiaddresses, e.g. `/ip4/127.0.0.1/tcp/7100`. */
  readonly listen: readonly string[];
  readonly announce?: readonly string[];
  /** Separates chains on one network. */
  readonly chainId: string;
  /** A peer that answers nothing for this long is reported as disconnected. Default 3000. */
  readonly silenceMs?: number;
}

export interface NetworkStats {
  bytesIn: number;
  bytesOut: number;
  gossipIn: number;
  gossipOut: number;
  /** Frames under a key this process does not have (yet), and frames that are no one's. */
  unknownKeyFrames: number;
  forgedFrames: number;
  refusedConnections: number;
}

export interface Libp2pNetwork extends Network {
  /** Where it listens, with the port that was given. */
  readonly addresses: readonly string[];
  readonly stats: Readonly<NetworkStats>;
  /** A new sender key, handed to the peers allowed now. */
  rotateSenderKey(): void;
  stop(): Promise<void>;
}

const requestProtocol = "/validator-swarm/1/requests";
const maxGossip = 320 * 1024;
/** A dial is tried again after 50 ms, then twice as long each time up to this, with a third of jitter. */
const firstRedialMs = 50;
const maxRedialMs = 2_000;
const echoMs = 1_000;
/** Misdeeds after which a peer is disconnected, and how long it stays so. */
const maxMisdeeds = 16;
const banMs = 10_000;

interface Peer {
  readonly id: PeerId;
  addresses: readonly string[];
  requests: RequestStream | undefined;
  connected: boolean;
  redialMs: number;
  redial: NodeJS.Timeout | undefined;
  misdeeds: number;
  bannedUntil: number;
  lastHeard: number;
}

export async function createNetwork(options: NetworkOptions): Promise<Libp2pNetwork> {
  const topic = `/validator-swarm/1/${options.chainId.slice(0, 16)}`;
  const silenceMs = options.silenceMs ?? 3_000;
  const sealer = createGossipSealer(topic);
  const peers = new Map<PeerName, Peer>();
  const stats: NetworkStats = {
    bytesIn: 0,
    bytesOut: 0,
    gossipIn: 0,
    gossipOut: 0,
    unknownKeyFrames: 0,
    forgedFrames: 0,
    refusedConnections: 0,
  };
  let stopped = false;
  let onBroadcast: (from: PeerName, bytes: Uint8Array) => void = () => {};
  let onRequest: (from: PeerName, protocol: StreamProtocol, bytes: Uint8Array) => Promise<Uint8Array> = () =>
    Promise.reject(new Error("not serving yet"));
  let onPeer: (peer: PeerName, event: "connected" | "disconnected") => void = () => {};
  let onRoundTrip: (peer: PeerName, milliseconds: number) => void = () => {};

  const denied = (id: PeerId) => {
    const peer = peers.get(id.toString());
    const refused = peer === undefined || peer.bannedUntil > performance.now();
    if (refused) stats.refusedConnections += 1;
    return refused;
  };

  const node = await createLibp2p({
    privateKey: await generateKeyPairFromSeed("Ed25519", options.peerKeySeed),
    addresses: { listen: [...options.listen], announce: [...(options.announce ?? [])] },
    transports: [tcp()],
    connectionEncrypters: [tls()],
    streamMuxers: [
      yamux({
        enableKeepAlive: false,
        streamOptions: { initialStreamWindowSize: 4 * 1024 * 1024, maxStreamWindowSize: 16 * 1024 * 1024 },
      }),
    ],
    connectionGater: {
      denyDialPeer: denied,
      denyInboundEncryptedConnection: denied,
      denyOutboundEncryptedConnection: denied,
      denyDialMultiaddr: () => false,
    },
    connectionManager: {
      maxConnections: 1_024,
      inboundConnectionThreshold: 1_000,
      maxIncomingPendingConnections: 256,
      reconnectRetries: 0,
    },
    // Own echoes measure round trips and notice silence.
    connectionMonitor: { enabled: false },
    services: {
      identify: identify({ runOnConnectionOpen: true }),
      gossip: gossipsub({
        globalSignaturePolicy: StrictSign,
        allowPublishToZeroTopicPeers: true,
        ignoreDuplicatePublishError: true,
        floodPublish: true,
        fallbackToFloodsub: false,
        emitSelf: false,
        doPX: false,
        D: 8,
        Dlo: 6,
        Dhi: 16,
        // Two senders may say the same bytes: the sender is part of a message's name.
        msgIdFn: (message) =>
          sha256(message.type === "signed" ? message.from.toMultihash().bytes : new Uint8Array(0), message.data),
        maxInboundDataLength: 4 * maxGossip,
        allowedTopics: [topic],
        scoreThresholds: {
          gossipThreshold: -100,
          publishThreshold: -200,
          graylistThreshold: -400,
          acceptPXThreshold: 1e9,
          opportunisticGraftThreshold: 1,
        },
        // Members share hosts and addresses by design; who may speak is the allow-list's matter.
        scoreParams: { IPColocationFactorWeight: 0, behaviourPenaltyThreshold: 20 },
      }),
    },
  });

  const gossip = node.services.gossip;
  gossip.addEventListener("message", ({ detail }) => {
    if (detail.type !== "signed" || detail.topic !== topic) return;
    const from = detail.from.toString();
    const peer = peers.get(from);
    if (!peer) return;
    const opened = sealer.open(from, detail.data);
    if (opened.kind !== "ok") {
      if (opened.kind === "forged") stats.forgedFrames += 1;
      else stats.unknownKeyFrames += 1;
      return;
    }
    stats.gossipIn += 1;
    peer.lastHeard = performance.now();
    onBroadcast(from, opened.plaintext);
  });

  /** A stream of requests, the peer's or ours: both carry both sides' frames. */
  function adopt(name: PeerName, peer: Peer, stream: Stream): RequestStream {
    const requests: RequestStream = createRequestStream({
      stream,
      serve: (protocol, bytes) => {
        peer.lastHeard = performance.now();
        return onRequest(name, protocol, bytes);
      },
      onKey: (handover) => {
        if (!sealer.accept(name, handover)) misdeed(name, "a key that is none");
      },
      onClose: () => {
        if (peer.requests === requests) peer.requests = undefined;
      },
      onBreach: (reason) => misdeed(name, reason),
      onBytes: (direction, count) => {
        if (direction === "in") stats.bytesIn += count;
        else stats.bytesOut += count;
      },
    });
    return requests;
  }

  await node.handle(
    requestProtocol,
    (stream: Stream, connection: Connection) => {
      const name = connection.remotePeer.toString();
      const peer = peers.get(name);
      if (peer) adopt(name, peer, stream);
      else stream.abort(new Error("not a member"));
    },
    { maxInboundStreams: 4, maxOutboundStreams: 4 },
  );

  /** Own requests go out on an own stream: opened once connected, opened again when it closes. */
  async function openRequests(name: PeerName, peer: Peer): Promise<void> {
    if (peer.requests || stopped) return;
    const stream = await node.dialProtocol(peer.id, requestProtocol, { signal: AbortSignal.timeout(5_000) });
    if (peers.get(name) !== peer || peer.requests) return stream.abort(new Error("not needed"));
    peer.requests = adopt(name, peer, stream);
    peer.requests.sendKey(sealer.handover());
    setConnected(name, peer, true);
  }

  function setConnected(name: PeerName, peer: Peer, connected: boolean): void {
    if (peer.connected === connected) return;
    peer.connected = connected;
    peer.lastHeard = performance.now();
    onPeer(name, connected ? "connected" : "disconnected");
  }

  /** Keeps a peer connected: dials its addresses until it is, again when it is not. */
  function keepConnected(name: PeerName, peer: Peer, delay: number): void {
    if (stopped || peer.redial || peers.get(name) !== peer) return;
    peer.redial = setTimeout(
      () => {
        peer.redial = undefined;
        void connect(name, peer);
      },
      delay * (1 + Math.random() / 3),
    );
  }

  async function connect(name: PeerName, peer: Peer): Promise<void> {
    if (stopped || peers.get(name) !== peer || peer.requests) return;
    try {
      if (node.getConnections(peer.id).length === 0) {
        if (peer.addresses.length === 0) throw new Error("no address to dial");
        const addresses = peer.addresses.map((address) => multiaddr(`${address}/p2p/${name}`));
        await node.dial(addresses, { signal: AbortSignal.timeout(5_000) });
      }
      await openRequests(name, peer);
      peer.redialMs = firstRedialMs;
    } catch {
      // Not reachable now: that is what the next try is for. What it was shows in readiness, by the peer's name.
      peer.redialMs = Math.min(2 * peer.redialMs, maxRedialMs);
    }
    if (!peer.requests) keepConnected(name, peer, peer.redialMs);
  }

  node.addEventListener("peer:connect", ({ detail }) => {
    const name = detail.toString();
    const peer = peers.get(name);
    if (!peer) return;
    peer.redialMs = firstRedialMs;
    keepConnected(name, peer, 0);
  });
  node.addEventListener("peer:disconnect", ({ detail }) => {
    const name = detail.toString();
    const peer = peers.get(name);
    if (!peer) return;
    peer.requests?.close();
    setConnected(name, peer, false);
    peer.redialMs = firstRedialMs;
    keepConnected(name, peer, firstRedialMs);
  });

  function misdeed(name: PeerName, _reason: string): void {
    const peer = peers.get(name);
    if (!peer) return;
    peer.misdeeds += 1;
    if (peer.misdeeds < maxMisdeeds) return;
    peer.misdeeds = 0;
    peer.bannedUntil = performance.now() + banMs;
    hangUp(peer);
  }

  function hangUp(peer: Peer): void {
    peer.requests?.close();
    for (const connection of node.getConnections(peer.id)) connection.abort(new Error("not a peer any more"));
  }

  const echoes = setInterval(() => {
    for (const [name, peer] of peers) void probe(name, peer);
  }, echoMs);

  async function probe(name: PeerName, peer: Peer): Promise<void> {
    if (!peer.requests) return keepConnected(name, peer, peer.redialMs);
    const milliseconds = await peer.requests.echo(silenceMs);
    if (milliseconds === undefined) {
      // Silent beyond its timeout: the connection is given up, whatever TCP still believes.
      if (performance.now() - peer.lastHeard >= silenceMs && peer.connected) {
        setConnected(name, peer, false);
        hangUp(peer);
      }
      return;
    }
    peer.lastHeard = performance.now();
    onRoundTrip(name, milliseconds);
  }

  gossip.subscribe(topic);

  return {
    self: node.peerId.toString(),
    addresses: node.getMultiaddrs().map((address) => address.toString().replace(/\/p2p\/.*$/, "")),
    stats,
    setPeers(next: readonly PeerAddress[]) {
      const names = new Set(next.map(({ peer }) => peer));
      for (const [name, peer] of peers) {
        if (names.has(name)) continue;
        peers.delete(name);
        clearTimeout(peer.redial);
        sealer.forget(name);
        hangUp(peer);
        if (peer.connected) onPeer(name, "disconnected");
      }
      for (const { peer: name, addresses } of next) {
        const known = peers.get(name);
        if (known) {
          known.addresses = addresses;
          continue;
        }
        if (name === node.peerId.toString()) continue;
        const peer: Peer = {
          id: peerIdFromString(name),
          addresses,
          requests: undefined,
          connected: false,
          redialMs: firstRedialMs,
          redial: undefined,
          misdeeds: 0,
          bannedUntil: 0,
          lastHeard: 0,
        };
        peers.set(name, peer);
        keepConnected(name, peer, 0);
      }
    },
    broadcast(bytes) {
      stats.gossipOut += 1;
      // Publishing fails only for a message that gossip itself refuses; consensus says again what matters.
      gossip.publish(topic, sealer.seal(bytes)).catch(() => undefined);
    },
    request(name, protocol, bytes, timeoutMs) {
      const requests = peers.get(name)?.requests;
      if (!requests)
        return Promise.resolve({ kind: "failed", failure: { kind: "unreachable", message: "not connected" } });
      return requests.request(protocol, bytes, timeoutMs);
    },
    onBroadcast: (handler) => {
      onBroadcast = handler;
    },
    onRequest: (handler) => {
      onRequest = handler;
    },
    onPeer: (handler) => {
      onPeer = handler;
    },
    onRoundTrip: (handler) => {
      onRoundTrip = handler;
    },
    penalize: misdeed,
    rotateSenderKey() {
      sealer.rotate();
      for (const peer of peers.values()) peer.requests?.sendKey(sealer.handover());
    },
    async stop() {
      stopped = true;
      clearInterval(echoes);
      for (const peer of peers.values()) {
        clearTimeout(peer.redial);
        peer.requests?.close();
      }
      await node.stop();
    },
  };
}
