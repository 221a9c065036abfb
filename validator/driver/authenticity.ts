/** Whether an institution signed a message: checked once per key, remembered with the batch. */

import { bytesEqual } from "../codec/bytes.ts";
import { messageSignedBytes, type PaymentMessage } from "../codec/payment-message.ts";
import { verifyEd25519 } from "../crypto/ed25519.ts";
import type { StoredBatch } from "./batches.ts";
import type { ChainView } from "./chain-view.ts";

export function signedBy(key: Uint8Array, { bytes, header }: PaymentMessage): boolean {
  return verifyEd25519(key, messageSignedBytes(bytes), header.signature);
}

/**
 * Whether message `i` is signed under the key its institution has in the executed state. What was found when the
 * batch came in holds only for the key it was found with: execution must give the same on every member.
 */
export function isAuthentic(stored: StoredBatch, i: number, chain: ChainView): boolean {
  const message = stored.batch.messages[i];
  const key = message && chain.key(message.header.institution);
  if (!message || !key) return false;
  const checked = stored.authenticUnder[i];
  if (checked && bytesEqual(checked, key)) return true;
  if (!signedBy(key, message)) return false;
  stored.authenticUnder[i] = key;
  return true;
}
