/** Who is who in an epoch: seats of consensus and peers of the network. */
import { type Totals, totals } from "../consensus/power.ts";
import type { EpochConfig, Member, SeatIndex } from "../consensus/types.ts";
import { seatIndex } from "../consensus/types.ts";
import type { PeerName } from "./ports.ts";

interface Seat {
  readonly seat: SeatIndex;
  readonly peer: PeerName;
  readonly member: Member;
}

export interface Membership {
  readonly config: EpochConfig;
  readonly totals: Totals;
  /** Undefined for a learner. */
  readonly self: SeatIndex | undefined;
  readonly seats: readonly Seat[];
  /** Every seat but this one. */
  readonly others: readonly Seat[];
  seatOf(peer: PeerName): SeatIndex | undefined;
  peerOf(seat: SeatIndex): PeerName | undefined;
  /** May this seat hold private data of the zone? Every member may for "". */
  inZone(seat: SeatIndex, zone: string): boolean;
}

/** `peerName` gives the network's name of an ed25519 public key (hexadecimal). */
export function membershipOf(
  config: EpochConfig,
  ownPeerKey: string,
  peerName: (peerKey: string) => PeerName,
): Membership {
  const seats = config.members.map((member, i) => ({ seat: seatIndex(i), peer: peerName(member.peerKey), member }));
  const byPeer = new Map(seats.map(({ peer, seat }) => [peer, seat]));
  const self = seats.find(({ member }) => member.peerKey === ownPeerKey)?.seat;
  return {
    config,
    totals: totals(config.members, config.faultModel),
    self,
    seats,
    others: seats.filter(({ seat }) => seat !== self),
    seatOf: (peer) => byPeer.get(peer),
    peerOf: (seat) => seats[seat]?.peer,
    inZone: (seat, zone) => zone === "" || config.members[seat]?.zones.includes(zone) === true,
  };
}
