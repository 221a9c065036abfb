/** The institutions' ed25519 keys, and what else a gateway must be able to make again: the salts of private payloads. */
import {
  createCipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  randomBytes,
  sign,
} from "node:crypto";
import { mkdir, open, readFile } from "node:fs/promises";
import { join } from "node:path";

/** Signs for one institution. The seed stays inside. */
export interface Signer {
  /** ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array;
}

/** DER of a PKCS #8 ed25519 private key up to its seed (RFC 8410). */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

/** A signer from a 32-byte seed. */
export function signerFromSeed(seed: Uint8Array): Signer {
  const key: KeyObject = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: "der", type: "pkcs8" });
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  return { publicKey: spki.subarray(-32), sign: (bytes) => sign(null, bytes, key) };
}

export type KeyResult =
  | { readonly kind: "ok"; readonly signer: Signer }
  | { readonly kind: "invalid"; readonly message: string };

/** Reads a key file: 64 hexadecimal digits. */
export async function readSigner(file: string): Promise<KeyResult> {
  let text: string;
  try {
    text = (await readFile(file, "utf8")).trim();
  } catch {
    return { kind: "invalid", message: `${file}: cannot be read` };
  }
  if (!/^[0-9a-fA-F]{64}$/.test(text))
    return { kind: "invalid", message: `${file}: not an ed25519 seed of 64 hexadecimal digits` };
  return { kind: "ok", signer: signerFromSeed(Buffer.from(text, "hex")) };
}

/** Makes the salts of a message's private payload: secret, and the same for the same message. */
export interface Salts {
  /** 16 bytes per payment, one after the other. */
  for(institution: number, messageKey: Uint8Array, count: number): Uint8Array;
}

/** Salts from a 32-byte secret. */
export function saltsFrom(secret: Uint8Array): Salts {
  return {
    for(institution, messageKey, count) {
      const key = createHmac("sha256", secret).update(`${institution}:`).update(messageKey).digest();
      const cipher = createCipheriv("aes-256-ctr", key, Buffer.alloc(16));
      return cipher.update(Buffer.alloc(16 * count));
    },
  };
}

/** The secret of this gateway's salts, made once in its data folder. A retried file thus becomes the same bytes after a restart. */
export async function readSalts(dataDir: string): Promise<Salts> {
  await mkdir(dataDir, { recursive: true });
  const path = join(dataDir, "salt-secret");
  try {
    const handle = await open(path, "wx", 0o600);
    await handle.writeFile(randomBytes(32));
    await handle.sync();
    await handle.close();
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
  const secret = await readFile(path);
  // A crash between creation and sync leaves it short: nothing was signed with it yet.
  if (secret.length !== 32) throw new Error(`${path}: not 32 bytes; remove it if this gateway never accepted a file`);
  return saltsFrom(secret);
}
