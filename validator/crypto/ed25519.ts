/** ed25519 over raw keys: seeds and public keys of 32 bytes, signatures of 64 (RFC 8032). */
import { createPrivateKey, createPublicKey, type KeyObject, sign as nodeSign, verify as nodeVerify } from "node:crypto";

// The DER prefixes of PKCS #8 and SubjectPublicKeyInfo for Ed25519 (RFC 8410 §7, §4): Node takes raw keys only so.
const privatePrefix = Buffer.from("302e020100300506032b657004220420", "hex");
const publicPrefix = Buffer.from("302a300506032b6570032100", "hex");

export interface Ed25519Signer {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): Uint8Array;
}

/** A signer from a 32-byte seed. */
export function ed25519Signer(seed: Uint8Array): Ed25519Signer {
  const key = createPrivateKey({ key: Buffer.concat([privatePrefix, seed]), format: "der", type: "pkcs8" });
  const publicKey = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(publicPrefix.length);
  return { publicKey, sign: (message) => nodeSign(null, message, key) };
}

const parsedKeys = new Map<string, KeyObject>();
/** Keys in use are the members' and the institutions'; beyond this many the oldest is parsed again. */
const maxParsedKeys = 4_096;

/** Parsing a key costs as much as a tenth of a verification: kept by its bytes. */
function publicKeyObject(key: Uint8Array): KeyObject {
  const name = Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
  const known = parsedKeys.get(name);
  if (known) return known;
  const parsed = createPublicKey({ key: Buffer.concat([publicPrefix, key]), format: "der", type: "spki" });
  if (parsedKeys.size >= maxParsedKeys) parsedKeys.delete(parsedKeys.keys().next().value ?? "");
  parsedKeys.set(name, parsed);
  return parsed;
}

/** False also for a key or signature of the wrong length. */
export function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  return nodeVerify(null, message, publicKeyObject(publicKey), signature);
}
