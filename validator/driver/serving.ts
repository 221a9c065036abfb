/** What this validator gives to peers that ask: batches, blocks, checkpoints, each within a bound. */

import { parseBatch } from "../codec/batch.ts";
import { encodeBlock } from "../codec/block.ts";
import { toHex } from "../codec/bytes.ts";
import {
  type BatchPush,
  decodeFetchBatches,
  decodeFetchBlocks,
  decodeFetchCheckpoint,
  encodeBatches,
  encodeBlocks,
  encodeCheckpointPart,
} from "../codec/exchange.ts";
import type { State } from "../consensus/state.ts";
import type { Block, Certificate, Digest, Height, SeatIndex } from "../consensus/types.ts";
import { height as toHeight } from "../consensus/types.ts";
import type { Store } from "../storage/types.ts";
import type { ChainView } from "./chain-view.ts";
import { encodeHandovers } from "./handover-transfer.ts";
import type { Limits } from "./limits.ts";
import type { Membership } from "./membership.ts";
import type { PeerName, StreamProtocol } from "./ports.ts";
import type { Proofs } from "./proofs.ts";
import type { Receiving } from "./receiving.ts";

export interface ServingOptions {
  readonly store: Store;
  readonly membership: () => Membership;
  readonly chain: () => ChainView;
  readonly state: () => State;
  readonly receiving: Receiving;
  readonly proofs: Pick<Proofs, "way">;
  readonly penalize: (peer: PeerName, reason: string) => void;
  readonly limits: Pick<Limits, "replyBytes" | "replyBlocks" | "replyBatches">;
}

