/** What is refused, and why: one bound or rule a line. */
import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { BroadcastSchema } from "../../proto/validator/v1/peer_pb.js";
import { digest, seatIndex, zeroDigest } from "../consensus/types.ts";
import { buildBatch, checkBatch, maxBatchBytes } from "./batch.ts";
import {
  decodeBlock,
  decodeBody,
  decodeHeader,
  encodeBlock,
  encodeBody,
  encodeHeader,
  maxBodyLength,
} from "./block.ts";
import { concat, reader, viewOf, writeU64 } from "./bytes.ts";
import { decodeCertificate, encodeCertificate } from "./certificate.ts";
import {
  buildMessage,
  checkMessage,
  creditTransfer,
  maxMessagePayments,
  type PaymentMessage,
  readRecord,
  recordLength,
} from "./payment-message.ts";
import { decodeGossip, encodeGossip, maxGossipLength } from "./peer.ts";
import { decodePrivatePayload, encodePrivatePayload, matchesMessage, maxPrivateContent } from "./private-payload.ts";
import type { Decoded } from "./result.ts";
import {
  counting,
  sampleBatch,
  sampleBlock,
  sampleBody,
  sampleCertificate,
  samplePayments,
  samplePrivate,
  sampleRecords,
} from "./testing/samples.ts";

/** A copy with other bytes at an offset. */
function patched(bytes: Uint8Array, offset: number, ...values: readonly number[]): Uint8Array {
  const copy = bytes.slice();
  copy.set(values, offset);
  return copy;
}

function reasonOf(read: Decoded<unknown>): string {
  return read.kind === "ok" ? "read" : `${read.error.kind}: ${read.error.reason}`;
}

describe("headers", () => {
  const bytes = encodeHeader(sampleBlock.header);
  test.each<[string, Uint8Array, string]>([
    ["another magic", patched(bytes, 0, 0x57), "malformed: header: magic or version"],
    ["version 2", patched(bytes, 4, 2), "malformed: header: magic or version"],
    ["an unknown flag", patched(bytes, 6, 7), "not-canonical: header: another spelling"],
    ["a reveal without its flag", patched(bytes, 6, 1), "not-canonical: header: another spelling"],
    ["a number above 2^53 − 1", patched(bytes, 56 + 6, 0x20), "malformed: header: not its layout"],
    ["a reserved byte set", patched(bytes, 391, 1), "malformed: header: not its layout"],
    ["no bytes", new Uint8Array(0), "malformed: header: magic or version"],
  ])("%s", (_, damaged, reason) => expect(reasonOf(decodeHeader(damaged))).toBe(reason));
});

describe("bodies", () => {
  const bytes = encodeBody(sampleBody);
  test.each<[string, Uint8Array, string]>([
    ["too many batches", patched(bytes, 8, 1, 4), "too-large: body: too many entries"],
    ["too many transactions", patched(bytes, 12, 65), "too-large: body: too many entries"],
    ["too many coverage changes", patched(bytes, 16, 17), "too-large: body: too many entries"],
    ["one batch more than there is", patched(bytes, 8, 3), "malformed: body: not its layout"],
    ["too many bytes", new Uint8Array(maxBodyLength + 1), "too-large: body: too large"],
  ])("%s", (_, damaged, reason) => expect(reasonOf(decodeBody(damaged))).toBe(reason));

  test("names that are not UTF-8, or too long", () => {
    const named = (zone: string) =>
      encodeBody({ batches: [{ digest: zeroDigest, payments: 1, bytes: 1, zone }], governance: [], coverage: [] });
    const ascii = named("EU");
    expect(reasonOf(decodeBody(patched(ascii, ascii.length - 1, 0xff)))).toBe("not-canonical: body: another spelling");
    expect(decodeBody(named("x".repeat(65))).kind).toBe("refused");
    expect(decodeBody(named("\u{feff}EU")).kind).toBe("refused");
  });

  test("a transaction larger than any block carries", () => {
    const body = {
      batches: [],
      governance: [{ bytes: new Uint8Array(64 * 1024 + 1), closesEpoch: false }],
      coverage: [],
    };
    expect(decodeBody(encodeBody(body)).kind).toBe("refused");
  });

  test("a body under another's header", () => {
    const { header } = encodeBlock(sampleBlock);
    const body = encodeBody({ batches: [], governance: [], coverage: [] });
    expect(reasonOf(decodeBlock({ header, body }))).toBe("malformed: block: the header commits to another body");
  });
});

