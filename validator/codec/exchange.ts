/** What members ask each other on streams: values to and from `proto/validator/v1/peer.proto`, with every embedded layout checked. */

import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { hexToBytes } from "@noble/hashes/utils.js";
import {
  BatchPushSchema,
  FetchBatchesReplySchema,
  FetchBatchesRequestSchema,
  FetchBlocksReplySchema,
  FetchBlocksRequestSchema,
  FetchCheckpointReplySchema,
  FetchCheckpointRequestSchema,
  type BatchPush as WireBatchPush,
} from "../../proto/validator/v1/peer_pb.js";
import type { Block, Certificate, Digest, Height } from "../consensus/types.ts";
import { digest, height as toHeight } from "../consensus/types.ts";
import { encodeBlock } from "./block.ts";
import { toHex } from "./bytes.ts";
import { encodeCertificate } from "./certificate.ts";
import { decodeOptionalCertificate, decodeWireBlock } from "./peer.ts";
import { type Decoded, decoded, refused } from "./result.ts";

/** A batch's canonical bytes (unchecked) with the private payloads of its messages, for members of its zone. */
export interface BatchPush {
  readonly batch: Uint8Array;
  readonly privates: readonly { readonly message: Uint8Array; readonly content: Uint8Array }[];
}

export interface FetchBatchesRequest {
  readonly digests: readonly Digest[];
  /** Ask for the private payloads too. */
  readonly private: boolean;
}

export interface FetchBlocksRequest {
  /** The last block wanted; undefined: up to the newest final one. */
  readonly tip: Digest | undefined;
  /** Exclusive. */
  readonly above: Height;
  readonly limit: number;
}

export interface FetchBlocksReply {
  /** Ascending. */
  readonly blocks: readonly Block[];
  /** Finalizes the last block, when the peer has it. */
  readonly finalization: Certificate | undefined;
  readonly finalizedHeight: Height;
  readonly lowestHeight: Height;
}

export interface FetchCheckpointRequest {
  /** 0: the newest. */
  readonly height: Height;
  readonly part: number;
}

export interface FetchCheckpointReply {
  /** 0: the peer has none to give. */
  readonly height: Height;
  readonly parts: number;
  readonly content: Uint8Array;
  /** The block whose header names the root, with the certificate that finalizes it. */
  readonly proof: { readonly block: Block; readonly finalization: Certificate } | undefined;
}

const maxDigests = 64;
const maxPrivates = 8_000;
const maxBlocks = 1_024;
const maxParts = 65_536;

export function encodeBatchPush(push: BatchPush): Uint8Array {
  return toBinary(BatchPushSchema, wirePush(push));
}

export function decodeBatchPush(bytes: Uint8Array): Decoded<BatchPush> {
  const wire = parse(BatchPushSchema, bytes);
  return wire ? readPush(wire) : refused("batch push: not protobuf");
}

function wirePush({ batch, privates }: BatchPush): WireBatchPush {
  return create(BatchPushSchema, { batch, private: privates.map(({ message, content }) => ({ message, content })) });
}

function readPush({ batch, private: privates }: WireBatchPush): Decoded<BatchPush> {
  if (privates.length > maxPrivates || privates.some(({ message }) => message.length !== 32))
    return refused("batch push: private payloads out of bounds");
  return decoded({ batch, privates });
}

export function encodeFetchBatches(request: FetchBatchesRequest): Uint8Array {
  const digests = request.digests.map((name) => hexToBytes(name));
  return toBinary(FetchBatchesRequestSchema, create(FetchBatchesRequestSchema, { digests, private: request.private }));
}

export function decodeFetchBatches(bytes: Uint8Array): Decoded<FetchBatchesRequest> {
  const wire = parse(FetchBatchesRequestSchema, bytes);
  if (!wire || wire.digests.length > maxDigests || wire.digests.some((name) => name.length !== 32))
    return refused("fetch-batches: out of bounds");
  return decoded({ digests: wire.digests.map(toDigest), private: wire.private });
}

export function encodeBatches(pushes: readonly BatchPush[]): Uint8Array {
  return toBinary(FetchBatchesReplySchema, create(FetchBatchesReplySchema, { batches: pushes.map(wirePush) }));
}

export function decodeBatches(bytes: Uint8Array): Decoded<readonly BatchPush[]> {
  const wire = parse(FetchBatchesReplySchema, bytes);
  if (!wire || wire.batches.length > maxDigests) return refused("batches: out of bounds");
  return all(wire.batches.map(readPush));
}

