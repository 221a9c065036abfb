/** Showing on a call that the process behind it holds its peer key: a signature over the caller's random bytes. */
import { domain } from "../codec/certificate.ts";
import { type Ed25519Signer, verifyEd25519 } from "./ed25519.ts";
import { sha256 } from "./hash.ts";

/** Bytes of a challenge. */
export const challengeLength = 32;

const signed = (blsKey: Uint8Array, peerKey: Uint8Array, challenge: Uint8Array) =>
  sha256(domain("identity"), challenge, blsKey, peerKey);

/** 64 bytes. The domain keeps the answer from being anything else: the challenge is a stranger's. */
export function signChallenge(peer: Ed25519Signer, blsKey: Uint8Array, challenge: Uint8Array): Uint8Array {
  return peer.sign(signed(blsKey, peer.publicKey, challenge));
}

/** Did the holder of the peer key answer this challenge for these keys? False too for keys of a wrong length. */
export function verifyChallenge(
  keys: { readonly blsKey: Uint8Array; readonly peerKey: Uint8Array },
  challenge: Uint8Array,
  signature: Uint8Array,
): boolean {
  const { blsKey, peerKey } = keys;
  if (blsKey.length !== 48 || peerKey.length !== 32 || challenge.length !== challengeLength) return false;
  return verifyEd25519(peerKey, signed(blsKey, peerKey, challenge), signature);
}