describe("certificates", () => {
  const bytes = encodeCertificate(sampleCertificate("finalize"));
  test.each<[string, Uint8Array]>([
    ["kind 0", patched(bytes, 0, 0)],
    ["kind 6", patched(bytes, 0, 6)],
    ["a nullify that names a block", patched(bytes, 0, 2)],
    ["no signer", concat(patched(bytes, 49, 0, 0).subarray(0, 51), bytes.subarray(53))],
    ["a bitmap with a trailing zero byte", patched(bytes, 52, 0)],
    [
      "a bitmap beyond any set",
      concat(patched(bytes, 49, 129, 0).subarray(0, 51), new Uint8Array(129).fill(1), bytes.subarray(53)),
    ],
  ])("%s", (_, damaged) => expect(reasonOf(decodeCertificate(damaged))).toBe("malformed: certificate: not its layout"));
});

describe("payment messages", () => {
  const { bytes } = samplePayments;
  test.each<[string, Uint8Array, string]>([
    ["magic", patched(bytes, 0, 0), "malformed: message: magic or version"],
    ["version", patched(bytes, 4, 2), "malformed: message: magic or version"],
    ["kind", patched(bytes, 6, 2), "malformed: message: unknown kind"],
    ["a reserved flag", patched(bytes, 14, 3), "not-canonical: message: reserved bits set"],
    ["reserved bytes", patched(bytes, 93, 1), "not-canonical: message: reserved bits set"],
    ["expiry above 2^53 − 1", patched(bytes, 87, 1), "malformed: message: expiry out of bounds"],
    ["no payment", patched(bytes, 88, 0), "too-large: message: count of payments out of bounds"],
    ["8001 payments", patched(bytes, 88, 0x41, 0x1f), "too-large: message: count of payments out of bounds"],
    ["a payment more than there is", patched(bytes, 88, 4), "malformed: message: length is not its count's"],
    ["a changed record", patched(bytes, 300, 0x99), "malformed: message: recordsRoot is not its records'"],
    ["no record at all", bytes.subarray(0, 224), "malformed: message: too short"],
  ])("%s", (_, damaged, reason) => expect(reasonOf(checkMessage(damaged))).toBe(reason));

  test("records read back as they were written", () => {
    expect(sampleRecords.map((_, i) => readRecord(samplePayments.records, i))).toEqual(sampleRecords);
  });

  test("are read in place wherever they stand in a buffer", () => {
    for (let offset = 0; offset < 16; offset++) {
      const inside = concat(new Uint8Array(offset), bytes, new Uint8Array(3)).subarray(offset, offset + bytes.length);
      const read = checkMessage(inside);
      expect(read.kind === "ok" && read.value.records.buffer).toBe(inside.buffer);
    }
  });
});

