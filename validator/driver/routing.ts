/** From gossip to inputs: decoded, its sender's seat looked up, signatures that the core relies on checked. */
import { decodeGossip, type Gossip } from "../codec/peer.ts";
import type { State } from "../consensus/state.ts";
import type { Digest, GovernanceTransaction, Input, Proposal, SeatIndex } from "../consensus/types.ts";
import type { MemberKeys } from "../crypto/bls.ts";
import { verifyProposal } from "../crypto/proposals.ts";
import { measured } from "./measure.ts";
import type { Membership } from "./membership.ts";
import type { Clock, PeerName } from "./ports.ts";
import type { Observer } from "./services.ts";

export interface RoutingOptions {
  readonly clock: Clock;
  readonly observe: Observer;
  readonly membership: () => Membership;
  readonly keys: () => MemberKeys;
  readonly state: () => State;
  readonly feed: (input: Input) => void;
  readonly penalize: (peer: PeerName, reason: string) => void;
  /** Its signatures satisfy the governance set of the executed state. */
  readonly governed: (transaction: GovernanceTransaction) => boolean;
  readonly closesEpoch: (transaction: Uint8Array) => boolean | undefined;
  readonly announced: (by: SeatIndex, digest: Digest, holders: readonly SeatIndex[]) => void;
  /** A member speaks of an epoch that has not begun here. */
  readonly ahead: (seat: SeatIndex) => void;
}

export interface Routing {
  receive(from: PeerName, bytes: Uint8Array): void;
  /** The next epoch has begun: what came early is looked at now. */
  epochChanged(): void;
}

/** Messages of the next epoch that wait for it to begin here. */
const mostEarly = 512;

export function createRouting(options: RoutingOptions): Routing {
  const { clock, observe, membership, keys, state, feed, penalize } = options;
  let early: { readonly from: PeerName; readonly message: Gossip }[] = [];

  function receive(from: PeerName, bytes: Uint8Array): void {
    const decoded = decodeGossip(bytes);
    if (decoded.kind === "refused") return penalize(from, decoded.error.reason);
    route(from, decoded.value);
  }

  function route(from: PeerName, message: Gossip): void {
    const seat = membership().seatOf(from);
    const epoch = epochOf(message);
    const { config } = membership();
    if (epoch !== undefined && epoch > membership().config.epoch) {
      if (early.length < mostEarly && epoch === membership().config.epoch + 1) early.push({ from, message });
      if (seat !== undefined) options.ahead(seat);
      return;
    }
    switch (message.kind) {
      case "vote":
        observe({
          kind: "vote-received",
          from,
          seat: message.vote.signer === seat && epoch === config.epoch ? config.members[seat]?.id : undefined,
          vote: message.vote.kind,
          epoch: message.vote.epoch,
          view: message.vote.view,
          block: message.vote.block,
        });
        if (seat === undefined) return;
        if (message.vote.epoch !== membership().config.epoch) return;
        if (message.vote.signer !== seat) return penalize(from, "a vote in another member's name");
        return feed({ kind: "vote", from: seat, vote: message.vote });
      case "certificate":
        return feed({ kind: "certificate", from: seat, certificate: message.certificate });
      case "proposal":
        return seat === undefined ? undefined : proposal(from, seat, message.proposal);
      case "batch":
        if (seat === undefined) return;
        options.announced(seat, message.batch.digest, message.batch.holders);
        return feed({ kind: "batch-hinted", digest: message.batch.digest, holders: message.batch.holders });
      case "governance":
        return governance(from, message.transaction);
      default:
        message satisfies never;
    }
  }

  function proposal(from: PeerName, seat: SeatIndex, given: Proposal): void {
    const { header, hash } = given.block;
    const { epoch, finalized, rounds } = { ...state(), epoch: membership().config.epoch };
    if (header.epoch !== epoch || header.view <= finalized.view) return;
    if (rounds.get(header.view)?.proposal?.block.hash === hash) return;
    const check = measured(clock, observe, "bls-verify", () => verifyProposal(keys(), given, options.governed));
    switch (check.kind) {
      case "verified":
        return feed({ kind: "proposal", from: seat, proposal: check.proposal });
      case "invalid":
        return feed({ kind: "invalid-proposal", from: header.proposer, view: header.view, reason: check.reason });
      case "forged":
        return penalize(from, check.reason);
    }
  }

  function governance(from: PeerName, bytes: Uint8Array): void {
    const closesEpoch = options.closesEpoch(bytes);
    if (closesEpoch === undefined) return penalize(from, "a governance transaction that is none");
    const transaction = { bytes, closesEpoch };
    // Its signatures may satisfy a set that is not executed here yet: no fault of the sender's.
    if (options.governed(transaction)) feed({ kind: "governance", transaction });
  }

  return {
    receive,
    epochChanged() {
      const waiting = early;
      early = [];
      for (const { from, message } of waiting) route(from, message);
    },
  };
}

function epochOf(message: Gossip): number | undefined {
  switch (message.kind) {
    case "vote":
      return message.vote.epoch;
    case "certificate":
      return message.certificate.epoch;
    case "proposal":
      return message.proposal.block.header.epoch;
    case "batch":
    case "governance":
      return undefined;
  }
}
