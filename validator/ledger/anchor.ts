/** The block before the first: a name, so that block 1 has a parent. */
import { sha256 } from "@noble/hashes/sha2.js";
import { hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { concat, toHex } from "../codec/bytes.ts";
import { type Digest, digest } from "../consensus/types.ts";

export function anchorHash(chainId: Digest): Digest {
  return digest(toHex(sha256(concat(utf8ToBytes("validator-swarm/v1/genesis"), hexToBytes(chainId)))));
}