describe("batches", () => {
  const { bytes } = sampleBatch;
  const second = 16 + samplePayments.bytes.length;
  test.each<[string, Uint8Array, string]>([
    ["another zone than its messages'", patched(bytes, 6, 2), "malformed: batch: a message of another zone"],
    ["a message less than it has", patched(bytes, 8, 1), "malformed: batch: more than its messages"],
    ["a message more than it has", patched(bytes, 8, 3), "malformed: batch: counts do not add up"],
    ["a payment less than it has", patched(bytes, 12, 3), "malformed: batch: counts do not add up"],
    [
      "a message that claims what follows it",
      patched(bytes, 16 + 88, 5),
      "malformed: message: recordsRoot is not its records'",
    ],
    [
      "a message that claims more than there is",
      patched(bytes, 16 + 88, 99),
      "malformed: message: length is not its count's",
    ],
    ["its last message cut", bytes.subarray(0, second + 100), "malformed: batch: more than its messages"],
    ["no message", patched(bytes.subarray(0, 16), 8, 0, 0, 0, 0, 0), "malformed: batch: counts do not add up"],
    ["too many bytes", new Uint8Array(maxBatchBytes + 1), "too-large: batch: too large"],
  ])("%s", (_, damaged, reason) => expect(reasonOf(checkBatch(damaged))).toBe(reason));

  test("the largest message is a batch of its own", () => {
    const message = checkMessage(large(maxMessagePayments));
    if (message.kind === "refused") throw new Error(message.error.reason);
    const batch = buildBatch(0, [message.value]);
    expect(batch.bytes.length).toBeLessThanOrEqual(maxBatchBytes);
    expect(checkBatch(batch.bytes)).toEqual({ kind: "ok", value: batch });
  });

  test("more than 8000 payments are refused even where their bytes would fit", () => {
    const parts = [large(7_000), large(1_001)].map((bytes) => checkMessage(bytes));
    const messages = parts.flatMap((part): PaymentMessage[] => (part.kind === "ok" ? [part.value] : []));
    expect(reasonOf(checkBatch(buildBatch(0, messages).bytes))).toBe("malformed: batch: counts do not add up");
  });
});

function large(payments: number): Uint8Array {
  const fields = {
    kind: creditTransfer,
    institution: 1,
    zone: 0,
    atomic: false,
    messageKey: counting(0, 32),
    chainId: zeroDigest,
    expiry: 1,
    privateRoot: new Uint8Array(32),
  };
  return buildMessage(fields, new Uint8Array(payments * recordLength), () => new Uint8Array(64));
}

describe("private payloads", () => {
  test("match the message that commits to them, and no other salt, content, order or number", () => {
    const [first, second, third] = samplePrivate;
    if (!first || !second || !third) throw new Error("the sample has three payments");
    expect(matchesMessage(samplePayments, samplePrivate)).toBe(true);
    expect(matchesMessage(samplePayments, [first, third, second])).toBe(false);
    expect(matchesMessage(samplePayments, [first, second])).toBe(false);
    expect(matchesMessage(samplePayments, [...samplePrivate, third])).toBe(false);
    expect(matchesMessage(samplePayments, [first, second, { ...third, salt: counting(9, 16) }])).toBe(false);
    expect(matchesMessage(samplePayments, [first, second, { ...third, content: counting(9, 3) }])).toBe(false);
  });

  test("a byte moved from a content to its salt is another payload", () => {
    const items = samplePrivate.map(({ salt, content }) => ({ salt, content: content.subarray(1) }));
    expect(matchesMessage(samplePayments, items)).toBe(false);
  });

  test("bounds", () => {
    const item = { salt: counting(0, 16), content: new Uint8Array(maxPrivateContent + 1) };
    expect(reasonOf(decodePrivatePayload(encodePrivatePayload([item])))).toBe(
      "too-large: private payload: an item is too large",
    );
    expect(reasonOf(decodePrivatePayload(new Uint8Array(4)))).toBe("too-large: private payload: count out of bounds");
    const claims = patched(encodePrivatePayload(samplePrivate), 0, 0x40, 0x1f);
    expect(reasonOf(decodePrivatePayload(claims))).toBe("malformed: private payload: not its layout");
  });
});

