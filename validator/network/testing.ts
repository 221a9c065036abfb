/** Hosts on this machine for the tests of this folder, and a peer that speaks raw bytes. */
import { generateKeyPairFromSeed } from "@libp2p/crypto/keys";
import { identify } from "@libp2p/identify";
import type { PrivateKey, Stream } from "@libp2p/interface";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { multiaddr } from "@multiformats/multiaddr";
import { createLibp2p, type Libp2p } from "libp2p";
import { sha256 } from "../crypto/hash.ts";
import type { PeerAddress, PeerEvent, PeerName } from "../driver/ports.ts";
import { createNetwork, type NetworkOptions, type RunningNetwork } from "./host.ts";
import type { NetworkLimits } from "./limits.ts";
import { muxing } from "./muxing.ts";
import { directTls } from "./secure.ts";

export const chainId = "11".repeat(32);
const closers: (() => Promise<void>)[] = [];

/** Stops every host this file started. */
export async function stopAll(): Promise<void> {
  await Promise.all(closers.splice(0).map((close) => close()));
}

let seeds = 0;
/** A seed no other host of the process has. */
export function freshSeed(): Uint8Array {
  seeds += 1;
  return sha256(Buffer.from(`seed ${seeds}`));
}

export async function startHost(options: Partial<NetworkOptions> = {}): Promise<RunningNetwork> {
  const host = await createNetwork({
    peerKeySeed: freshSeed(),
    listen: ["/ip4/127.0.0.1/tcp/0"],
    chainId,
    ...options,
  });
  closers.push(() => host.stop());
  return host;
}

export function addressOf(host: RunningNetwork): PeerAddress {
  return { peer: host.self, addresses: host.addresses };
}

/** Resolves when the host reports the event for the peer. Replaces the host's handler. */
export function peerEvent(host: RunningNetwork, peer: PeerName, wanted: PeerEvent): Promise<void> {
  return new Promise((resolve) => {
    host.onPeer((name, event) => {
      if (name === peer && event === wanted) resolve();
    });
  });
}

/** Lists everyone at everyone; resolves when all are connected. */
export async function connectAll(hosts: readonly RunningNetwork[]): Promise<void> {
  const ready = hosts.map((host) => {
    const missing = new Set(hosts.filter((other) => other !== host).map(({ self }) => self));
    return new Promise<void>((resolve) => {
      host.onPeer((name, event) => {
        if (event === "connected") missing.delete(name);
        if (missing.size === 0) resolve();
      });
    });
  });
  for (const host of hosts) host.setPeers(hosts.filter((other) => other !== host).map(addressOf));
  await Promise.all(ready);
}

/** Hosts that are connected, with these limits. */
export async function startConnected(count: number, limits: Partial<NetworkLimits> = {}): Promise<RunningNetwork[]> {
  const hosts = await Promise.all(Array.from({ length: count }, () => startHost({ limits })));
  await connectAll(hosts);
  return hosts;
}

/** Every gossip message a host is given, and a promise for the one with these words. */
export function inbox(host: RunningNetwork) {
  const all: { readonly from: PeerName; readonly words: string }[] = [];
  const waiting = new Map<string, (from: PeerName) => void>();
  host.onBroadcast((from, bytes) => {
    const words = Buffer.from(bytes).toString();
    all.push({ from, words });
    waiting.get(words)?.(from);
  });
  return {
    all,
    next(words: string): Promise<PeerName> {
      const earlier = all.find((message) => message.words === words);
      return earlier ? Promise.resolve(earlier.from) : new Promise((resolve) => waiting.set(words, resolve));
    },
  };
}

/** A peer with a key of its own that opens streams and writes what it likes. */
export interface RawPeer {
  readonly self: PeerName;
  readonly privateKey: PrivateKey;
  readonly host: Libp2p;
  /** Connects when it is not, then opens a stream. */
  open(to: RunningNetwork, protocol: string): Promise<Stream>;
}

export async function startRawPeer(): Promise<RawPeer> {
  const privateKey = await generateKeyPairFromSeed("Ed25519", freshSeed());
  const host = await createLibp2p({
    privateKey,
    addresses: { listen: [] },
    transports: [tcp()],
    connectionEncrypters: [directTls()],
    streamMuxers: [yamux(muxing)],
    connectionMonitor: { enabled: false },
    connectionGater: { denyDialMultiaddr: () => false },
    services: { identify: identify() },
  });
  closers.push(async () => host.stop());
  return {
    self: host.peerId.toString(),
    privateKey,
    host,
    async open(to, protocol) {
      const connection = await host.dial(to.addresses.map((address) => multiaddr(`${address}/p2p/${to.self}`)));
      return await connection.newStream(protocol);
    },
  };
}

/** Resolves when the stream has ended, however. */
export function ended(stream: Stream): Promise<void> {
  if (stream.status !== "open") return Promise.resolve();
  return new Promise((resolve) => stream.addEventListener("close", () => resolve(), { once: true }));
}
