/**
 * What this member signs: given back to the core and sent when it is durable, in the order the core asked for it
 * (consensus.md, Durable before sent). The only place of the driver that holds the signing keys.
 */

import { sealBlock } from "../codec/block.ts";
import { encodeGossip } from "../codec/peer.ts";
import type { State } from "../consensus/state.ts";
import type {
  Ballot,
  Broadcast,
  Digest,
  Effect,
  EpochConfig,
  Input,
  Proposal,
  SeatIndex,
  Verified,
  Vote,
} from "../consensus/types.ts";
import type { BlsSigner, MemberKeys } from "../crypto/bls.ts";
import type { Ed25519Signer } from "../crypto/ed25519.ts";
import { signProposal, verifyProposal } from "../crypto/proposals.ts";
import type { Entry } from "../storage/types.ts";
import type { DiskGuard } from "./disk-guard.ts";
import { measured } from "./measure.ts";
import type { Clock, Network } from "./ports.ts";
import type { Observer } from "./services.ts";

export interface Signers {
  readonly bls: BlsSigner;
  readonly peer: Ed25519Signer;
}

export interface OutboxOptions {
  readonly clock: Clock;
  readonly network: Pick<Network, "broadcast">;
  readonly guard: DiskGuard;
  readonly signers: Signers;
  readonly observe: Observer;
  /** The epoch's keys and this member's seat at the time of the call. */
  readonly seat: () => { readonly keys: MemberKeys; readonly self: SeatIndex | undefined };
  readonly state: () => State;
  readonly feed: (input: Input) => void;
  readonly onFatal: (error: unknown) => void;
}

export interface Outbox {
  cast(effect: Extract<Effect, { kind: "cast" }>): void;
  propose(effect: Extract<Effect, { kind: "propose" }>): void;
  send(message: Broadcast): void;
  /** Resolves when everything asked for so far was signed and sent. */
  idle(): Promise<void>;
}

export function createOutbox(options: OutboxOptions): Outbox {
  const { clock, network, guard, signers, observe, state, feed } = options;
  let tail: Promise<void> = Promise.resolve();
  /** The block of the newest ballots is not written twice. */
  let written: Digest | undefined;

  /** Begins the commit now, so that the log has the order of the casts; goes on when it, `made` and all before it are done. */
  function durably<T>(entries: readonly Entry[], made: Promise<T>, then: (made: T) => void): void {
    const durable = guard.persist(entries);
    tail = tail
      .then(() => durable)
      .then(() => made)
      .then(then)
      .catch(options.onFatal);
  }

  function send(message: Broadcast): void {
    network.broadcast(encodeGossip(message));
  }

  function cast({ ballot, block, reason }: Extract<Effect, { kind: "cast" }>): void {
    const { keys, self } = options.seat();
    if (self === undefined) return;
    const entries: Entry[] = [{ kind: "ballot", ballot }];
    if (block && block.hash !== written) entries.unshift({ kind: "block", block });
    written = block?.hash ?? written;
    // Signed while the disk works, which it does from the first turn of the microtasks, and sent when both are done.
    const signed = Promise.resolve().then(() => {
      if (!stillAllowed(state(), ballot)) return undefined;
      return measured(clock, observe, "bls-sign", () => signVote(signers.bls, keys.config, self, ballot));
    });
    durably(entries, signed, (vote) => {
      if (!vote || !stillAllowed(state(), ballot)) return;
      observe({ kind: "vote-cast", vote: ballot.kind, view: ballot.view, reason });
      send({ kind: "vote", vote });
      feed({ kind: "vote", from: self, vote });
    });
  }

  function propose({ header, body, reveal, finalization }: Extract<Effect, { kind: "propose" }>): void {
    const { keys, self } = options.seat();
    if (self === undefined) return;
    const signature = reveal ? signers.bls.signReveal(keys.config, header) : undefined;
    const block = sealBlock(header, body, signature);
    durably([{ kind: "proposal", proposal: { block, finalization } }], Promise.resolve(), () => {
      const current = state();
      if (header.epoch !== current.config.epoch || header.view < current.view) return;
      const proposal = ownProposal(signers.peer, keys, { block, finalization });
      send({ kind: "proposal", proposal });
      feed({ kind: "proposal", from: self, proposal });
    });
  }

  return { cast, propose, send, idle: () => tail };
}

/** The same ballot gives the same bytes: after a restart votes are made again from their durable ballots. */
export function signVote(signer: BlsSigner, config: EpochConfig, self: SeatIndex, ballot: Ballot): Vote {
  return { ...ballot, signer: self, signature: signer.signBallot(config, ballot) };
}

/** Signs a proposal of this member, and checks it as any other: what the own checks refuse never leaves. */
export function ownProposal(
  signer: Ed25519Signer,
  keys: MemberKeys,
  proposal: Omit<Proposal, "signature">,
): Verified<Proposal> {
  const checked = verifyProposal(keys, signProposal(signer, keys.config, proposal), () => true);
  if (checked.kind !== "verified") throw new Error(`own proposal: ${checked.reason}`);
  return checked.proposal;
}

/** The disk may have been away for long: rule 5 holds at the moment of signing too. */
function stillAllowed(state: State, ballot: Ballot): boolean {
  if (ballot.epoch !== state.config.epoch || state.quarantined) return false;
  return ballot.kind === "notarize" || ballot.kind === "nullify" ? ballot.view > state.finalized.view : true;
}
