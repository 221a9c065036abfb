/** Development keys of a swarm on one machine: made at its first start, kept beside it, readable by the owner alone. */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { ed25519Signer } from "../../validator/crypto/ed25519.ts";
import { hex } from "./seat-status.ts";

/** Public key (64 hexadecimal digits) of the ed25519 seed in a file; the file is made when it is not there. */
export function developmentKey(file: string): string {
  if (!existsSync(file)) writeFileSync(file, `${randomBytes(32).toString("hex")}\n`, { flag: "wx", mode: 0o600 });
  const seed = readFileSync(file, "utf8").trim();
  if (!/^[0-9a-f]{64}$/.test(seed)) throw new Error(`${file} is not an ed25519 seed of 64 hexadecimal digits`);
  return hex(ed25519Signer(Buffer.from(seed, "hex")).publicKey);
}
