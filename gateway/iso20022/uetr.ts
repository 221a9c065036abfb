/** Unique end-to-end transaction references: UUIDs in text and in the 16 bytes of a payment record. */
import { v5 } from "uuid";

/** As the schema wants it: a version 4 UUID in lower case. */
const UETR = /^[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-[89ab][a-f0-9]{3}-[a-f0-9]{12}$/;
const ANY_UUID = /^[a-f0-9]{8}-[a-f0-9]{4}-[1-8][a-f0-9]{3}-[89ab][a-f0-9]{3}-[a-f0-9]{12}$/i;

/** The namespace of derived references: fixed for ever, since the same payment must get the same reference again. */
const NAMESPACE = "b6d2b7a4-6d0e-5c5b-9a53-0f6d2f3f7a11";

/** True for a reference that a message may carry. */
export function isUetr(text: string): boolean {
  return UETR.test(text);
}

/** Any UUID in text to its lower case; undefined when it is none. */
export function normalizeUuid(text: string): string | undefined {
  return ANY_UUID.test(text) ? text.toLowerCase() : undefined;
}

/**
 * The reference of a payment whose message has none (pacs.008 before version 08): a UUIDv5 over its instructing agent,
 * message id and transaction id, which together name it.
 */
export function deriveUetr(instructingAgent: string, messageId: string, transactionId: string): string {
  return v5(JSON.stringify([instructingAgent, messageId, transactionId]), NAMESPACE);
}

/** The 16 bytes of a UUID's text. */
export function uuidToBytes(text: string): Uint8Array {
  return Buffer.from(text.replaceAll("-", ""), "hex");
}

/** The text of the 16 bytes at an offset. */
export function uuidFromBytes(bytes: Uint8Array, offset = 0): string {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset + offset, 16).toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
