/**
 * What codecs and cryptography cost: `node validator/codec/codec.bench.ts`. CPU time of this process, best of several
 * runs, so that a busy machine changes little.
 */
import { randomFillSync } from "node:crypto";
import { hashOf } from "../consensus/testing/cluster.ts";
import { type Ballot, type Block, digest, view, zeroDigest } from "../consensus/types.ts";
import { createSealer, open } from "../crypto/aead.ts";
import { assemble, blsSigner, verifyCertificate, verifyVote } from "../crypto/bls.ts";
import { ed25519Signer, verifyEd25519 } from "../crypto/ed25519.ts";
import { sha256 } from "../crypto/hash.ts";
import { testMembers } from "../crypto/testing/members.ts";
import { buildBatch, checkBatch, parseBatch } from "./batch.ts";
import { decodeBlock, encodeBlock, sealBlock } from "./block.ts";
import { decodeCertificate, encodeCertificate } from "./certificate.ts";
import { buildMessage, checkMessage, creditTransfer, messageSignedBytes, recordLength } from "./payment-message.ts";
import { decodeGossip, encodeGossip } from "./peer.ts";
import { sampleBlock, sampleCertificate } from "./testing/samples.ts";

const rounds = 9;
const millisecondsPerRound = 60;

/** Prints microseconds of CPU per unit of work. */
function measure(name: string, units: number, work: () => unknown): void {
  const warm = performance.now();
  let times = 0;
  while (performance.now() - warm < millisecondsPerRound) {
    work();
    times++;
  }
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    for (let i = 0; i < times; i++) work();
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / times / units);
  }
  console.log(`${name.padEnd(58)} ${best.toFixed(3).padStart(9)} µs`);
}

function message(payments: number): Uint8Array {
  const records = randomFillSync(new Uint8Array(payments * recordLength));
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
  return buildMessage(fields, records, () => new Uint8Array(64));
}

function block(batches: number): Block {
  const body = {
    batches: Array.from({ length: batches }, (_, i) => ({
      digest: digest(i.toString(16).padStart(64, "0")),
      payments: 8_000,
      bytes: 512_240,
      zone: "",
    })),
    governance: [],
    coverage: [],
  };
  return sealBlock(sampleBlock.header, body, undefined);
}

const thousand = message(1_000);
const checked = [thousand, message(1)].map((bytes) => {
  const read = checkMessage(bytes);
  if (read.kind === "refused") throw new Error(read.error.reason);
  return read.value;
});
const batch = buildBatch(
  0,
  Array.from({ length: 8 }, () => checked[0]).flatMap((m) => m ?? []),
);
measure("checkMessage of 1,000 payments, per payment", 1_000, () => checkMessage(thousand));
measure("checkMessage of one payment", 1, () => checkMessage(checked[1]?.bytes ?? thousand));
measure("messageSignedBytes", 1, () => messageSignedBytes(thousand));
measure("checkBatch of 8 × 1,000 payments, per payment", 8_000, () => checkBatch(batch.bytes));
measure("parseBatch of the same, whole", 1, () => parseBatch(batch.bytes));

for (const batches of [0, 4, 32]) {
  const sample = block(batches);
  const bytes = encodeBlock(sample);
  measure(`encodeBlock with ${batches} batches`, 1, () => encodeBlock(sample));
  measure(`decodeBlock with ${batches} batches`, 1, () => decodeBlock(bytes));
}
const certificate = encodeCertificate(sampleCertificate("finalize"));
measure("encodeCertificate", 1, () => encodeCertificate(sampleCertificate("finalize")));
measure("decodeCertificate", 1, () => decodeCertificate(certificate));

for (const members of [4, 64]) {
  const set = testMembers(Array.from({ length: members }, () => 1));
  const ballot: Ballot = { kind: "finalize", epoch: set.config.epoch, view: view(7), block: hashOf("a block") };
  const votes = Array.from({ length: Math.ceil((2 * members + 1) / 3) }, (_, seat) => set.vote(seat, ballot));
  const made = assemble(set.members, ballot, votes);
  const [vote] = votes;
  if (made.kind === "bad" || !vote) throw new Error("the votes are bad");
  measure(`BLS: assemble ${votes.length} votes of ${members} members`, 1, () => assemble(set.members, ballot, votes));
  measure(`BLS: verify a certificate of ${votes.length} signers`, 1, () =>
    verifyCertificate(set.members, made.certificate),
  );
  if (members > 4) continue;
  measure("BLS: sign a ballot", 1, () => set.bls(0).signBallot(set.config, ballot));
  measure("BLS: verify a vote", 1, () => verifyVote(set.members, vote));
  const gossip = encodeGossip({ kind: "vote", vote });
  measure("gossip: encode a vote", 1, () => encodeGossip({ kind: "vote", vote }));
  measure("gossip: decode a vote", 1, () => decodeGossip(gossip));
}
measure("BLS: make a key from entropy", 1, () => blsSigner(new Uint8Array(32)));

const signer = ed25519Signer(new Uint8Array(32));
const said = sha256(thousand);
const signature = signer.sign(said);
measure("ed25519: sign", 1, () => signer.sign(said));
measure("ed25519: verify", 1, () => verifyEd25519(signer.publicKey, said, signature));
const key = new Uint8Array(32);
const context = new Uint8Array(32);
const sealer = createSealer(key);
const payload = new Uint8Array(200);
const sealed = sealer.seal(payload, context);
measure("AES-256-GCM: seal 200 bytes", 1, () => sealer.seal(payload, context));
measure("AES-256-GCM: open 200 bytes", 1, () => open(key, sealed, context));
