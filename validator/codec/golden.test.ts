/**
 * The golden vectors of docs/formats.md: what other implementations and old disks hold us to.
 * `npx vitest run validator/codec/golden.test.ts -u` writes them again; the diff is what a reviewer reads.
 */
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkBatch } from "./batch.ts";
import { decodeBlock, encodeBlock } from "./block.ts";
import { decodeCertificate, encodeCertificate, revealBytes, signedBytes } from "./certificate.ts";
import { merkleTree, mixedRoot, treeRoot } from "./merkle.ts";
import { checkMessage, messageHash, messageSignedBytes, readRecord } from "./payment-message.ts";
import { decodePrivatePayload, encodePrivatePayload, privateLeaf, privateRoot } from "./private-payload.ts";
import type { Decoded } from "./result.ts";
import {
  counting,
  emptyBlock,
  sampleBallot,
  sampleBatch,
  sampleBlock,
  sampleCertificate,
  sampleChain,
  samplePayments,
  samplePrivate,
  voteKinds,
} from "./testing/samples.ts";

const folder = join(import.meta.dirname, "golden");
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const sha256 = (...parts: readonly Uint8Array[]) =>
  new Uint8Array(createHash("sha256").update(Buffer.concat(parts)).digest());

/** As JSON a person reads: bytes in hexadecimal. */
function readable(value: unknown): string {
  const text = JSON.stringify(value, (_, field) => (field instanceof Uint8Array ? hex(field) : field), 2);
  // Numbers on one line, as the formatter wants them.
  return `${text.replace(/\[\s+((?:\d+,?\s+)+)\]/g, (_, numbers: string) => `[${numbers.trim().split(/,\s+/).join(", ")}]`)}\n`;
}

const vectors: Readonly<Record<string, unknown>> = {
  "block.json": [sampleBlock, emptyBlock].map((block) => ({ value: block, ...encodeBlock(block) })),
  "certificate.json": voteKinds.map((kind) => ({
    value: sampleCertificate(kind),
    bytes: encodeCertificate(sampleCertificate(kind)),
  })),
  "signed-bytes.json": {
    chainId: sampleChain,
    epoch: sampleBallot("notarize").epoch,
    view: sampleBallot("notarize").view,
    block: sampleBallot("notarize").block,
    ...Object.fromEntries(voteKinds.map((kind) => [kind, signedBytes(kind, sampleChain, sampleBallot(kind))])),
    proposal: signedBytes("proposal", sampleChain, sampleBallot("notarize")),
    reveal: revealBytes(sampleChain, sampleBallot("notarize")),
  },
  "payment-message.json": {
    header: samplePayments.header,
    records: [0, 1, 2].map((i) => readRecord(samplePayments.records, i)),
    bytes: samplePayments.bytes,
    signedBytes: messageSignedBytes(samplePayments.bytes),
    messageHash: messageHash(samplePayments.bytes),
  },
  "batch.json": { bytes: sampleBatch.bytes, digest: sampleBatch.digest, messageHashes: sampleBatch.hashes },
  "private-payload.json": {
    items: samplePrivate,
    bytes: encodePrivatePayload(samplePrivate),
    leaves: samplePrivate.map((item) => privateLeaf(item)),
    privateRoot: privateRoot(samplePrivate),
  },
  "merkle.json": [1, 2, 3, 8].map((count) => {
    const leaves = counting(count, 32 * count);
    const bare = treeRoot(merkleTree(leaves));
    return { count, leaves, bareRoot: bare, root: mixedRoot(bare, count) };
  }),
};

test.each(Object.keys(vectors))("%s", async (file) => {
  await expect(readable(vectors[file])).toMatchFileSnapshot(join(folder, file));
});

test("every vector in the folder is checked", () => {
  expect(readdirSync(folder).sort()).toEqual(Object.keys(vectors).sort());
});

test("the vectors' bytes read back as their values", () => {
  for (const block of [sampleBlock, emptyBlock]) expect(must(decodeBlock(encodeBlock(block)))).toEqual(block);
  for (const kind of voteKinds) {
    const certificate = sampleCertificate(kind);
    expect(must(decodeCertificate(encodeCertificate(certificate)))).toEqual(certificate);
  }
  expect(must(checkMessage(samplePayments.bytes))).toEqual(samplePayments);
  expect(must(checkBatch(sampleBatch.bytes))).toEqual(sampleBatch);
  expect(must(decodePrivatePayload(encodePrivatePayload(samplePrivate)))).toEqual(samplePrivate);
});

test("names and signed bytes are the hashes that docs/formats.md says, by another implementation of sha256", () => {
  const { header, body } = encodeBlock(sampleBlock);
  expect(sampleBlock.hash).toBe(hex(sha256(header)));
  expect(sampleBlock.header.bodyHash).toBe(hex(sha256(body)));

  const { bytes } = samplePayments;
  expect(messageHash(bytes)).toEqual(sha256(bytes.subarray(0, 224)));
  expect(messageSignedBytes(bytes)).toEqual(
    sha256(ascii("validator-swarm/v1/payment-message"), bytes.subarray(0, 160)),
  );

  const numbers = Buffer.alloc(16);
  numbers.writeBigUInt64LE(3n, 0);
  numbers.writeBigUInt64LE(70_000n, 8);
  const chain = Buffer.from(sampleChain, "hex");
  for (const kind of voteKinds) {
    const block = Buffer.from(sampleBallot(kind).block, "hex");
    const said = sha256(ascii(`validator-swarm/v1/${kind}`), chain, numbers, block);
    expect(signedBytes(kind, sampleChain, sampleBallot(kind)), kind).toEqual(said);
  }
  const reveal = sha256(ascii("validator-swarm/v1/reveal"), chain, numbers, new Uint8Array(32));
  expect(revealBytes(sampleChain, sampleBallot("notarize"))).toEqual(reveal);

  const [first, second] = sampleBatch.hashes;
  if (!first || !second) throw new Error("the sample batch has two messages");
  const count = Buffer.alloc(32);
  count.writeBigUInt64LE(2n);
  const root = sha256(sha256(first, second), count);
  expect(sampleBatch.digest).toBe(hex(sha256(sampleBatch.bytes.subarray(0, 16), root)));
});

const ascii = (text: string) => Buffer.from(text, "ascii");

function must<T>(read: Decoded<T>): T {
  if (read.kind === "refused") throw new Error(read.error.reason);
  return read.value;
}
