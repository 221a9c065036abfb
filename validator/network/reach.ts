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
  /** Is a member out of this process's own reach, and in a peer's? */
  readonly needsRelay: boolean;
}

export function createReach(self: PeerName): Reach {
  const own = new Set<PeerName>();
  /** One entry for each connection. */
  const others = new Map<PeerName, ReadonlySet<PeerName>>();
  let allowed: ReadonlySet<PeerName> = new Set();
  let needsRelay = false;

  function look(): void {
    const beyond = [...allowed].filter((name) => name !== self && !own.has(name));
    needsRelay = beyond.some((name) => [...others.values()].some((reached) => reached.has(name)));
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
      look();
    },
    disconnected(peer) {
      own.delete(peer);
      others.delete(peer);
      look();
    },
    setPeers(names) {
      allowed = names;
      look();
    },
    get needsRelay() {
      return needsRelay;
    },
  };
}
