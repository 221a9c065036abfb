import { maxPayload } from "../consensus/state.ts";

/**
 * Batches of one member that no final block has yet: all members' together fit the core's index. A member makes no more
 * than half as many, so that one that learns of final blocks a little later refuses nothing.
 */
export function batchesOfOneMember(members: number): number {
  return Math.max(2, Math.floor(maxPayload / members));
}

/** Bounds of every queue and answer of the driver. Bytes, payments, milliseconds. */
export interface Limits {
  /** Own submissions that no final block holds yet. */
  readonly queuePayments: number;
  readonly queueBytes: number;
  /** What a client is told to wait when the queue is full. */
  readonly retryAfterMs: number;
  /** A submission that F + 1 power has not reported durable by then is answered not-ready; it stays queued. */
  readonly acceptTimeoutMs: number;
  /** Own batches not yet accepted; further messages gather in the next batch meanwhile. */
  readonly batchesInFlight: number;
  readonly batchBytes: number;
  readonly batchPayments: number;
  /** Of private payloads: with the batch and what frames them they fit one frame of the network (`network/limits.ts`). */
  readonly batchPrivateBytes: number;
  /** Bytes of one member's batches that no final block holds yet: beyond it pushes are refused. */
  readonly pendingBytesPerPeer: number;
  /** Recent batches kept in memory for execution. */
  readonly batchCacheBytes: number;
  /** Gossip of one peer that waits to be looked at. */
  readonly inboundMessagesPerPeer: number;
  readonly inboundBytesPerPeer: number;
  /** Largest reply to a fetch. */
  readonly replyBytes: number;
  readonly replyBlocks: number;
  readonly replyBatches: number;
  readonly requestTimeoutMs: number;
  /** Final blocks that wait for execution before catch-up stops fetching more. */
  readonly executionBacklog: number;
  /** Messages whose outcome is remembered in memory, for status and repeated submissions. */
  readonly rememberedMessages: number;
  /** Settled blocks kept in memory for the streams. */
  readonly rememberedBlocks: number;
}

export const defaultLimits: Limits = {
  queuePayments: 400_000,
  queueBytes: 64 * 1024 * 1024,
  retryAfterMs: 250,
  acceptTimeoutMs: 10_000,
  batchesInFlight: 4,
  batchBytes: 512 * 1024,
  batchPayments: 8_000,
  batchPrivateBytes: 7 * 1024 * 1024,
  pendingBytesPerPeer: 128 * 1024 * 1024,
  batchCacheBytes: 48 * 1024 * 1024,
  inboundMessagesPerPeer: 2_048,
  inboundBytesPerPeer: 8 * 1024 * 1024,
  replyBytes: 4 * 1024 * 1024,
  replyBlocks: 256,
  replyBatches: 16,
  requestTimeoutMs: 5_000,
  executionBacklog: 128,
  rememberedMessages: 100_000,
  rememberedBlocks: 64,
};
