/** What is signed or hashed has one spelling: it survives a round trip, and no other bytes mean the same. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkBatch, parseBatch } from "./batch.ts";
import { blockHash, decodeBlock, decodeBody, decodeHeader, encodeBlock, encodeBody, encodeHeader } from "./block.ts";
import { concat } from "./bytes.ts";
import { decodeCertificate, encodeCertificate } from "./certificate.ts";
import { checkMessage, messageHash } from "./payment-message.ts";
import { decodeGossip, encodeGossip } from "./peer.ts";
import { decodePrivatePayload, encodePrivatePayload } from "./private-payload.ts";
import type { Decoded } from "./result.ts";
import { batches, blocks, bodies, certificates, gossip, headers, messages, privatePayloads } from "./testing/values.ts";

/** Every byte flipped in one bit, the last one cut, and one added at either end. */
function* damages(bytes: Uint8Array): Generator<readonly [string, Uint8Array]> {
  for (let i = 0; i < bytes.length; i++) {
    const changed = bytes.slice();
    changed[i] = (changed[i] ?? 0) ^ (1 << (i % 8));
    yield [`byte ${i}`, changed];
  }
  yield ["cut at the end", bytes.subarray(0, -1)];
  yield ["cut at the start", bytes.subarray(1)];
  yield ["a byte added at the end", concat(bytes, new Uint8Array(1))];
  yield ["a byte added at the start", concat(new Uint8Array(1), bytes)];
}

/** No damaged spelling may decode to what `bytes` mean: it is refused, or it is a value with another name. */
function everyByteCounts<T>(bytes: Uint8Array, decode: (bytes: Uint8Array) => Decoded<T>, name: (value: T) => unknown) {
  const genuine = decode(bytes);
  if (genuine.kind === "refused") throw new Error(genuine.error.reason);
  const own = name(genuine.value);
  for (const [what, damaged] of damages(bytes)) {
    const read = decode(damaged);
    if (read.kind === "ok") expect(name(read.value), what).not.toEqual(own);
  }
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const few = { numRuns: 15 };

function roundTrips<T, Bytes>(
  values: fc.Arbitrary<T>,
  encode: (value: T) => Bytes,
  decode: (bytes: Bytes) => Decoded<T>,
): void {
  const property = fc.property(values, (value) => {
    expect(decode(encode(value))).toEqual({ kind: "ok", value });
  });
  fc.assert(property);
}

describe("round trips", () => {
  test("headers", () => roundTrips(headers, encodeHeader, decodeHeader));
  test("bodies", () => roundTrips(bodies, encodeBody, decodeBody));
  test("blocks", () => roundTrips(blocks, encodeBlock, decodeBlock));
  test("certificates", () => roundTrips(certificates, encodeCertificate, decodeCertificate));
  test("private payloads", () => roundTrips(privatePayloads, encodePrivatePayload, decodePrivatePayload));
  test("batches", () => roundTrips(batches, ({ bytes }) => bytes, checkBatch));
  test("stored batches", () => roundTrips(batches, ({ bytes }) => bytes, parseBatch));
  test("gossip", () => roundTrips(gossip, encodeGossip, decodeGossip));
});

describe("every byte counts", () => {
  test("of a header: its hash is of all of it", () => {
    fc.assert(
      fc.property(headers, (header) => everyByteCounts(encodeHeader(header), decodeHeader, blockHash)),
      few,
    );
  });

  test("of a block: a body that its header does not commit to is refused", () => {
    const property = fc.property(blocks, (block) => {
      const { header, body } = encodeBlock(block);
      for (const [what, damaged] of damages(body))
        expect(decodeBlock({ header, body: damaged }).kind, what).toBe("refused");
      everyByteCounts(
        header,
        (bytes) => decodeBlock({ header: bytes, body }),
        ({ hash }) => hash,
      );
    });
    fc.assert(property, few);
  });

  test("of a certificate: what it reads as is written the same way", () => {
    fc.assert(
      fc.property(certificates, (certificate) =>
        everyByteCounts(encodeCertificate(certificate), decodeCertificate, (value) => value),
      ),
      few,
    );
  });

  test("of a message: its records are refused under another root, and its hash is of all the rest", () => {
    fc.assert(
      fc.property(messages, ({ bytes }) =>
        everyByteCounts(bytes, checkMessage, (value) => hex(messageHash(value.bytes))),
      ),
      few,
    );
  });

  test("of a batch: its digest is of all of it", () => {
    fc.assert(
      fc.property(batches, ({ bytes }) => everyByteCounts(bytes, checkBatch, (value) => value.digest)),
      few,
    );
  });

  test("of a private payload: what it reads as is written the same way", () => {
    fc.assert(
      fc.property(privatePayloads, (items) =>
        everyByteCounts(encodePrivatePayload(items), decodePrivatePayload, (value) => hex(encodePrivatePayload(value))),
      ),
      few,
    );
  });
});
