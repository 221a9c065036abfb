/** libp2p peer ids of members: they are their ed25519 keys, in another spelling. */
import { publicKeyFromRaw } from "@libp2p/crypto/keys";
import { peerIdFromPublicKey } from "@libp2p/peer-id";
import { hexToBytes } from "@noble/hashes/utils.js";
import type { PeerName } from "../driver/ports.ts";

/** The peer id, in text form, of a member's `peerKey` (32 bytes, hexadecimal). */
export function peerName(peerKey: string): PeerName {
  return peerIdFromPublicKey(publicKeyFromRaw(hexToBytes(peerKey))).toString();
}
