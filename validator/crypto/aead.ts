/** AES-256-GCM with counter nonces: each key seals from zero and never twice with one nonce (NIST SP 800-38D §8.2.1). */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from "node:crypto";

export const keyLength = 32;
const tagLength = 16;
export const counterLength = 8;
/** counter 8 ‖ ciphertext ‖ tag 16. */
export const overhead = counterLength + tagLength;

export interface Sealer {
  /** Seals with the next counter; `context` is authenticated, not sent. Throws once the counter would wrap: a bug, keys are replaced long before. */
  seal(plaintext: Uint8Array, context: Uint8Array): Uint8Array;
}

/** Sealing under a fresh key: the caller never gives one key to two sealers. */
export function createSealer(key: Uint8Array): Sealer {
  const secret = createSecretKey(key);
  let counter = 0;
  return {
    seal(plaintext, context) {
      if (counter >= Number.MAX_SAFE_INTEGER) throw new Error("the key's nonces are used up");
      const nonce = nonceOf(counter);
      counter += 1;
      const cipher = createCipheriv("aes-256-gcm", secret, nonce);
      cipher.setAAD(context);
      return Buffer.concat([nonce.subarray(4), cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    },
  };
}

const keyObjects = new WeakMap<Uint8Array, KeyObject>();

/** Importing a key costs twice as much as opening a short message: done once for each array that holds one. */
function keyObject(key: Uint8Array): KeyObject {
  const known = keyObjects.get(key);
  if (known) return known;
  const imported = createSecretKey(key);
  keyObjects.set(key, imported);
  return imported;
}

/** The plaintext, under a key whose bytes do not change; undefined when the bytes were not sealed with this key and context. */
export function open(key: Uint8Array, sealed: Uint8Array, context: Uint8Array): Uint8Array | undefined {
  if (sealed.length < overhead) return undefined;
  const nonce = new Uint8Array(12);
  nonce.set(sealed.subarray(0, counterLength), 4);
  const decipher = createDecipheriv("aes-256-gcm", keyObject(key), nonce);
  decipher.setAAD(context);
  decipher.setAuthTag(sealed.subarray(sealed.length - tagLength));
  const plaintext = decipher.update(sealed.subarray(counterLength, sealed.length - tagLength));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return plaintext;
}

function nonceOf(counter: number): Uint8Array {
  const nonce = new Uint8Array(12);
  const view = new DataView(nonce.buffer);
  view.setUint32(4, Math.floor(counter / 0x1_0000_0000), false);
  view.setUint32(8, counter >>> 0, false);
  return nonce;
}
