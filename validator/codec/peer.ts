/** What members gossip: values to and from `proto/validator/v1/peer.proto`, with every embedded layout checked. */

import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { hexToBytes } from "@noble/hashes/utils.js";
import {
  BroadcastSchema,
  type BatchAnnouncement as WireAnnouncement,
  type Block as WireBlock,
  type Broadcast as WireBroadcast,
  type Proposal as WireProposal,
  type Vote as WireVote,
} from "../../proto/validator/v1/peer_pb.js";
import type { Block, Broadcast, Certificate, Digest, Proposal, SeatIndex, Vote } from "../consensus/types.ts";
import { digest, epoch, seatIndex, view } from "../consensus/types.ts";
import { maxBatchBytes, maxBatchPayments } from "./batch.ts";
import { decodeBlock, encodeBlock, maxGovernanceBytes, maxName } from "./block.ts";
import { toHex } from "./bytes.ts";
import {
  decodeCertificate,
  encodeCertificate,
  isBallot,
  signatureLength,
  voteKindCode,
  voteKindOf,
} from "./certificate.ts";
import { type Decoded, decoded, refused } from "./result.ts";

/** "These members hold this batch durably", said by its maker. */
interface BatchAnnouncement {
  readonly digest: Digest;
  readonly payments: number;
  readonly bytes: number;
  readonly zone: string;
  readonly holders: readonly SeatIndex[];
}

/** Everything that is gossiped. */
export type Gossip =
  | Broadcast
  | { readonly kind: "batch"; readonly batch: BatchAnnouncement }
  | { readonly kind: "governance"; readonly transaction: Uint8Array };

/** Most bytes of one gossip message before sealing. */
export const maxGossipLength = 256 * 1024;
const maxHolders = 1_024;

export function encodeGossip(message: Gossip): Uint8Array {
  return toBinary(BroadcastSchema, create(BroadcastSchema, { content: content(message) }));
}

function content(message: Gossip): NonNullable<MessageInitShape<typeof BroadcastSchema>["content"]> {
  switch (message.kind) {
    case "proposal": {
      const { block, signature, finalization } = message.proposal;
      const value = {
        block: encodeBlock(block),
        signature,
        finalization: finalization ? encodeCertificate(finalization) : new Uint8Array(0),
      };
      return { case: "proposal", value };
    }
    case "vote": {
      const { vote } = message;
      const value = {
        kind: voteKindCode(vote.kind),
        epoch: BigInt(vote.epoch),
        view: BigInt(vote.view),
        block: hexToBytes(vote.block),
        signer: vote.signer,
        signature: vote.signature,
      };
      return { case: "vote", value };
    }
    case "certificate":
      return { case: "certificate", value: encodeCertificate(message.certificate) };
    case "batch": {
      const { batch } = message;
      return { case: "batch", value: { ...batch, digest: hexToBytes(batch.digest), holders: [...batch.holders] } };
    }
    case "governance":
      return { case: "governance", value: { transaction: message.transaction } };
  }
}

export function decodeGossip(bytes: Uint8Array): Decoded<Gossip> {
  if (bytes.length > maxGossipLength) return refused("gossip: too large", "too-large");
  const wire = parse(bytes);
  if (!wire) return refused("gossip: not protobuf");
  switch (wire.content.case) {
    case "proposal":
      return map(decodeProposal(wire.content.value), (proposal) => ({ kind: "proposal", proposal }));
    case "vote":
      return map(decodeVote(wire.content.value), (vote) => ({ kind: "vote", vote }));
    case "certificate":
      return map(decodeCertificate(wire.content.value), (certificate) => ({ kind: "certificate", certificate }));
    case "batch":
      return map(decodeAnnouncement(wire.content.value), (batch) => ({ kind: "batch", batch }));
    case "governance": {
      const { transaction } = wire.content.value;
      // A block could not carry a larger one.
      return transaction.length > maxGovernanceBytes
        ? refused("governance: too large", "too-large")
        : decoded({ kind: "governance", transaction });
    }
    case undefined:
      return refused("gossip: empty");
  }
}

function parse(bytes: Uint8Array): WireBroadcast | undefined {
  try {
    return fromBinary(BroadcastSchema, bytes, { readUnknownFields: false });
  } catch {
    // The library throws on any malformed input; what matters here is only that it is none of ours.
    return undefined;
  }
}

function map<A, B>(result: Decoded<A>, make: (value: A) => B): Decoded<B> {
  return result.kind === "ok" ? decoded(make(result.value)) : result;
}

function decodeProposal(wire: WireProposal): Decoded<Proposal> {
  if (!wire.block || wire.signature.length !== 64) return refused("proposal: block or signature missing");
  const block = decodeWireBlock(wire.block);
  if (block.kind === "refused") return block;
  const finalization = decodeOptionalCertificate(wire.finalization);
  if (finalization.kind === "refused") return finalization;
  return decoded({ block: block.value, signature: wire.signature, finalization: finalization.value });
}

function decodeAnnouncement(wire: WireAnnouncement): Decoded<BatchAnnouncement> {
  const { digest: name, holders, payments, bytes, zone } = wire;
  if (name.length !== 32 || holders.length > maxHolders || zone.length > maxName)
    return refused("batch announcement: not its layout");
  if (payments > maxBatchPayments || bytes > maxBatchBytes)
    return refused("batch announcement: too large", "too-large");
  return decoded({ digest: digest(toHex(name)), payments, bytes, zone, holders: holders.map(seatIndex) });
}

function decodeVote(wire: WireVote): Decoded<Vote> {
  const kind = voteKindOf(wire.kind);
  if (!kind || wire.block.length !== 32 || wire.signature.length !== signatureLength)
    return refused("vote: not its layout");
  if (wire.epoch > maxNumber || wire.view > maxNumber) return refused("vote: number out of bounds");
  const block = digest(toHex(wire.block));
  if (!isBallot({ kind, block })) return refused("vote: a nullify names no block", "not-canonical");
  return decoded({
    kind,
    epoch: epoch(Number(wire.epoch)),
    view: view(Number(wire.view)),
    block,
    signer: seatIndex(wire.signer),
    signature: wire.signature,
  });
}

const maxNumber = BigInt(Number.MAX_SAFE_INTEGER);

/** A block as peers serve it. */
export function decodeWireBlock(wire: WireBlock): Decoded<Block> {
  return decodeBlock({ header: wire.header, body: wire.body });
}

/** Empty bytes stand for none. */
export function decodeOptionalCertificate(bytes: Uint8Array): Decoded<Certificate | undefined> {
  return bytes.length === 0 ? decoded(undefined) : decodeCertificate(bytes);
}
