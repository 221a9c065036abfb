/** Who is dialled, and what coming and going means to everyone else. */
import type { Input, SeatIndex } from "../consensus/types.ts";
import type { Learner } from "../ledger/chain-state.ts";
import type { Membership } from "./membership.ts";
import type { Network, PeerAddress, PeerName } from "./ports.ts";
import type { Observer } from "./services.ts";
import type { Status } from "./status.ts";

export interface PeersOptions {
  readonly network: Pick<Network, "setPeers" | "onPeer" | "onRoundTrip">;
  readonly membership: () => Membership;
  readonly learners: () => readonly Learner[];
  /** This member's peer key, hexadecimal. */
  readonly ownKey: string;
  readonly peerName: (peerKey: string) => PeerName;
  readonly addressesOf: (name: string) => readonly string[];
  readonly status: Pick<Status, "roundTrip" | "peer">;
  readonly observe: Observer;
  readonly feed: (input: Input) => void;
  /** A member's connection is up. */
  readonly connected: (seat: SeatIndex) => void;
}

export interface Peers {
  /** Members and learners of the epoch under way. */
  dial(): void;
  /** Tells a core of a new epoch whom nobody reaches. */
  tellGone(): void;
}

export function createPeers(options: PeersOptions): Peers {
  const { network, membership, status, observe, feed } = options;
  /** Peers that nobody reaches. */
  const gone = new Set<PeerName>();

  function tellPresence(peer: PeerName): void {
    const seat = membership().seatOf(peer);
    if (seat !== undefined) feed({ kind: "presence", seat, gone: gone.has(peer) });
  }

  const nameOf = (seat: SeatIndex) => membership().seats[seat]?.member.id ?? "";

  network.onRoundTrip((peer, milliseconds) => {
    const seat = membership().seatOf(peer);
    if (seat === undefined) return;
    status.roundTrip(peer, milliseconds);
    observe({ kind: "round-trip", seat: nameOf(seat), milliseconds });
    feed({ kind: "round-trip", seat, milliseconds });
  });
  network.onPeer((peer, event) => {
    if (event === "gone") {
      gone.add(peer);
      return tellPresence(peer);
    }
    if (gone.delete(peer)) tellPresence(peer);
    if (event === "relayed") return;
    status.peer(peer, event === "connected");
    const seat = membership().seatOf(peer);
    if (seat === undefined) return;
    observe({ kind: "peer", seat: nameOf(seat), connected: event === "connected" });
    if (event === "connected") options.connected(seat);
  });

  return {
    dial() {
      const { others } = membership();
      const learners = options.learners().filter(({ peerKey }) => peerKey !== options.ownKey);
      const peers: PeerAddress[] = [
        ...others.map(({ peer, member }) => ({ peer, addresses: options.addressesOf(member.id) })),
        ...learners.map(({ id, peerKey }) => ({ peer: options.peerName(peerKey), addresses: options.addressesOf(id) })),
      ];
      network.setPeers(peers);
    },
    tellGone() {
      for (const peer of gone) tellPresence(peer);
    },
  };
}
