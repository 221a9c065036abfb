/** Consensus messages to everyone: one gossipsub topic a chain, signed by their sender, sealed, checked on arrival. */
import { createHash } from "node:crypto";
import { type GossipSub, gossipsub, type Message, StrictSign, TopicValidatorResult } from "@chainsafe/libp2p-gossipsub";
import type { PeerId } from "@libp2p/interface";
import type { PeerName } from "../driver/ports.ts";
import type { NetworkLimits } from "./limits.ts";
import { type Sealing, sealOverhead } from "./seal.ts";

/** The topic of a chain's consensus messages. */
export function consensusTopic(chainId: string): string {
  return `${chainId}/validator-swarm/1/consensus`;
}

/** What the parts of a message that are not its data may add to it on the wire. */
const envelopeBytes = 1_024;
/** Repairs answer with several messages at once. */
const rpcBytes = 8 * 1024 * 1024;
/** What waits for a peer that does not read; beyond it the stream is reset and the peer reconnects. */
const outboundBytes = 16 * 1024 * 1024;

/** Scores come from penalties and invalid messages alone. */
const topicScore = {
  topicWeight: 1,
  timeInMeshWeight: 0,
  timeInMeshQuantum: 1_000,
  timeInMeshCap: 1,
  firstMessageDeliveriesDecay: 0.5,
  firstMessageDeliveriesCap: 1,
  meshMessageDeliveriesDecay: 0.5,
  meshMessageDeliveriesCap: 1,
  meshMessageDeliveriesThreshold: 1,
  meshMessageDeliveriesWindow: 10,
  meshMessageDeliveriesActivation: 1_000,
  meshFailurePenaltyDecay: 0.5,
  invalidMessageDeliveriesWeight: -10,
  invalidMessageDeliveriesDecay: 0.9,
  firstMessageDeliveriesWeight: 0,
  // Members that have nothing to say are silent by design.
  meshMessageDeliveriesWeight: 0,
  meshFailurePenaltyWeight: 0,
};

/**
 * The gossipsub service. `score` is what a peer lost by penalties, at most 0. Publishing floods: every member is
 * connected to every other, so one hop delivers, and the small mesh relays around links that are down.
 */
export function gossipService(chainId: string, score: (peer: PeerName) => number, limits: NetworkLimits) {
  const topic = consensusTopic(chainId);
  return gossipsub({
    globalSignaturePolicy: StrictSign,
    msgIdFn: (message) =>
      message.type === "signed" ? contentId(message.from.toMultihash().bytes, message.data) : none,
    // The same hash before the signature is checked: only messages that passed are remembered by it.
    fastMsgIdFn: (message) => Buffer.from(contentId(message.from ?? none, message.data ?? none)).toString("latin1"),
    msgIdToStrFn: (id) => Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString("latin1"),
    allowedTopics: [topic],
    floodPublish: true,
    // One encoding for all peers; despite its name nothing waits.
    batchPublish: true,
    emitSelf: false,
    fallbackToFloodsub: false,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    doPX: false,
    tagMeshPeers: false,
    D: 3,
    Dlo: 2,
    Dhi: 6,
    Dscore: 2,
    Dout: 1,
    Dlazy: 3,
    heartbeatInterval: 1_000,
    seenTTL: 60_000,
    maxInboundStreams: 2,
    maxOutboundStreams: 2,
    maxInboundDataLength: Math.max(rpcBytes, limits.gossipBytes + sealOverhead + envelopeBytes),
    maxOutboundBufferSize: outboundBytes,
    scoreParams: {
      topics: {
        [topic]: topicScore,
      },
      appSpecificScore: (peer) => score(peer),
      appSpecificWeight: 10,
      // Members behind one address are no sign of an attack: who may connect is a list.
      IPColocationFactorWeight: 0,
      behaviourPenaltyWeight: -1,
      behaviourPenaltyThreshold: 6,
      behaviourPenaltyDecay: 0.9,
      retainScore: 600_000,
    },
    scoreThresholds: {
      gossipThreshold: -100,
      publishThreshold: -200,
      graylistThreshold: -300,
      acceptPXThreshold: 1_000_000,
      opportunisticGraftThreshold: 0,
    },
  });
}

