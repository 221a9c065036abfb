/**
 * A network in virtual time behind the driver's `Network` port. Every link (one direction) has its own delay, loss,
 * duplication and cut. Gossip may arrive in any order; requests are whole or fail, as streams do.
 */
import type { Network, PeerName, Reply, RequestFailure, StreamProtocol } from "../../driver/ports.ts";
import type { SimWorld } from "./sim-clock.ts";

export interface LinkQuality {
  /** Milliseconds, drawn uniformly for each message: a wide range reorders. */
  readonly delay: readonly [number, number];
  /** Probability that a gossip message is lost, or that a request fails. */
  readonly loss: number;
  /** Probability that a gossip message arrives twice. */
  readonly duplicate: number;
  readonly up: boolean;
}

const goodLink: LinkQuality = { delay: [1, 3], loss: 0, duplicate: 0, up: true };

export interface SimNetwork {
  /** The port of a process that starts (again) under this name. A crashed process's port is dead for ever. */
  join(name: PeerName): SimNetworkPort;
  link(from: PeerName, to: PeerName, quality: Partial<LinkQuality>): void;
  /** Cuts every link between peers of different groups, and heals those inside one. */
  partition(groups: readonly (readonly PeerName[])[]): void;
  /** Every link good again. */
  heal(): void;
  /** Hears every gossip message as it is sent, for checkers; returning undefined swallows it, other bytes replace it. */
  tap(tap: (from: PeerName, to: PeerName, bytes: Uint8Array) => Uint8Array | undefined): void;
  readonly penalties: readonly { readonly by: PeerName; readonly peer: PeerName; readonly reason: string }[];
}

export interface SimNetworkPort extends Network {
  /** The process dies: nothing more arrives or leaves; peers notice after a while. */
  crash(): void;
}

interface Node {
  readonly name: PeerName;
  alive: boolean;
  peers: ReadonlySet<PeerName>;
  readonly connected: Set<PeerName>;
  onBroadcast: (from: PeerName, bytes: Uint8Array) => void;
  onRequest: (from: PeerName, protocol: StreamProtocol, bytes: Uint8Array) => Promise<Uint8Array>;
  onPeer: (peer: PeerName, event: "connected" | "disconnected") => void;
  onRoundTrip: (peer: PeerName, milliseconds: number) => void;
}

/** How long peers take to notice that a connection broke. */
const noticeMs = 100;

