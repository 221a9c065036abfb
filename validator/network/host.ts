/** The network of one member: a libp2p host that talks to the peers on its list and to nobody else. */
import { performance } from "node:perf_hooks";
import { generateKeyPairFromSeed } from "@libp2p/crypto/keys";
import type { Connection, Stream } from "@libp2p/interface";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { multiaddr } from "@multiformats/multiaddr";
import type { Network, PeerAddress, PeerName, StreamProtocol } from "../driver/ports.ts";
import { createDialling, type Dialling } from "./dialing.ts";
import { createGossip, type Gossip, type GossipCounters } from "./gossip.ts";
import { defaultNetworkLimits, type NetworkLimits } from "./limits.ts";
import { createPeerHost } from "./peer-host.ts";
import { createPenalties } from "./penalties.ts";
import { createReach } from "./reach.ts";
import { createSealing } from "./seal.ts";
import type { NetworkStats, PeerStats } from "./stats.ts";
import { bulkProtocol, createSession, failed, type Session, type StreamCounters, urgentProtocol } from "./streams.ts";

export interface NetworkOptions {
  /** The 32-byte ed25519 seed of this member's peer key. */
  readonly peerKeySeed: Uint8Array;
  /** Text that names the chain, e.g. its id in hexadecimal: members of other chains share no topic. */
  readonly chainId: string;
  /** Multiaddresses to listen on, e.g. `/ip4/127.0.0.1/tcp/7100`; port 0 takes a free one. */
  readonly listen: readonly string[];
  /** Addresses told to peers when they differ from `listen`. */
  readonly announce?: readonly string[];
  readonly limits?: Partial<NetworkLimits>;
}

/** The `Network` port and what its owner needs besides. */
export interface RunningNetwork extends Network {
  /** Closes every connection; requests on their way end as unreachable. */
  stop(): Promise<void>;
  /** The addresses bound, with the ports taken. */
  readonly addresses: readonly string[];
  /** Draws the next sender key and hands it to the connected peers; at an epoch's switch. */
  rotateSenderKey(): void;
  stats(): NetworkStats;
}

interface Peer {
  readonly name: PeerName;
  readonly counters: StreamCounters;
  connection: Connection | undefined;
  connectedAt: number;
  urgent: Stream | undefined;
  bulk: Stream | undefined;
  session: Session | undefined;
  /** Requests and gossip go both ways: reported as connected. */
  ready: boolean;
  roundTrip: number | undefined;
  keyAskedAt: number;
  /** Its sender key came over this connection: both sides accepted each other. */
  keyed: boolean;
  settling: NodeJS.Timeout | undefined;
}

/** How often a new connection is looked at until gossip goes both ways: the library has no event for its own side. */
const settlingMs = 5;