export function encodeFetchBlocks({ tip, above, limit }: FetchBlocksRequest): Uint8Array {
  const fields = { tip: tip === undefined ? new Uint8Array(0) : hexToBytes(tip), above: BigInt(above), limit };
  return toBinary(FetchBlocksRequestSchema, create(FetchBlocksRequestSchema, fields));
}

export function decodeFetchBlocks(bytes: Uint8Array): Decoded<FetchBlocksRequest> {
  const wire = parse(FetchBlocksRequestSchema, bytes);
  if (!wire || (wire.tip.length !== 0 && wire.tip.length !== 32) || wire.above > maxNumber)
    return refused("fetch-blocks: out of bounds");
  const tip = wire.tip.length === 0 ? undefined : toDigest(wire.tip);
  return decoded({ tip, above: toHeight(Number(wire.above)), limit: wire.limit });
}

export function encodeBlocks(reply: FetchBlocksReply): Uint8Array {
  const fields = {
    blocks: reply.blocks.map((block) => encodeBlock(block)),
    finalization: reply.finalization ? encodeCertificate(reply.finalization) : new Uint8Array(0),
    finalizedHeight: BigInt(reply.finalizedHeight),
    lowestHeight: BigInt(reply.lowestHeight),
  };
  return toBinary(FetchBlocksReplySchema, create(FetchBlocksReplySchema, fields));
}

export function decodeBlocks(bytes: Uint8Array): Decoded<FetchBlocksReply> {
  const wire = parse(FetchBlocksReplySchema, bytes);
  if (!wire || wire.blocks.length > maxBlocks || wire.finalizedHeight > maxNumber || wire.lowestHeight > maxNumber)
    return refused("blocks: out of bounds");
  const blocks = all(wire.blocks.map(decodeWireBlock));
  if (blocks.kind === "refused") return blocks;
  const finalization = decodeOptionalCertificate(wire.finalization);
  if (finalization.kind === "refused") return finalization;
  return decoded({
    blocks: blocks.value,
    finalization: finalization.value,
    finalizedHeight: toHeight(Number(wire.finalizedHeight)),
    lowestHeight: toHeight(Number(wire.lowestHeight)),
  });
}

export function encodeFetchCheckpoint({ height, part }: FetchCheckpointRequest): Uint8Array {
  return toBinary(FetchCheckpointRequestSchema, create(FetchCheckpointRequestSchema, { height: BigInt(height), part }));
}

export function decodeFetchCheckpoint(bytes: Uint8Array): Decoded<FetchCheckpointRequest> {
  const wire = parse(FetchCheckpointRequestSchema, bytes);
  if (!wire || wire.height > maxNumber) return refused("fetch-checkpoint: out of bounds");
  return decoded({ height: toHeight(Number(wire.height)), part: wire.part });
}

export function encodeCheckpointPart(reply: FetchCheckpointReply): Uint8Array {
  const { height, parts, content, proof } = reply;
  const common = { height: BigInt(height), parts, content };
  const fields = proof
    ? { ...common, block: encodeBlock(proof.block), finalization: encodeCertificate(proof.finalization) }
    : common;
  return toBinary(FetchCheckpointReplySchema, create(FetchCheckpointReplySchema, fields));
}

export function decodeCheckpointPart(bytes: Uint8Array): Decoded<FetchCheckpointReply> {
  const wire = parse(FetchCheckpointReplySchema, bytes);
  if (!wire || wire.height > maxNumber || wire.parts > maxParts) return refused("checkpoint: out of bounds");
  const { parts, content } = wire;
  const common = { height: toHeight(Number(wire.height)), parts, content };
  if (!wire.block) return decoded({ ...common, proof: undefined });
  const block = decodeWireBlock(wire.block);
  if (block.kind === "refused") return block;
  const finalization = decodeOptionalCertificate(wire.finalization);
  if (finalization.kind === "refused") return finalization;
  const proof = finalization.value && { block: block.value, finalization: finalization.value };
  return decoded({ ...common, proof });
}

const maxNumber = BigInt(Number.MAX_SAFE_INTEGER);
const toDigest = (bytes: Uint8Array) => digest(toHex(bytes));

/** The first refusal, or all values. */
function all<T>(results: readonly Decoded<T>[]): Decoded<readonly T[]> {
  const values: T[] = [];
  for (const result of results) {
    if (result.kind === "refused") return result;
    values.push(result.value);
  }
  return decoded(values);
}

function parse<Schema extends DescMessage>(schema: Schema, bytes: Uint8Array): MessageShape<Schema> | undefined {
  try {
    return fromBinary(schema, bytes, { readUnknownFields: false });
  } catch {
    // The library throws on any malformed input; what matters here is only that it is none of ours.
    return undefined;
  }
}
