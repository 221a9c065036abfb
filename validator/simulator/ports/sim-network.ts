/**
 * A network in virtual time behind the driver's `Network` port. Every link (one direction) has its own delay, loss,
 * duplication and cut. Gossip may arrive in any order; requests are whole or fail, as streams do.
 */
import type { Network, PeerEvent, PeerName, Reply, RequestFailure, StreamProtocol } from "../../driver/ports.ts";
import type { SimWorld } from "./sim-clock.ts";

/** A process's place on the network; its peer's name where nothing else was said. */
type Address = string;

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
  /**
   * The port of a process that starts (again) at this address under this name. A crashed process's port is dead for
   * ever. Two addresses may have one name: who says it cannot be told apart, and both are said what it is said.
   */
  join(name: PeerName, address?: Address): SimNetworkPort;
  link(from: PeerName, to: PeerName, quality: Partial<LinkQuality>): void;
  /** Cuts every link between peers of different groups, and heals those inside one. */
  partition(groups: readonly (readonly PeerName[])[]): void;
  /** Every link good again. */
  heal(): void;
  /** Which addresses can ever hear each other, whatever the links are: all, without it. Not undone by `heal`. */
  divide(apart: (a: Address, b: Address) => boolean): void;
  /** Hears every gossip message as it is sent, for checkers; returning undefined swallows it, other bytes replace it. */
  tap(tap: (from: PeerName, to: PeerName, bytes: Uint8Array) => Uint8Array | undefined): void;
  readonly penalties: readonly { readonly by: PeerName; readonly peer: PeerName; readonly reason: string }[];
}

export interface SimNetworkPort extends Network {
  /** Gossip to one peer alone: what only a hostile process does. */
  send(to: PeerName, bytes: Uint8Array): void;
  /** The process dies: nothing more arrives or leaves; peers notice after a while. */
  crash(): void;
}

interface Node {
  readonly name: PeerName;
  readonly address: Address;
  alive: boolean;
  peers: ReadonlySet<PeerName>;
  readonly connected: Set<PeerName>;
  onBroadcast: (from: PeerName, bytes: Uint8Array) => void;
  onRequest: (from: PeerName, protocol: StreamProtocol, bytes: Uint8Array) => Promise<Uint8Array>;
  onPeer: (peer: PeerName, event: PeerEvent) => void;
  onRoundTrip: (peer: PeerName, milliseconds: number) => void;
}

/** How long peers take to notice that a connection broke. */
const noticeMs = 100;

export function createSimNetwork(world: SimWorld, defaults: LinkQuality = goodLink): SimNetwork {
  const nodes = new Map<Address, Node>();
  const links = new Map<string, LinkQuality>();
  const penalties: { by: PeerName; peer: PeerName; reason: string }[] = [];
  let apart: (a: Address, b: Address) => boolean = () => false;
  let tap: (from: PeerName, to: PeerName, bytes: Uint8Array) => Uint8Array | undefined = (_from, _to, bytes) => bytes;

  const key = (from: PeerName, to: PeerName) => `${from}>${to}`;
  const qualityOf = (from: PeerName, to: PeerName) => links.get(key(from, to)) ?? defaults;
  const processesOf = (name: PeerName) => [...nodes.values()].filter((node) => node.name === name);
  const delayOf = ({ delay: [least, most] }: LinkQuality) => least + (most - least) * world.random();

  /** Two processes are connected while both live, allow each other and hear each other. */
  function reachable(a: Node, b: Node): boolean {
    const linked = qualityOf(a.name, b.name).up && qualityOf(b.name, a.name).up;
    const allowed = a.peers.has(b.name) && b.peers.has(a.name) && !apart(a.address, b.address);
    return a.alive && b.alive && allowed && linked;
  }

  function refreshConnections(): void {
    for (const a of nodes.values()) {
      for (const name of new Set([...nodes.values()].map((node) => node.name))) {
        if (a.name === name || !a.alive) continue;
        const now = processesOf(name).some((b) => reachable(a, b));
        if (now === a.connected.has(name)) continue;
        if (now) a.connected.add(name);
        else a.connected.delete(name);
        world.schedule(now ? delayOf(qualityOf(name, a.name)) : noticeMs, () => {
          if (!a.alive || nodes.get(a.address) !== a || a.connected.has(name) !== now) return;
          a.onPeer(name, now ? "connected" : "disconnected");
          // What peers tell each other of their connections needs another message.
          if (!now) world.schedule(delayOf(qualityOf(name, a.name)), () => tellReach(a, name));
        });
      }
    }
  }

  function tellReach(a: Node, name: PeerName): void {
    if (!a.alive || nodes.get(a.address) !== a || a.connected.has(name)) return;
    const peers = [...nodes.values()].filter((node) => node.alive && a.connected.has(node.name));
    a.onPeer(name, peers.some((node) => node.connected.has(name)) ? "relayed" : "gone");
  }

  function deliver(from: Node, to: PeerName, bytes: Uint8Array): void {
    const quality = qualityOf(from.name, to);
    if (!quality.up || world.random() < quality.loss) return;
    const seen = tap(from.name, to, bytes);
    if (seen === undefined) return;
    const copies = world.random() < quality.duplicate ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      world.schedule(delayOf(quality), () => {
        for (const node of processesOf(to))
          if (node.alive && node.peers.has(from.name) && !apart(from.address, node.address))
            node.onBroadcast(from.name, seen.slice());
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
      const peers = processesOf(to).filter((node) => reachable(from, node));
      const peer = peers.length > 1 ? peers[Math.floor(world.random() * peers.length)] : peers[0];
      if (!peer) {
        world.schedule(1, () => fail("unreachable", "not connected"));
        return;
      }
      const there = qualityOf(from.name, to);
      if (world.random() < there.loss) return;
      world.schedule(delayOf(there), () => {
        const node = nodes.get(peer.address);
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
    join(name, address = name) {
      const old = nodes.get(address);
      if (old) old.alive = false;
      const node: Node = {
        name,
        address,
        alive: true,
        peers: new Set(),
        connected: new Set(),
        onBroadcast: () => {},
        onRequest: () => Promise.reject(new Error("not serving yet")),
        onPeer: () => {},
        onRoundTrip: () => {},
      };
      nodes.set(address, node);
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
        send(to, bytes) {
          if (node.alive && node.peers.has(to)) deliver(node, to, bytes);
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
    divide(next) {
      apart = next;
      refreshConnections();
    },
    tap(next) {
      tap = next;
    },
  };
}
