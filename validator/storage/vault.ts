/** Private payloads sealed at rest: AES-256-GCM under a key that is made in the volume and only read here. */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { crc32 } from "node:zlib";
import type { Disk } from "./disk.ts";
import type { StorageFault } from "./types.ts";

export interface Vault {
  /** Nonce 12, tag 16, ciphertext; bound to the message hash (hex). */
  seal(message: string, content: Uint8Array): Uint8Array;
  /** Undefined when it was not sealed here for this message. */
  open(message: string, sealed: Uint8Array): Uint8Array | undefined;
}

const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

export type VaultOpening =
  | { readonly kind: "ok"; readonly vault: Vault }
  | { readonly kind: "fault"; readonly fault: StorageFault };

/** Loads the key file, or makes it (0600) when `fresh`: beside an existing log a missing key is a fault, since what it sealed is lost. */
export async function openVault(
  disk: Disk,
  path: string,
  fresh: boolean,
  random: (bytes: number) => Uint8Array,
): Promise<VaultOpening> {
  const key = await loadSecret(disk, path, fresh, () => random(keyBytes));
  return key.kind === "fault" ? key : { kind: "ok", vault: createVault(key.secret, random) };
}

export function createVault(key: Uint8Array, random: (bytes: number) => Uint8Array): Vault {
  return {
    seal: (message, content) => {
      const nonce = random(nonceBytes);
      const cipher = createCipheriv("aes-256-gcm", key, nonce);
      cipher.setAAD(Buffer.from(message, "hex"));
      const body = cipher.update(content);
      cipher.final();
      return Buffer.concat([nonce, cipher.getAuthTag(), body]);
    },
    open: (message, sealed) => {
      if (sealed.length < nonceBytes + tagBytes) return undefined;
      const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, nonceBytes));
      decipher.setAAD(Buffer.from(message, "hex"));
      decipher.setAuthTag(sealed.subarray(nonceBytes, nonceBytes + tagBytes));
      const content = decipher.update(sealed.subarray(nonceBytes + tagBytes));
      try {
        decipher.final();
        return content;
      } catch {
        return undefined;
      }
    },
  };
}

export type SecretRead =
  | { readonly kind: "ok"; readonly secret: Uint8Array; readonly made: boolean }
  | { readonly kind: "fault"; readonly fault: StorageFault };

/** Reads 32 secret bytes and their checksum from a file, or makes the file durably with permissions 0600 when it may be made. */
export async function loadSecret(
  disk: Disk,
  path: string,
  mayMake: boolean,
  make: () => Uint8Array,
): Promise<SecretRead> {
  const fault = (kind: StorageFault["kind"], message: string): SecretRead => ({
    kind: "fault",
    fault: { kind, path, offset: undefined, message },
  });
  const temporary = `${path}.tmp`;
  if (await disk.exists(path)) {
    const file = await disk.open(path, { create: false });
    const bytes = Buffer.from(await file.read(0, keyBytes + 5));
    await file.close();
    if (bytes.length !== keyBytes + 4 || crc32(bytes.subarray(0, keyBytes)) !== bytes.readUInt32LE(keyBytes)) {
      return fault("corrupt", "the key file does not match its checksum");
    }
    return { kind: "ok", secret: Uint8Array.from(bytes.subarray(0, keyBytes)), made: false };
  }
  if (!mayMake) return fault("missing", "the key file is gone");
  const secret = make();
  const sum = Buffer.alloc(4);
  sum.writeUInt32LE(crc32(secret));
  // Left by a start that was cut short: that key was never used.
  if (await disk.exists(temporary)) await disk.remove(temporary);
  const file = await disk.open(temporary, { create: true, exclusive: true, mode: 0o600 });
  try {
    await file.append([secret, sum]);
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(temporary, path);
  await disk.syncDirectory(path.slice(0, path.lastIndexOf("/")));
  return { kind: "ok", secret, made: true };
}
