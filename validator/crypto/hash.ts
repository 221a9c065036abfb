/** Native hashing and randomness for everything that is not a core. */
import { createHash, randomBytes as nodeRandomBytes } from "node:crypto";

export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

export function randomBytes(count: number): Uint8Array {
  return nodeRandomBytes(count);
}
