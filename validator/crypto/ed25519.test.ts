import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  buildMessage,
  checkMessage,
  creditTransfer,
  messageSignedBytes,
  recordLength,
} from "../codec/payment-message.ts";
import { zeroDigest } from "../consensus/types.ts";
import { ed25519Signer, verifyEd25519 } from "./ed25519.ts";

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));

describe("vectors of RFC 8032 §7.1", () => {
  test.each([
    [
      "TEST 1",
      "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
      "",
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
      "TEST 2",
      "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
      "72",
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
  ])("%s", (_, seed, publicKey, message, signature) => {
    const signer = ed25519Signer(bytes(seed));
    expect(new Uint8Array(signer.publicKey)).toEqual(bytes(publicKey));
    expect(new Uint8Array(signer.sign(bytes(message)))).toEqual(bytes(signature));
    expect(verifyEd25519(bytes(publicKey), bytes(message), bytes(signature))).toBe(true);
  });
});

const signer = ed25519Signer(new Uint8Array(32).fill(1));

test("a signed payment message: no byte of it can change", () => {
  const fields = {
    kind: creditTransfer,
    institution: 1,
    zone: 0,
    atomic: false,
    messageKey: new Uint8Array(32),
    chainId: zeroDigest,
    expiry: 1,
    privateRoot: new Uint8Array(32),
  };
  const message = buildMessage(fields, new Uint8Array(2 * recordLength), (said) => signer.sign(said));
  const genuine = (given: Uint8Array) => {
    const checked = checkMessage(given);
    return (
      checked.kind === "ok" &&
      verifyEd25519(signer.publicKey, messageSignedBytes(given), checked.value.header.signature)
    );
  };
  expect(genuine(message)).toBe(true);
  for (let i = 0; i < message.length; i++) {
    for (const bit of [0, 7]) {
      const changed = message.map((byte, j) => (i === j ? byte ^ (1 << bit) : byte));
      expect(genuine(changed), `byte ${i}`).toBe(false);
    }
  }
});

test("keys and signatures that are none are refused, never thrown", () => {
  const message = new Uint8Array(32);
  const signature = signer.sign(message);
  const property = fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (key) => {
    expect(verifyEd25519(key, message, signature)).toBe(false);
    expect(verifyEd25519(signer.publicKey, message, Buffer.concat([key, key]))).toBe(false);
  });
  fc.assert(property, { numRuns: 300 });
  for (const fill of [0, 1, 0xff]) expect(verifyEd25519(new Uint8Array(32).fill(fill), message, signature)).toBe(false);
  expect(verifyEd25519(signer.publicKey.subarray(1), message, signature)).toBe(false);
  expect(verifyEd25519(signer.publicKey, message, signature.subarray(1))).toBe(false);
});

test("the same signature under S + L is refused (RFC 8032 §5.1.7)", () => {
  const message = new Uint8Array(32).fill(3);
  const signature = signer.sign(message);
  const order = 2n ** 252n + 27_742_317_777_372_353_535_851_937_790_883_648_493n;
  const s = BigInt(`0x${Buffer.from(signature.subarray(32).toReversed()).toString("hex")}`);
  const moved = Buffer.from((s + order).toString(16).padStart(64, "0"), "hex").reverse();
  expect(verifyEd25519(signer.publicKey, message, signature)).toBe(true);
  expect(verifyEd25519(signer.publicKey, message, Buffer.concat([signature.subarray(0, 32), moved]))).toBe(false);
});