/** Listens, and dials whoever `setPeers` names. Rejects when an address cannot be bound, with the reason in its message. */
export async function createNetwork(options: NetworkOptions): Promise<RunningNetwork> {
  const limits: NetworkLimits = { ...defaultNetworkLimits, ...options.limits };
  const privateKey = await generateKeyPairFromSeed("Ed25519", options.peerKeySeed);
  const self = peerIdFromPrivateKey(privateKey).toString();
  const penalties = createPenalties(limits);
  const sealing = createSealing(options.chainId, self);
  const reach = createReach(self);
  let allowed = new Map<PeerName, PeerAddress>();
  const peers = new Map<PeerName, Peer>();
  /** Own dials whose TCP connection stands and whose handshake runs. */
  const handshaking = new Set<PeerName>();
  let stopped = false;
  let refusedConnections = 0;
  let dialsFailed = 0;
  const gossipCounters: GossipCounters = {
    messagesIn: 0,
    messagesOut: 0,
    bytesIn: 0,
    bytesOut: 0,
    unsealedDropped: 0,
    parked: 0,
    replayed: 0,
    refused: 0,
    publishFailed: 0,
    directIn: 0,
    directOut: 0,
    directFailed: 0,
  };

  let broadcastHandler: Parameters<Network["onBroadcast"]>[0] = () => {};
  let requestHandler: Parameters<Network["onRequest"]>[0] = () => Promise.reject(new Error("not ready"));
  let peerHandler: Parameters<Network["onPeer"]>[0] = () => {};
  let roundTripHandler: Parameters<Network["onRoundTrip"]>[0] = () => {};

  const welcome = (name: PeerName) => allowed.has(name) && !penalties.banned(name);

  function peerOf(name: PeerName): Peer {
    const known = peers.get(name);
    if (known) return known;
    const peer: Peer = {
      name,
      counters: { bytesIn: 0, bytesOut: 0, answered: 0, failed: 0, timedOut: 0, overloaded: 0 },
      connection: undefined,
      connectedAt: 0,
      urgent: undefined,
      bulk: undefined,
      session: undefined,
      ready: false,
      roundTrip: undefined,
      keyAskedAt: Number.NEGATIVE_INFINITY,
      keyed: false,
      settling: undefined,
    };
    peers.set(name, peer);
    return peer;
  }

  /** Counts a refusal. */
  function refuse(): true {
    refusedConnections += 1;
    return true;
  }

  function denyInbound(name: PeerName): boolean {
    if (!welcome(name) || peers.get(name)?.connection) return refuse();
    // Both dialled: the connection of the smaller id stays.
    return handshaking.has(name) && self < name ? refuse() : false;
  }

  function denyOutbound(name: PeerName): boolean {
    return !welcome(name) || peers.get(name)?.connection ? refuse() : false;
  }

  function opened(connection: Connection): void {
    const name = connection.remotePeer.toString();
    const peer = peerOf(name);
    if (!welcome(name) || peer.connection) return abandon(connection, "not wanted");
    peer.connection = connection;
    peer.connectedAt = performance.now();
    if (connection.direction === "inbound") return;
    for (const protocol of [urgentProtocol, bulkProtocol])
      connection.newStream(protocol).then(
        (stream) => adopt(stream, connection, protocol),
        () => abandon(connection, "no stream"),
      );
  }

  /** Both streams make a session; the dialler opens them. */
  function adopt(stream: Stream, connection: Connection, protocol: string): void {
    const peer = peerOf(connection.remotePeer.toString());
    const slot = protocol === urgentProtocol ? "urgent" : "bulk";
    if (peer.connection !== connection || peer[slot]) return stream.abort(new Error("one stream of each kind"));
    peer[slot] = stream;
    if (!peer.urgent || !peer.bulk) return;
    peer.session = createSession(peer.urgent, peer.bulk, {
      limits,
      counters: peer.counters,
      answer: async (asked: StreamProtocol, bytes: Uint8Array) => requestHandler(peer.name, asked, bytes),
      keyReceived: (key) => learn(peer, key),
      keyAsked: () => peer.session?.sendKey(sealing.ownKey),
      message: (bytes) => direct(peer.name, bytes),
      reach(bytes) {
        const understood = reach.told(peer.name, bytes);
        tellChanges();
        return understood;
      },
      roundTrip(milliseconds) {
        peer.roundTrip = milliseconds;
        roundTripHandler(peer.name, milliseconds);
      },
      violated: (reason) => penalize(peer.name, reason),
      closed: () => disconnect(peer.name, "the streams ended"),
    });
    peer.session.sendKey(sealing.ownKey);
  }

  function learn(peer: Peer, key: Uint8Array): void {
    if (!gossip.learn(peer.name, key)) {
      penalize(peer.name, "a sender key of the wrong length");
      return;
    }
    peer.keyed = true;
    settle(peer);
  }

  /** Reports the peer as connected once a broadcast would reach it and its broadcasts would reach us. */
  function settle(peer: Peer): void {
    clearTimeout(peer.settling);
    if (peer.ready || !peer.session || !peer.connection) return;
    if (!peer.keyed || !gossips(peer.name, peer.connection)) {
      peer.settling = setTimeout(() => settle(peer), settlingMs);
      return;
    }
    peer.ready = true;
    peer.session.ping();
    reach.connected(peer.name);
    tellReach();
    peerHandler(peer.name, "connected");
  }

  function tellReach(): void {
    const bytes = reach.encode();
    for (const { ready, session } of peers.values()) if (ready) session?.sendReach(bytes);
  }

  function tellChanges(): void {
    for (const { peer, event } of reach.changes()) peerHandler(peer, event);
  }

  /** A broadcast on the sender's own stream: TLS says who it is, and keeps it secret. */
  function direct(name: PeerName, bytes: Uint8Array): void {
    if (!allowed.has(name)) return;
    if (bytes.length > limits.gossipBytes) return penalize(name, "a message above the size limit");
    gossipCounters.directIn += 1;
    broadcastHandler(name, bytes);
  }

  function gossips(name: PeerName, connection: Connection): boolean {
    const sending = connection.streams.some(
      ({ protocol, direction, status }) =>
        protocol.startsWith("/meshsub/") && direction === "outbound" && status === "open",
    );
    return sending && gossip.subscribed(name);
  }

  function closed(connection: Connection): void {
    const peer = peers.get(connection.remotePeer.toString());
    if (!peer || peer.connection !== connection) return;
    const { session, ready, name } = peer;
    peer.connection = undefined;
    peer.urgent = undefined;
    peer.bulk = undefined;
    peer.session = undefined;
    peer.ready = false;
    peer.keyed = false;
    clearTimeout(peer.settling);
    session?.close();
    if (!allowed.has(name)) {
      peers.delete(name);
      sealing.forget(name);
    }
    reach.disconnected(name);
    if (!ready) return;
    tellReach();
    peerHandler(name, "disconnected");
    tellChanges();
    dialling.lost(name);
  }

  function disconnect(name: PeerName, reason: string): void {
    const connection = peers.get(name)?.connection;
    if (!connection) return;
    abandon(connection, reason);
    // The library tells of the end of a connection in its own time; for the members it is over now.
    closed(connection);
  }

  function penalize(name: PeerName, reason: string): void {
    if (penalties.add(name) === "disconnect") disconnect(name, reason);
  }

  function tick(): void {
    const now = performance.now();
    for (const peer of [...peers.values()]) {
      if (!peer.connection) continue;
      const age = now - peer.connectedAt;
      if (!peer.session || !peer.ready) {
        if (age > limits.dialTimeoutMs) disconnect(peer.name, "no session");
        continue;
      }
      if (now - peer.session.heardAt > limits.unreachableAfterMs) disconnect(peer.name, "silent");
      // A gossip stream that was reset is opened again only with a new connection.
      else if (!gossips(peer.name, peer.connection)) disconnect(peer.name, "no gossip stream");
      else peer.session.ping();
    }
  }

  async function dial({ peer, addresses }: PeerAddress): Promise<void> {
    try {
      await host.dial(
        addresses.map((address) => multiaddr(`${address}/p2p/${peer}`)),
        { signal: AbortSignal.timeout(limits.dialTimeoutMs) },
      );
    } catch {
      // Down, not started yet, or another identity at its address: the backoff is the answer to all of them.
      dialsFailed += 1;
    } finally {
      handshaking.delete(peer);
    }
  }

  const host = await createPeerHost({
    privateKey,
    chainId: options.chainId,
    listen: options.listen,
    announce: options.announce ?? [],
    limits,
    gate: {
      welcome,
      denyInbound,
      denyOutbound,
      handshaking: (name) => void handshaking.add(name),
    },
    score: (name) => -penalties.of(name),
  });
  host.addEventListener("connection:open", ({ detail }) => opened(detail));
  host.addEventListener("connection:close", ({ detail }) => closed(detail));
  for (const protocol of [urgentProtocol, bulkProtocol])
    await host.handle(protocol, (stream, connection) => adopt(stream, connection, protocol), {
      maxInboundStreams: 1,
      maxOutboundStreams: 1,
    });
  const gossip: Gossip = createGossip({
    service: host.services.gossip,
    chainId: options.chainId,
    sealing,
    limits,
    counters: gossipCounters,
    allowed: (name) => allowed.has(name),
    deliver: (from, bytes) => broadcastHandler(from, bytes),
    penalize,
    askKey(name) {
      const peer = peers.get(name);
      const now = performance.now();
      // Once a second is enough: unknown keys are the asked peer's to invent.
      if (!peer?.session || now - peer.keyAskedAt < 1_000) return;
      peer.keyAskedAt = now;
      peer.session.askKey();
    },
  });
  const dialling: Dialling = createDialling({
    self,
    limits,
    state(name) {
      const peer = peers.get(name);
      return peer?.ready ? "ready" : peer?.connection ? "connecting" : "none";
    },
    banned: (name) => penalties.banned(name),
    dial,
  });
  try {
    await host.start();
  } catch (error) {
    await host.stop();
    throw error;
  }
  gossip.join();
  const ticker = setInterval(tick, limits.pingIntervalMs);

  return {
    self,
    addresses: host.getMultiaddrs().map((address) => address.decapsulateCode(p2pCode).toString()),
    async stop() {
      stopped = true;
      clearInterval(ticker);
      dialling.stop();
      for (const name of [...peers.keys()]) disconnect(name, "stopping");
      await host.stop();
    },
    setPeers(list) {
      const next = new Map(list.filter(({ peer }) => peer !== self).map((peer) => [peer.peer, peer]));
      const removed = [...allowed.keys()].filter((name) => !next.has(name));
      allowed = next;
      reach.setPeers(new Set(allowed.keys()));
      for (const name of removed) {
        disconnect(name, "not a member");
        peers.delete(name);
        sealing.forget(name);
      }
      // Whoever left holds the current key.
      if (removed.length > 0) rotateSenderKey();
      dialling.setPeers([...allowed.values()]);
    },
    broadcast(bytes) {
      if (stopped) return;
      if (bytes.length > limits.gossipBytes) throw new Error(`a broadcast has at most ${limits.gossipBytes} bytes`);
      if (reach.needsRelay) return gossip.broadcast(bytes);
      for (const { ready, session } of peers.values()) {
        if (!ready || !session) continue;
        gossipCounters.directOut += 1;
        if (!session.message(bytes)) gossipCounters.directFailed += 1;
      }
    },
    async request(name, protocol, bytes, timeoutMs) {
      const peer = peers.get(name);
      if (!peer?.ready || !peer.session) return failed("unreachable", "not connected");
      return await peer.session.request(protocol, bytes, timeoutMs);
    },
    onBroadcast(handler) {
      broadcastHandler = handler;
    },
    onRequest(handler) {
      requestHandler = handler;
    },
    onPeer(handler) {
      peerHandler = handler;
    },
    onRoundTrip(handler) {
      roundTripHandler = handler;
    },
    penalize,
    rotateSenderKey,
    stats() {
      return {
        peers: Object.fromEntries([...allowed.keys()].map((name) => [name, peerStats(name)])),
        gossip: { ...gossipCounters },
        connections: host.getConnections().length,
        refusedConnections,
        dialsFailed,
        penalties: penalties.total,
      };
    },
  };

  function rotateSenderKey(): void {
    sealing.rotate();
    for (const peer of peers.values()) peer.session?.sendKey(sealing.ownKey);
  }

  function peerStats(name: PeerName): PeerStats {
    const peer = peerOf(name);
    return {
      ...peer.counters,
      connected: peer.ready,
      requestsInFlight: peer.session?.inFlight ?? 0,
      queuedBytes: peer.session?.queuedBytes ?? 0,
      penalties: penalties.of(name),
      score: -10 * penalties.of(name),
      roundTrip: peer.roundTrip,
    };
  }
}

/** Ends a connection without waiting for what is queued. */
function abandon(connection: Connection, reason: string): void {
  try {
    connection.abort(new Error(reason));
  } catch {
    // Its transport ended first, and the library could not say goodbye on it.
  }
}

/** The multicodec code of `/p2p` in a multiaddress. */
const p2pCode = 421;
