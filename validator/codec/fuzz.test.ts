/**
 * Hostile frames: valid ones mutated, and noise. Nothing crashes, and what is read as a value is spelled in its one way.
 * `FUZZ_FRAMES=100000` for the long run.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { height } from "../consensus/types.ts";
import { checkBatch } from "./batch.ts";
import { decodeBody, decodeHeader, encodeBody, encodeHeader } from "./block.ts";
import { decodeCertificate, encodeCertificate } from "./certificate.ts";
import * as exchange from "./exchange.ts";
import { checkMessage } from "./payment-message.ts";
import { decodeGossip, encodeGossip } from "./peer.ts";
import { decodePrivatePayload, encodePrivatePayload } from "./private-payload.ts";
import type { Decoded } from "./result.ts";
import {
  batches,
  blocks,
  bodies,
  bytesOf,
  certificates,
  gossip,
  headers,
  messages,
  privatePayloads,
  someDigest,
} from "./testing/values.ts";

const frames = Number(process.env["FUZZ_FRAMES"] ?? "5000");
const seed = Number(process.env["FUZZ_SEED"] ?? "1");

interface Codec<T> {
  readonly name: string;
  readonly samples: fc.Arbitrary<Uint8Array>;
  readonly decode: (bytes: Uint8Array) => Decoded<T>;
  /** For shapes that are signed or hashed: what was read must be written as it was read. */
  readonly encode?: (value: T) => Uint8Array;
}

const codec = <T>(shape: Codec<T>) => ({ name: shape.name, run: () => fuzz(shape) });
const push = fc
  .tuple(batches, fc.array(fc.record({ message: bytesOf(32), content: fc.uint8Array() }), { maxLength: 2 }))
  .map(([batch, privates]) => ({ batch: batch.bytes, privates }));
const proof = fc.option(fc.record({ block: blocks, finalization: certificates }), { nil: undefined });
const number = fc.maxSafeNat();

const codecs: readonly { readonly name: string; readonly run: () => void }[] = [
  codec({ name: "header", samples: headers.map(encodeHeader), decode: decodeHeader, encode: encodeHeader }),
  codec({ name: "body", samples: bodies.map(encodeBody), decode: decodeBody, encode: encodeBody }),
  codec({
    name: "certificate",
    samples: certificates.map(encodeCertificate),
    decode: decodeCertificate,
    encode: encodeCertificate,
  }),
  codec({ name: "payment message", samples: messages.map(({ bytes }) => bytes), decode: checkMessage }),
  codec({ name: "batch", samples: batches.map(({ bytes }) => bytes), decode: checkBatch }),
  codec({
    name: "private payload",
    samples: privatePayloads.map(encodePrivatePayload),
    decode: decodePrivatePayload,
    encode: encodePrivatePayload,
  }),
  codec({ name: "gossip", samples: gossip.map(encodeGossip), decode: decodeGossip }),
  codec({ name: "batch push", samples: push.map(exchange.encodeBatchPush), decode: exchange.decodeBatchPush }),
  codec({
    name: "fetch-batches request",
    samples: fc
      .record({ digests: fc.array(someDigest, { maxLength: 3 }), private: fc.boolean() })
      .map(exchange.encodeFetchBatches),
    decode: exchange.decodeFetchBatches,
  }),
  codec({
    name: "fetch-batches reply",
    samples: fc.array(push, { maxLength: 2 }).map(exchange.encodeBatches),
    decode: exchange.decodeBatches,
  }),
  codec({
    name: "fetch-blocks request",
    samples: fc
      .record({
        tip: fc.option(someDigest, { nil: undefined }),
        above: number.map(height),
        limit: fc.nat(0xffff_ffff),
      })
      .map(exchange.encodeFetchBlocks),
    decode: exchange.decodeFetchBlocks,
  }),
  codec({
    name: "fetch-blocks reply",
    samples: fc
      .record({
        blocks: fc.array(blocks, { maxLength: 2 }),
        finalization: fc.option(certificates, { nil: undefined }),
        finalizedHeight: number.map(height),
        lowestHeight: number.map(height),
      })
      .map(exchange.encodeBlocks),
    decode: exchange.decodeBlocks,
  }),
  codec({
    name: "fetch-checkpoint request",
    samples: fc.record({ height: number.map(height), part: fc.nat(0xffff_ffff) }).map(exchange.encodeFetchCheckpoint),
    decode: exchange.decodeFetchCheckpoint,
  }),
  codec({
    name: "fetch-checkpoint reply",
    samples: fc
      .record({ height: number.map(height), parts: fc.nat(65_536), content: fc.uint8Array(), proof })
      .map(exchange.encodeCheckpointPart),
    decode: exchange.decodeCheckpointPart,
  }),
];

function fuzz<T>({ name, samples, decode, encode }: Codec<T>): void {
  const genuine = fc.sample(samples, { seed, numRuns: 40 });
  for (const bytes of genuine) expect(decode(bytes).kind, name).toBe("ok");
  const random = generator(seed);
  let refusals = 0;
  for (let i = 0; i < frames; i++) {
    const frame = i % 8 === 7 ? noise(random) : mutated(genuine, random);
    const read = decode(frame);
    if (read.kind === "refused") refusals++;
    else if (encode) expect(Buffer.compare(encode(read.value), frame), `frame ${i}`).toBe(0);
  }
  expect(refusals).toBeGreaterThan(0);
}

/** xorshift32: numbers below `n`. */
function generator(start: number): (n: number) => number {
  let state = start | 1;
  return (n) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
  };
}

function noise(random: (n: number) => number): Uint8Array {
  return Uint8Array.from({ length: random(600) }, () => random(256));
}

/** Flips, overwrites with extremes, cuts, repeats, inserts, or splices two frames; one to four times. */
function mutated(frames: readonly Uint8Array[], random: (n: number) => number): Uint8Array {
  let bytes = (frames[random(frames.length)] ?? new Uint8Array(0)).slice();
  for (let times = 1 + random(4); times > 0; times--) {
    const at = random(bytes.length + 1);
    const rest = bytes.subarray(at);
    switch (random(6)) {
      case 0:
        if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
        break;
      case 1:
        rest.subarray(0, 1 + random(8)).fill([0, 0xff, 0x7f, 0x80][random(4)] ?? 0);
        break;
      case 2:
        bytes = bytes.slice(0, at);
        break;
      case 3:
        bytes = Uint8Array.from([...bytes.subarray(0, at), ...rest.subarray(0, random(64)), ...rest]);
        break;
      case 4:
        bytes = Uint8Array.from([...bytes.subarray(0, at), ...noise(random).subarray(0, 1 + random(16)), ...rest]);
        break;
      default: {
        const other = frames[random(frames.length)] ?? bytes;
        bytes = Uint8Array.from([...bytes.subarray(0, at), ...other.subarray(random(other.length + 1))]);
      }
    }
  }
  return bytes;
}

describe(`${frames} hostile frames`, () => {
  test.each(codecs)("$name", ({ run }) => run(), 300_000);
});