/** Answers one request; rejects with the sentence the peer is to see. */
export function createServing(
  options: ServingOptions,
): (from: PeerName, protocol: StreamProtocol, bytes: Uint8Array) => Promise<Uint8Array> {
  const { store, membership, chain, state, receiving, penalize, limits } = options;

  function malformed(from: PeerName, reason: string): never {
    penalize(from, reason);
    throw new Error(reason);
  }

  async function push(from: PeerName, bytes: Uint8Array): Promise<Uint8Array> {
    const seat = membership().seatOf(from);
    if (seat === undefined) throw new Error("only members make batches");
    const received = await receiving.pushed(seat, bytes);
    if (received.kind === "held") return new Uint8Array(0);
    if (received.dishonest) return malformed(from, received.reason);
    throw new Error(received.reason);
  }

  async function batches(from: PeerName, bytes: Uint8Array): Promise<Uint8Array> {
    const request = decodeFetchBatches(bytes);
    if (request.kind === "refused") return malformed(from, request.error.reason);
    const seat = membership().seatOf(from);
    const found: BatchPush[] = [];
    let size = 0;
    for (const digest of request.value.digests.slice(0, limits.replyBatches)) {
      const batch = await store.batch(digest);
      if (!batch) continue;
      const privates = request.value.private ? await privatesOf(batch, seat) : [];
      size += batch.length + privates.reduce((sum, part) => sum + part.content.length, 0);
      if (found.length > 0 && size > limits.replyBytes) break;
      found.push({ batch, privates });
    }
    return encodeBatches(found);
  }

  /** Private payloads leave only towards members of the zone. */
  async function privatesOf(bytes: Uint8Array, seat: SeatIndex | undefined): Promise<BatchPush["privates"]> {
    const parsed = parseBatch(bytes);
    if (parsed.kind === "refused" || seat === undefined) return [];
    const zone = chain().zoneName(parsed.value.zone);
    if (zone === undefined || !membership().inZone(seat, zone)) return [];
    const parts: { message: Uint8Array; content: Uint8Array }[] = [];
    for (const hash of parsed.value.hashes) {
      const content = await store.privatePayload(toHex(hash));
      if (content) parts.push({ message: hash, content });
    }
    return parts;
  }

  async function blocks(from: PeerName, bytes: Uint8Array): Promise<Uint8Array> {
    const request = decodeFetchBlocks(bytes);
    if (request.kind === "refused") return malformed(from, request.error.reason);
    const { tip, above } = request.value;
    const limit = Math.min(request.value.limit, limits.replyBlocks);
    const found = tip === undefined ? await finalBlocks(above, limit) : await chainTo(tip, above, limit);
    const { finalized } = state();
    return encodeBlocks({ ...found, finalizedHeight: finalized.height, lowestHeight: store.lowestHeight });
  }

  type Found = { readonly blocks: readonly Block[]; readonly finalization: Certificate | undefined };

  async function blockOf(hash: Digest): Promise<Block | undefined> {
    return state().blocks.get(hash) ?? (await store.block(hash));
  }

  /** The newest `limit` blocks of the chain that ends in `tip`. */
  async function chainTo(tip: Digest, above: Height, limit: number): Promise<Found> {
    const chain: Block[] = [];
    let size = 0;
    for (let block = await blockOf(tip); block && chain.length < limit; block = await blockOf(block.header.parent)) {
      // A carrier has its parent's height.
      if (block.header.height < above || (block.header.height === above && !block.header.closing)) break;
      size += sizeOf(block);
      if (size > limits.replyBytes) break;
      chain.push(block);
    }
    return { blocks: chain.reverse(), finalization: undefined };
  }

  /** Final blocks from a height on, as far as one certificate of one epoch finalizes the last. */
  async function finalBlocks(above: Height, limit: number): Promise<Found> {
    const chain: Block[] = [];
    let whole: Found = { blocks: [], finalization: undefined };
    let size = 0;
    for (let at = above + 1; ; at++) {
      const final = await store.finalBlock(toHeight(at));
      if (!final) return whole;
      const { block, finalization } = final;
      if (chain[0] && chain[0].header.epoch !== block.header.epoch) return whole;
      chain.push(block);
      size += sizeOf(block);
      if (finalization.block === block.hash) whole = { blocks: [...chain], finalization };
      else if (block.header.closing)
        return { blocks: [...chain, ...(await carriers(block, finalization))], finalization };
      const enough = chain.length >= limit || size > limits.replyBytes;
      if (enough && (whole.blocks.length > 0 || chain.length >= 4 * limit)) return whole;
    }
  }

  /** The empty blocks between a closing block and the one whose finalization finalized it. */
  async function carriers(closing: Block, finalization: Certificate): Promise<readonly Block[]> {
    const found: Block[] = [];
    for (let block = await blockOf(finalization.block); block && block.hash !== closing.hash; ) {
      found.push(block);
      block = await blockOf(block.header.parent);
    }
    return found.reverse();
  }

  async function checkpoint(from: PeerName, bytes: Uint8Array): Promise<Uint8Array> {
    const request = decodeFetchCheckpoint(bytes);
    if (request.kind === "refused") return malformed(from, request.error.reason);
    const kept = await store.checkpoint();
    const { height, part } = request.value;
    if (!kept?.proof || (height !== 0 && height !== kept.height))
      return encodeCheckpointPart({ height: toHeight(0), parts: 0, content: new Uint8Array(0), proof: undefined });
    const keys = store.keys.export(kept.height);
    const parts = kept.parts.length + (keys?.parts ?? 0);
    // Beyond the last part: the way to its epoch from that of whoever asks.
    const way = part >= parts ? encodeHandovers(options.proofs.way(part - parts)) : undefined;
    const content = way ?? kept.parts[part] ?? (part < parts ? await keys?.part(part - kept.parts.length) : undefined);
    if (!content) throw new Error("the checkpoint has no such part");
    const tagged = new Uint8Array(content.length + 1);
    tagged[0] = way ? handoversPart : part < kept.parts.length ? statePart : keysPart;
    tagged.set(content, 1);
    return encodeCheckpointPart({ height: kept.height, parts, content: tagged, proof: kept.proof });
  }

  return (from, protocol, bytes) => {
    switch (protocol) {
      case "batch":
        return push(from, bytes);
      case "fetch-batches":
        return batches(from, bytes);
      case "fetch-blocks":
        return blocks(from, bytes);
      case "fetch-checkpoint":
        return checkpoint(from, bytes);
      case "fetch-private":
        return Promise.reject(new Error("private payloads come with their batches"));
    }
  };
}

/** The first byte of a checkpoint's part: what follows is ledger state, executed keys, or handovers. */
export const statePart = 0;
export const keysPart = 1;
export const handoversPart = 2;

function sizeOf(block: Block): number {
  const { header, body } = encodeBlock(block);
  return header.length + body.length;
}