describe("gossip", () => {
  const announcement = {
    digest: zeroDigest,
    payments: 8_000,
    bytes: maxBatchBytes,
    zone: "EU",
    holders: [seatIndex(3)],
  };
  const vote = {
    kind: "finalize",
    epoch: 1n,
    view: 1n,
    block: new Uint8Array(32),
    signer: 0,
    signature: counting(0, 96),
  };
  const wireVote = (change: object) =>
    toBinary(
      BroadcastSchema,
      create(BroadcastSchema, { content: { case: "vote", value: { ...vote, kind: 3, ...change } } }),
    );

  test("a vote's fields have their sizes", () => {
    expect(decodeGossip(wireVote({})).kind).toBe("ok");
    expect(reasonOf(decodeGossip(wireVote({ kind: 0 })))).toBe("malformed: vote: not its layout");
    expect(reasonOf(decodeGossip(wireVote({ block: new Uint8Array(31) })))).toBe("malformed: vote: not its layout");
    expect(reasonOf(decodeGossip(wireVote({ signature: new Uint8Array(97) })))).toBe("malformed: vote: not its layout");
    expect(reasonOf(decodeGossip(wireVote({ view: 2n ** 53n })))).toBe("malformed: vote: number out of bounds");
    expect(reasonOf(decodeGossip(wireVote({ kind: 2, block: counting(1, 32) })))).toBe(
      "not-canonical: vote: a nullify names no block",
    );
  });

  test("an announcement stays within a batch's bounds", () => {
    const said = (change: object) =>
      decodeGossip(encodeGossip({ kind: "batch", batch: { ...announcement, ...change } }));
    expect(said({}).kind).toBe("ok");
    expect(reasonOf(said({ payments: 8_001 }))).toBe("too-large: batch announcement: too large");
    expect(reasonOf(said({ bytes: maxBatchBytes + 1 }))).toBe("too-large: batch announcement: too large");
    expect(reasonOf(said({ zone: "z".repeat(65) }))).toBe("malformed: batch announcement: not its layout");
    expect(reasonOf(said({ digest: digest("00") }))).toBe("malformed: batch announcement: not its layout");
    expect(reasonOf(said({ holders: Array.from({ length: 1_025 }, (_, i) => seatIndex(i)) }))).toBe(
      "malformed: batch announcement: not its layout",
    );
  });

  test("a transaction that no block could carry, a message beyond the bound, nothing at all", () => {
    const transaction = new Uint8Array(64 * 1024 + 1);
    expect(reasonOf(decodeGossip(encodeGossip({ kind: "governance", transaction })))).toBe(
      "too-large: governance: too large",
    );
    expect(reasonOf(decodeGossip(new Uint8Array(maxGossipLength + 1)))).toBe("too-large: gossip: too large");
    expect(reasonOf(decodeGossip(new Uint8Array(0)))).toBe("malformed: gossip: empty");
  });
});

describe("reading", () => {
  test("what a value keeps is its own memory, also out of a Buffer that is used again", () => {
    const certificate = sampleCertificate("finalize");
    const bytes = Buffer.from(encodeCertificate(certificate));
    const { header, body } = encodeBlock(sampleBlock);
    const [head, rest] = [Buffer.from(header), Buffer.from(body)];
    const read = [decodeCertificate(bytes), decodeBlock({ header: head, body: rest })];
    for (const buffer of [bytes, head, rest]) buffer.fill(0);
    expect(read).toEqual([certificate, sampleBlock].map((value) => ({ kind: "ok", value })));
  });

  test("after the first read beyond the end everything is zero and failed", () => {
    const input = reader(counting(1, 5));
    expect(input.u32()).toBe(0x04030201);
    expect(input.u16()).toBe(0);
    expect(input.failed).toBe(true);
    expect(input.u8()).toBe(0);
    expect(input.digest()).toBe(zeroDigest);
    expect(input.bytes(1)).toEqual(new Uint8Array(0));
  });

  test("numbers up to 2^53 − 1 survive eight bytes", () => {
    for (const value of [0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]) {
      const bytes = new Uint8Array(8);
      writeU64(viewOf(bytes), 0, value);
      expect(Buffer.from(bytes).readBigUInt64LE()).toBe(BigInt(value));
      expect(reader(bytes).u64()).toBe(value);
    }
  });
});