const none = new Uint8Array(0);

/** Over sender and data: a member that repeats another's bytes as its own does not make the original a duplicate. */
function contentId(from: Uint8Array, data: Uint8Array): Uint8Array {
  return createHash("sha256").update(from).update(data).digest();
}

export interface GossipCounters {
  messagesIn: number;
  messagesOut: number;
  bytesIn: number;
  bytesOut: number;
  /** Frames whose key never came, or came too late for the room they had. */
  unsealedDropped: number;
  /** Frames that waited for their key. */
  parked: number;
  replayed: number;
  refused: number;
  publishFailed: number;
  /** Broadcasts over the direct streams: received, sent (once a peer), and those that found a full queue. */
  directIn: number;
  directOut: number;
  directFailed: number;
}

export interface GossipOptions {
  readonly service: GossipSub;
  readonly chainId: string;
  readonly sealing: Sealing;
  readonly limits: NetworkLimits;
  readonly counters: GossipCounters;
  readonly allowed: (peer: PeerName) => boolean;
  readonly deliver: (from: PeerName, bytes: Uint8Array) => void;
  readonly penalize: (peer: PeerName, reason: string) => void;
  readonly askKey: (peer: PeerName) => void;
}

export interface Gossip {
  /** Subscribes, once the service runs. */
  join(): void;
  broadcast(bytes: Uint8Array): void;
  /** Delivers what waited for a sender's key. False when the bytes are no key. */
  learn(from: PeerName, key: Uint8Array): boolean;
  /** Does the peer want this chain's messages? It says so as soon as its gossip stream to this process is up. */
  subscribed(peer: PeerName): boolean;
}

export function createGossip(options: GossipOptions): Gossip {
  const { service, sealing, limits, counters } = options;
  const topic = consensusTopic(options.chainId);
  // Messages are delivered by the validator: it runs once a message, before relaying, and its verdict scores the relay.
  service.topicValidators.set(topic, receive);

  function receive(_relay: PeerId, message: Message): TopicValidatorResult {
    if (message.type !== "signed") return TopicValidatorResult.Reject;
    const from = message.from.toString();
    // Its membership may have ended while the message travelled: no fault of the relay's.
    if (!options.allowed(from)) return TopicValidatorResult.Ignore;
    if (message.data.length > limits.gossipBytes + sealOverhead) {
      counters.refused += 1;
      options.penalize(from, "a gossip message above the size limit");
      return TopicValidatorResult.Reject;
    }
    counters.messagesIn += 1;
    counters.bytesIn += message.data.length;
    return open(from, message.data);
  }

  function open(from: PeerName, frame: Uint8Array): TopicValidatorResult {
    const opened = sealing.open(from, frame);
    switch (opened.kind) {
      case "ok":
        options.deliver(from, opened.bytes);
        return TopicValidatorResult.Accept;
      case "replayed":
        counters.replayed += 1;
        return TopicValidatorResult.Ignore;
      case "parked":
      case "dropped":
        if (opened.kind === "parked") counters.parked += 1;
        else counters.unsealedDropped += 1;
        if (opened.ask) options.askKey(from);
        // Others may have the key.
        return TopicValidatorResult.Accept;
      case "forged":
        counters.refused += 1;
        options.penalize(from, "a gossip message that its own key did not seal");
        return TopicValidatorResult.Reject;
    }
  }

  return {
    join: () => service.subscribe(topic),
    broadcast(bytes) {
      const frame = sealing.seal(bytes);
      counters.messagesOut += 1;
      counters.bytesOut += frame.length;
      // Only a service that is stopping refuses; consensus sends again what matters.
      service.publish(topic, frame).catch(() => {
        counters.publishFailed += 1;
      });
    },
    learn(from, key) {
      const waiting = sealing.learn(from, key);
      if (!waiting) return false;
      for (const frame of waiting) open(from, frame);
      return true;
    },
    subscribed: (peer) => service.getSubscribers(topic).some((subscriber) => subscriber.toString() === peer),
  };
}
