/** Listens at the ports of a world's members and writes its history. */
import { toHex } from "../codec/bytes.ts";
import { decodeBlocks, decodeCheckpointPart } from "../codec/exchange.ts";
import { decodeGossip } from "../codec/peer.ts";
import type { Ballot, Block, Certificate, Digest, SeatIndex, Vote } from "../consensus/types.ts";
import type { Signers } from "../driver/outbox.ts";
import type { Network, PeerName } from "../driver/ports.ts";
import type { DriverEvent } from "../driver/services.ts";
import { type Electorate, electorateOf, hasQuorum } from "./electorate.ts";
import type { Fact } from "./history.ts";
import type { SimNetworkPort } from "./ports/sim-network.ts";

/** A fact without its time. */
export type Happening = Fact extends infer F ? (F extends Fact ? Omit<F, "at"> : never) : never;

export interface Recorder {
  readonly facts: readonly Fact[];
  readonly blocks: ReadonlyMap<Digest, Block>;
  readonly electorates: ReadonlyMap<number, Electorate>;
  note(fact: Happening): void;
  /** Remembers which member signed which ballot: what it never signed is forged. */
  signers(seat: SeatIndex, signers: Signers): Signers;
  /** A correct member's port: what leaves and what arrives is noted while `alive` says that the process lives. */
  port(node: number, port: SimNetworkPort, alive: () => boolean): Network;
  observe(node: number, event: DriverEvent): void;
}

const ballotKey = ({ kind, epoch, view, block }: Ballot) => `${kind} ${epoch} ${view} ${block}`;

export function createRecorder(
  now: () => number,
  powers: readonly number[],
  seatOf: (peer: PeerName) => SeatIndex,
  heard: (fact: Fact) => void,
): Recorder {
  const facts: Fact[] = [];
  const blocks = new Map<Digest, Block>();
  const electorates = new Map([[0, electorateOf(powers)]]);
  /** Signatures by ballot and seat. BLS signatures are unique: other bytes are forged. */
  const genuine = new Map<string, Map<SeatIndex, string>>();

  function note(fact: Happening): void {
    const whole: Fact = { at: now(), ...fact };
    facts.push(whole);
    heard(whole);
  }

  function vote(node: number, from: SeatIndex, { signer, signature, ...ballot }: Vote): void {
    if (from !== signer) return;
    if (genuine.get(ballotKey(ballot))?.get(signer) !== toHex(signature)) return;
    note({ kind: "reached", node, ballot: plain(ballot), signers: [signer] });
  }

  /** An aggregate can be genuine when each of its signers signed; without that, nobody could have made it. */
  function certificate(node: number, { signers, ...rest }: Certificate): void {
    const signed = genuine.get(ballotKey(rest));
    if (hasQuorum(electorates.get(rest.epoch), signers) && signers.every((seat) => signed?.has(seat)))
      note({ kind: "reached", node, ballot: plain(rest), signers });
  }

  function gossip(node: number, from: SeatIndex, bytes: Uint8Array): void {
    const decoded = decodeGossip(bytes);
    if (decoded.kind !== "ok") return;
    const message = decoded.value;
    if (message.kind === "vote") vote(node, from, message.vote);
    else if (message.kind === "certificate") certificate(node, message.certificate);
    else if (message.kind === "proposal") {
      blocks.set(message.proposal.block.hash, message.proposal.block);
      if (message.proposal.finalization) certificate(node, message.proposal.finalization);
    }
  }

  function served(node: number, protocol: string, bytes: Uint8Array): void {
    if (protocol === "fetch-blocks") {
      const reply = decodeBlocks(bytes);
      if (reply.kind !== "ok") return;
      for (const block of reply.value.blocks) blocks.set(block.hash, block);
      if (reply.value.finalization) certificate(node, reply.value.finalization);
    } else if (protocol === "fetch-checkpoint") {
      const reply = decodeCheckpointPart(bytes);
      if (reply.kind !== "ok" || !reply.value.proof) return;
      const { block, finalization } = reply.value.proof;
      blocks.set(block.hash, block);
      certificate(node, finalization);
    }
  }

  function said(node: number, bytes: Uint8Array): void {
    const decoded = decodeGossip(bytes);
    if (decoded.kind !== "ok") throw new Error(`a correct member said what cannot be read: ${decoded.error.reason}`);
    const message = decoded.value;
    if (message.kind === "vote") {
      const { signer: _, signature: __, ...ballot } = message.vote;
      note({ kind: "said-vote", node, ballot: plain(ballot) });
    } else if (message.kind === "proposal") {
      blocks.set(message.proposal.block.hash, message.proposal.block);
      note({ kind: "said-proposal", node, block: message.proposal.block.hash });
    }
  }

  return {
    facts,
    blocks,
    electorates,
    note,
    signers: (seat, signers) => ({
      ...signers,
      bls: {
        ...signers.bls,
        signBallot(chain, ballot) {
          const signature = signers.bls.signBallot(chain, ballot);
          const bySeat = genuine.get(ballotKey(ballot)) ?? new Map<SeatIndex, string>();
          genuine.set(ballotKey(ballot), bySeat.set(seat, toHex(signature)));
          return signature;
        },
      },
    }),
    port: (node, port, alive) => ({
      ...port,
      broadcast(bytes) {
        if (!alive()) return;
        said(node, bytes);
        port.broadcast(bytes);
      },
      onBroadcast: (handler) =>
        port.onBroadcast((from, bytes) => {
          gossip(node, seatOf(from), bytes);
          handler(from, bytes);
        }),
      async request(peer, protocol, bytes, timeoutMs) {
        const reply = await port.request(peer, protocol, bytes, timeoutMs);
        if (reply.kind === "ok") served(node, protocol, reply.bytes);
        return reply;
      },
    }),
    observe(node, event) {
      if (event.kind === "block-final") note({ kind: "final", node, height: event.height, block: event.block });
      else if (event.kind === "consensus" && event.event.kind === "bad-vote")
        note({ kind: "accused", node, of: event.event.signer, why: `its ${event.event.voteKind} has a bad signature` });
      else if (event.kind === "equivocation")
        note({ kind: "accused", node, of: seatNamed(event.offender), why: event.evidence });
      else if (event.kind === "peer-penalized")
        note({ kind: "accused", node, of: seatOf(event.peer), why: event.reason });
      else if (event.kind === "epoch") {
        const { epoch, powers } = event;
        if (!electorates.has(epoch)) electorates.set(epoch, electorateOf(powers));
        note({ kind: "epoch", node, epoch, powers });
      } else if (event.kind === "quarantined") note({ kind: "quarantined", node, height: event.height });
    },
  };
}

/** Seats are named `seat-0` and so on in simulated swarms. */
const seatNamed = (name: string) => Number(name.replace("seat-", ""));
const plain = ({ kind, epoch, view, block }: Ballot): Ballot => ({ kind, epoch, view, block });
