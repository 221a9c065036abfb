/**
 * What a Byzantine strategy is: a shell between a member's honest driver and the network. The driver knows nothing of
 * it; the shell holds the member's real keys, so that what it makes up is validly signed where it wants it to be.
 */
import { sealBlock } from "../../codec/block.ts";
import type { Gossip } from "../../codec/peer.ts";
import type { Ballot, Body, Digest, EpochConfig, Header, Proposal, SeatIndex, Vote } from "../../consensus/types.ts";
import { signProposal } from "../../crypto/proposals.ts";
import type { Signers } from "../../driver/outbox.ts";
import type { Reply, StreamProtocol } from "../../driver/ports.ts";

/** A faulty member, as its strategy plays it. */
export interface Puppet {
  readonly seat: SeatIndex;
  /** Seats of all members. */
  readonly seats: readonly SeatIndex[];
  readonly config: EpochConfig;
  readonly signers: Signers;
  /** Uniform in [0, 1), from the world's seed. */
  readonly random: () => number;
  /** To everyone, as the member itself. */
  broadcast(message: Gossip | Uint8Array): void;
  /** To one member alone. */
  send(to: SeatIndex, message: Gossip | Uint8Array): void;
}

/** What the shell changes. Whatever is left out passes unchanged. */
export interface Misbehaviour {
  /** Takes the place of the driver's broadcast. */
  readonly speak?: (message: Gossip, bytes: Uint8Array) => void;
  /** Overhears gossip before the driver gets it. */
  readonly hear?: (from: SeatIndex, message: Gossip) => void;
  /** Takes the place of the driver's request; undefined lets it go. */
  readonly ask?: (to: SeatIndex, protocol: StreamProtocol, bytes: Uint8Array) => Reply | undefined;
  /** Refuses a peer's request with a sentence; undefined lets the driver answer. */
  readonly refuse?: (from: SeatIndex, protocol: StreamProtocol) => string | undefined;
}

export interface Strategy {
  readonly name: string;
  /** A second process runs under the member's identity. */
  readonly twin?: boolean;
  /** Bytes that were durable may be flipped when the process dies. */
  readonly rots?: boolean;
  misbehave(puppet: Puppet): Misbehaviour;
}

/** The ballot, signed by the puppet; `signer` may be a lie. */
export function signed(puppet: Puppet, ballot: Ballot, signer: SeatIndex = puppet.seat): Vote {
  const { kind, epoch, view, block } = ballot;
  const signature = puppet.signers.bls.signBallot(puppet.config, { kind, epoch, view, block });
  return { kind, epoch, view, block, signer, signature };
}

/** Another proposal for the same view, validly signed by the puppet. */
export function altered(puppet: Puppet, proposal: Proposal, header: Partial<Header>, body?: Partial<Body>): Proposal {
  const { bodyHash: _, reveal, ...rest } = { ...proposal.block.header, ...header };
  const block = sealBlock(rest, { ...proposal.block.body, ...body }, reveal);
  return signProposal(puppet.signers.peer, puppet.config, { block, finalization: proposal.finalization });
}

/**
 * Takes the place of the puppet's own proposals: `change` makes another of each (undefined: keeps it), always the same
 * for the same one, and the puppet's votes for the first are made for the other.
 */
export function substitute(
  puppet: Puppet,
  change: (proposal: Proposal) => Proposal | undefined,
): (message: Gossip, bytes: Uint8Array) => void {
  const others = new Map<Digest, Proposal>();
  return (message, bytes) => {
    if (message.kind === "vote") {
      const other = others.get(message.vote.block);
      const vote = other ? signed(puppet, { ...message.vote, block: other.block.hash }) : message.vote;
      return puppet.broadcast({ kind: "vote", vote });
    }
    if (message.kind !== "proposal") return puppet.broadcast(bytes);
    const { proposal } = message;
    const other = others.get(proposal.block.hash) ?? change(proposal) ?? proposal;
    others.set(proposal.block.hash, other);
    puppet.broadcast({ kind: "proposal", proposal: other });
  };
}

/** About half of the others, and the rest. */
export function halves(puppet: Puppet): readonly [readonly SeatIndex[], readonly SeatIndex[]] {
  const others = puppet.seats.filter((seat) => seat !== puppet.seat);
  const first = others.filter(() => puppet.random() < 0.5);
  return [first, others.filter((seat) => !first.includes(seat))];
}

/** Remembers at most `bound` keys, the oldest goes: true the first time. */
export function onceEach(bound = 512): (key: string) => boolean {
  const seen = new Set<string>();
  return (key) => {
    if (seen.has(key)) return false;
    seen.add(key);
    for (const oldest of seen) {
      if (seen.size <= bound) break;
      seen.delete(oldest);
    }
    return true;
  };
}
