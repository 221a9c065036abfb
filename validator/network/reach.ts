/**
 * Who is connected to whom: every member tells its peers whom it is connected to. A broadcast goes over the direct
 * streams when they reach everyone who can be reached, and has to be relayed only when a peer is connected to a
 * member that this process is not.
 */
import type { PeerName } from "../driver/ports.ts";

/** Longest list that a peer may send, bytes: more members than a swarm has. */
const mostBytes = 64 * 1024;
/** No name is longer (a base58 multihash has 46 to 52 characters). */
const mostNameLength = 128;

export interface Reach {
  /** The payload that tells a peer whom this process is connected to. */
  encode(): Uint8Array;
  /** A peer told whom it is connected to. False when the bytes are no such list. */
  told(by: PeerName, bytes: Uint8Array): boolean;
  connected(peer: PeerName): void;
  disconnected(peer: PeerName): void;
  /** Who may connect: claims about others mean nothing. */
  setPeers(names: ReadonlySet<PeerName>): void;
  /** Of members that were connected and are not: whether a peer reaches them, as far as it changed since the last call. */
  changes(): readonly { readonly peer: PeerName; readonly event: "gone" | "relayed" }[];
  /** Is a member out of this process's own reach, and in a peer's? */
  readonly needsRelay: boolean;
}

export function createReach(self: PeerName): Reach {
  const own = new Set<PeerName>();
  /** Were connected and are not, with what was said of them last. */
  const lost = new Map<PeerName, "gone" | "relayed" | undefined>();
  /** One entry for each connection. */
  const others = new Map<PeerName, ReadonlySet<PeerName>>();
  let allowed: ReadonlySet<PeerName> = new Set();
  let needsRelay = false;

  const reached = (name: PeerName) => [...others.values()].some((peers) => peers.has(name));

  function look(): void {
    needsRelay = [...allowed].some((name) => name !== self && !own.has(name) && reached(name));
  }

  return {
    encode: () => Buffer.from([...own].join("\n"), "latin1"),
    told(by, bytes) {
      if (bytes.length > mostBytes) return false;
      const names = Buffer.from(bytes).toString("latin1").split("\n");
      if (names.some((name) => name.length > mostNameLength)) return false;
      others.set(by, new Set(names.filter((name) => allowed.has(name))));
      look();
      return true;
    },
    connected(peer) {
      own.add(peer);
      lost.delete(peer);
      look();
    },
    disconnected(peer) {
      if (own.delete(peer)) lost.set(peer, undefined);
      others.delete(peer);
      look();
    },
    changes() {
      const changed: { peer: PeerName; event: "gone" | "relayed" }[] = [];
      for (const [peer, said] of lost) {
        const event = reached(peer) ? "relayed" : "gone";
        if (event === said) continue;
        lost.set(peer, event);
        changed.push({ peer, event });
      }
      return changed;
    },
    setPeers(names) {
      allowed = names;
      for (const name of lost.keys()) if (!names.has(name)) lost.delete(name);
      look();
    },
    get needsRelay() {
      return needsRelay;
    },
  };
}
