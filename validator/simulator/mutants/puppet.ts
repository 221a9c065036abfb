/** A faulty member: the keys of a seat and a mind of the scenario's own. */
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { sealBlock } from "../../codec/block.ts";
import { decodeGossip, encodeGossip, type Gossip } from "../../codec/peer.ts";
import { leader } from "../../consensus/leader.ts";
import type { Ballot, Block, Header, Proposal, SeatIndex, Vote } from "../../consensus/types.ts";
import { height, seatIndex, view as toView } from "../../consensus/types.ts";
import { blsSigner } from "../../crypto/bls.ts";
import { ed25519Signer } from "../../crypto/ed25519.ts";
import { sha256 } from "../../crypto/hash.ts";
import { signProposal } from "../../crypto/proposals.ts";
import type { Arena } from "./arena.ts";

export interface Puppet {
  readonly seat: SeatIndex;
  leads(view: number): boolean;
  /** An empty block of this seat on the parent, valid unless a change makes it otherwise. */
  propose(view: number, parent: Block, change?: Partial<Header>): Proposal;
  vote(ballot: Pick<Ballot, "kind" | "view" | "block">): Vote;
  /** To these seats, or to all. */
  send(message: Gossip, to?: readonly number[]): void;
}

/** Plays a seat of `options.faulty`. `heard` is told what others gossip. */
export function createPuppet(arena: Arena, at: number, heard: (message: Gossip) => void): Puppet {
  const { swarm } = arena;
  const config = swarm.genesisConfig;
  const seat = seatIndex(at);
  const node = swarm.nodes[at];
  if (!node) throw new Error(`no seat ${at}`);
  const secret = (name: string) => sha256(utf8ToBytes(`${name} ${at}`));
  const signers = { bls: blsSigner(secret("bls")), peer: ed25519Signer(secret("peer")) };
  const port = swarm.network.join(node.name);
  port.setPeers(swarm.nodes.filter((other) => other !== node).map(({ name }) => ({ peer: name, addresses: [] })));
  port.onBroadcast((_from, bytes) => {
    const decoded = decodeGossip(bytes);
    if (decoded.kind === "ok") heard(decoded.value);
  });
  let aim: readonly number[] | undefined;
  arena.meddle((from, to, _message, bytes) => (from === seat && aim && !aim.includes(to) ? undefined : bytes));

  return {
    seat,
    leads: (view) => leader(config, toView(view)) === seat,
    propose(view, parent, change = {}) {
      const { header } = parent;
      const wall = Math.floor(node.clock.now().wall);
      const next = {
        ...header,
        view: toView(view),
        height: height(header.height + 1),
        parentView: header.view,
        parent: parent.hash,
        time: Math.max(header.time + 1, wall),
        proposer: seat,
        closing: false,
        ...change,
      };
      const reveal = view % config.parameters.revealInterval === 0 ? signers.bls.signReveal(config, next) : undefined;
      const block = sealBlock(next, { batches: [], governance: [], coverage: [] }, reveal);
      return signProposal(signers.peer, config, { block, finalization: undefined });
    },
    vote(given) {
      const ballot: Ballot = { ...given, epoch: config.epoch };
      return { ...ballot, signer: seat, signature: signers.bls.signBallot(config, ballot) };
    },
    send(message, to) {
      aim = to;
      port.broadcast(encodeGossip(message));
      aim = undefined;
    },
  };
}
