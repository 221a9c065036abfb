/**
 * Sealing of gossip: every process draws a fresh sender key at each start and each rotation and hands it to its peers
 * over their authenticated streams. Key names are random, so a frame says under which it was sealed.
 */
import { bytesToHex } from "@noble/hashes/utils.js";
import { createSealer, keyLength, open, type Sealer } from "../crypto/aead.ts";
import { randomBytes } from "../crypto/hash.ts";
import type { PeerName } from "../driver/ports.ts";

const nameLength = 8;
/** Keys kept of one peer: the present and the one before. */
const keysKept = 2;
/** What is handed over: name 8 ‖ key 32. */
export const handoverLength = nameLength + keyLength;

export interface GossipSealer {
  /** name 8 ‖ counter ‖ ciphertext ‖ tag. */
  seal(plaintext: Uint8Array): Uint8Array;
  /** Undefined: no key of this sender by this name, or not sealed with it. */
  open(
    from: PeerName,
    frame: Uint8Array,
  ): { readonly kind: "ok"; readonly plaintext: Uint8Array } | { readonly kind: "unknown-key" | "forged" };
  /** The own key as it is handed to a peer. */
  handover(): Uint8Array;
  /** Takes a peer's key; false when it is none. */
  accept(from: PeerName, handover: Uint8Array): boolean;
  forget(peer: PeerName): void;
  /** A new own key: the removed never learn it. */
  rotate(): void;
}

export function createGossipSealer(topic: string): GossipSealer {
  const context = new TextEncoder().encode(topic);
  const peers = new Map<PeerName, Map<string, Uint8Array>>();
  let own = draw();

  function draw(): { readonly name: Uint8Array; readonly key: Uint8Array; readonly sealer: Sealer } {
    const key = randomBytes(keyLength);
    return { name: randomBytes(nameLength), key, sealer: createSealer(key) };
  }

  return {
    seal: (plaintext) => Buffer.concat([own.name, own.sealer.seal(plaintext, context)]),
    open(from, frame) {
      const key =
        frame.length < nameLength ? undefined : peers.get(from)?.get(bytesToHex(frame.subarray(0, nameLength)));
      if (!key) return { kind: "unknown-key" };
      const plaintext = open(key, frame.subarray(nameLength), context);
      return plaintext ? { kind: "ok", plaintext } : { kind: "forged" };
    },
    handover: () => Buffer.concat([own.name, own.key]),
    accept(from, handover) {
      if (handover.length !== handoverLength) return false;
      const keys = peers.get(from) ?? new Map<string, Uint8Array>();
      keys.set(bytesToHex(handover.subarray(0, nameLength)), handover.slice(nameLength));
      for (const name of keys.keys()) if (keys.size > keysKept) keys.delete(name);
      peers.set(from, keys);
      return true;
    },
    forget: (peer) => void peers.delete(peer),
    rotate: () => {
      own = draw();
    },
  };
}
