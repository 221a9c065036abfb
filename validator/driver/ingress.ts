/** What a submitted payment message must be before it enters a batch: rules in order, the first reason wins. */

import { toHex } from "../codec/bytes.ts";
import { checkMessage, messageHash, type PaymentMessage } from "../codec/payment-message.ts";
import { decodePrivatePayload, matchesMessage } from "../codec/private-payload.ts";
import type { Digest } from "../consensus/types.ts";
import { sha256 } from "../crypto/hash.ts";
import type { PrivatePart } from "./batches.ts";
import type { ChainView } from "./chain-view.ts";

/** A message ready to be batched. */
export interface Submission {
  readonly message: PaymentMessage;
  readonly hash: Uint8Array;
  readonly private: PrivatePart | undefined;
  /** The key its signature was found good under. */
  readonly key: Uint8Array;
  readonly zone: string;
  readonly traceparent: string;
}

export type Checked =
  | { readonly kind: "ok"; readonly submission: Submission }
  /** An ISO external status reason code and a sentence. */
  | { readonly kind: "refused"; readonly code: string; readonly reason: string };

export interface IngressContext {
  readonly chainId: Digest;
  readonly chain: ChainView;
  /** Milliseconds since the Unix epoch. */
  readonly wall: number;
  readonly maxClockDrift: number;
  readonly maxBatchMessageBytes: number;
  readonly maxBatchPrivateBytes: number;
  /** May this validator hold the zone's private data? */
  readonly inZone: (zone: string) => boolean;
  readonly verifySignature: (key: Uint8Array, message: PaymentMessage) => boolean;
}

const refuse = (code: string, reason: string): Checked => ({ kind: "refused", code, reason });

/** Checks one message. The signature comes last: it costs the most. */
export function checkSubmission(
  bytes: Uint8Array,
  privatePayload: Uint8Array | undefined,
  traceparent: string,
  context: IngressContext,
): Checked {
  if (bytes.length > context.maxBatchMessageBytes) return refuse("FF01", "the message does not fit a batch");
  const read = checkMessage(bytes);
  if (read.kind === "refused") return refuse("FF01", read.error.reason);
  const message = read.value;
  const { header } = message;
  if (toHex(header.chainId) !== context.chainId) return refuse("FF01", "the message is for another chain");
  const key = context.chain.activeKey(header.institution);
  if (!key) return refuse("RC01", "the institution is unknown or suspended");
  const now = Math.max(context.wall, context.chain.time);
  if (header.expiry <= now) return refuse("TM01", "the message has expired");
  if (header.expiry > now + context.chain.expiryWindow - context.maxClockDrift)
    return refuse("TM01", "the message's expiry lies beyond the window");
  const zone = context.chain.zoneName(header.zone);
  if (zone === undefined) return refuse("FF01", "the chain has no such residency zone");
  if (!context.inZone(zone)) return refuse("AG01", `this validator is not of residency zone ${zone}`);

  const hash = messageHash(bytes);
  const committed = header.privateRoot.some((byte) => byte !== 0);
  if (committed !== (privatePayload !== undefined))
    return refuse("FF01", committed ? "the private payload is missing" : "the message commits to no private payload");
  if (privatePayload) {
    if (privatePayload.length > context.maxBatchPrivateBytes)
      return refuse("FF01", `the private payload is above ${context.maxBatchPrivateBytes} bytes`);
    const items = decodePrivatePayload(privatePayload);
    if (items.kind === "refused") return refuse("FF01", items.error.reason);
    if (!matchesMessage(message, items.value, sha256))
      return refuse("FF01", "the private payload is not the one committed to");
  }
  if (!context.verifySignature(key, message)) return refuse("DS17", "the institution's signature is not genuine");
  const part = privatePayload && { message: toHex(hash), content: privatePayload };
  return { kind: "ok", submission: { message, hash, private: part, key, zone, traceparent } };
}