export function createSimNetwork(world: SimWorld, defaults: LinkQuality = goodLink): SimNetwork {
  const nodes = new Map<PeerName, Node>();
  const links = new Map<string, LinkQuality>();
  const penalties: { by: PeerName; peer: PeerName; reason: string }[] = [];
  let tap: (from: PeerName, to: PeerName, bytes: Uint8Array) => Uint8Array | undefined = (_from, _to, bytes) => bytes;

  const key = (from: PeerName, to: PeerName) => `${from}>${to}`;
  const qualityOf = (from: PeerName, to: PeerName) => links.get(key(from, to)) ?? defaults;
  const delayOf = ({ delay: [least, most] }: LinkQuality) => least + (most - least) * world.random();

  /** Two processes are connected while both live, allow each other and hear each other. */
  function reachable(a: Node, b: Node): boolean {
    const linked = qualityOf(a.name, b.name).up && qualityOf(b.name, a.name).up;
    return a.alive && b.alive && a.peers.has(b.name) && b.peers.has(a.name) && linked;
  }

  function refreshConnections(): void {
    for (const a of nodes.values()) {
      for (const b of nodes.values()) {
        if (a === b || !a.alive) continue;
        const now = reachable(a, b);
        if (now === a.connected.has(b.name)) continue;
        if (now) a.connected.add(b.name);
        else a.connected.delete(b.name);
        world.schedule(now ? delayOf(qualityOf(b.name, a.name)) : noticeMs, () => {
          if (a.alive && nodes.get(a.name) === a && a.connected.has(b.name) === now)
            a.onPeer(b.name, now ? "connected" : "disconnected");
        });
      }
    }
  }

  function deliver(from: Node, to: PeerName, bytes: Uint8Array): void {
    const quality = qualityOf(from.name, to);
    if (!quality.up || world.random() < quality.loss) return;
    const seen = tap(from.name, to, bytes);
    if (seen === undefined) return;
    const copies = world.random() < quality.duplicate ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      world.schedule(delayOf(quality), () => {
        const node = nodes.get(to);
        if (node?.alive && node.peers.has(from.name)) node.onBroadcast(from.name, seen.slice());
      });
    }
  }

  function request(
    from: Node,
    to: PeerName,
    protocol: StreamProtocol,
    bytes: Uint8Array,
    timeoutMs: number,
  ): Promise<Reply> {
    return new Promise((resolve) => {
      const started = world.now();
      let open = true;
      const close = (reply: Reply) => {
        if (!open) return;
        open = false;
        cancel();
        if (from.alive) resolve(reply);
      };
      const fail = (kind: RequestFailure["kind"], message: string) =>
        close({ kind: "failed", failure: { kind, message } });
      const cancel = world.schedule(timeoutMs, () => fail("timeout", `no answer in ${timeoutMs} ms`));
      const peer = nodes.get(to);
      if (!peer || !reachable(from, peer)) {
        world.schedule(1, () => fail("unreachable", "not connected"));
        return;
      }
      const there = qualityOf(from.name, to);
      if (world.random() < there.loss) return;
      world.schedule(delayOf(there), () => {
        const node = nodes.get(to);
        if (node !== peer || !node.alive) return;
        const back = (reply: () => void) => {
          const quality = qualityOf(to, from.name);
          if (!node.alive || !quality.up || world.random() < quality.loss) return;
          world.schedule(delayOf(quality), reply);
        };
        node.onRequest(from.name, protocol, bytes.slice()).then(
          (answer) =>
            back(() => {
              close({ kind: "ok", bytes: answer.slice() });
              if (from.alive) from.onRoundTrip(to, world.now() - started);
            }),
          (error: unknown) => back(() => fail("refused", error instanceof Error ? error.message : String(error))),
        );
      });
    });
  }

  return {
    penalties,
    join(name) {
      const old = nodes.get(name);
      if (old) old.alive = false;
      const node: Node = {
        name,
        alive: true,
        peers: new Set(),
        connected: new Set(),
        onBroadcast: () => {},
        onRequest: () => Promise.reject(new Error("not serving yet")),
        onPeer: () => {},
        onRoundTrip: () => {},
      };
      nodes.set(name, node);
      for (const other of nodes.values()) other.connected.delete(name);
      return {
        self: name,
        setPeers(peers) {
          node.peers = new Set(peers.map(({ peer }) => peer).filter((peer) => peer !== name));
          refreshConnections();
        },
        broadcast(bytes) {
          if (node.alive) for (const peer of node.peers) deliver(node, peer, bytes);
        },
        request: (peer, protocol, bytes, timeoutMs) => request(node, peer, protocol, bytes, timeoutMs),
        onBroadcast: (handler) => {
          node.onBroadcast = handler;
        },
        onRequest: (handler) => {
          node.onRequest = handler;
        },
        onPeer: (handler) => {
          node.onPeer = handler;
        },
        onRoundTrip: (handler) => {
          node.onRoundTrip = handler;
        },
        penalize: (peer, reason) => {
          penalties.push({ by: name, peer, reason });
        },
        crash() {
          node.alive = false;
          refreshConnections();
        },
      };
    },
    link(from, to, quality) {
      links.set(key(from, to), { ...qualityOf(from, to), ...quality });
      refreshConnections();
    },
    partition(groups) {
      const names = groups.flat();
      for (const from of names) {
        for (const to of names) {
          if (from === to) continue;
          const together = groups.some((group) => group.includes(from) && group.includes(to));
          links.set(key(from, to), { ...qualityOf(from, to), up: together });
        }
      }
      refreshConnections();
    },
    heal() {
      links.clear();
      refreshConnections();
    },
    tap(next) {
      tap = next;
    },
  };
}
