/** Arbitrary values of every shape the codecs know, for properties and fuzzing. */
import fc from "fast-check";
import type {
  BatchReference,
  Block,
  Body,
  Certificate,
  CoverageChange,
  Digest,
  GovernanceTransaction,
  Header,
  Proposal,
  Vote,
} from "../../consensus/types.ts";
import { digest, epoch, height, seatIndex, view, zeroDigest } from "../../consensus/types.ts";
import { type Batch, buildBatch } from "../batch.ts";
import { sealBlock } from "../block.ts";
import {
  buildMessage,
  checkMessage,
  creditTransfer,
  type PaymentMessage,
  type PaymentRecord,
  recordLength,
  writeRecord,
} from "../payment-message.ts";
import type { Gossip } from "../peer.ts";
import type { PrivateItem } from "../private-payload.ts";

export const bytesOf = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
export const someDigest: fc.Arbitrary<Digest> = bytesOf(32).map((bytes) => digest(Buffer.from(bytes).toString("hex")));
const u64 = fc.oneof(fc.nat(1_000), fc.maxSafeNat());
const u32 = fc.nat(0xffff_ffff);
const name = fc.oneof(
  fc.constant(""),
  fc.constantFrom("EU", "eu-west", "São Paulo", "東京"),
  fc.string({ maxLength: 12 }),
);

const voteKind = fc.constantFrom("notarize", "nullify", "finalize", "suspect", "sight");
const ballot = fc
  .record({ kind: voteKind, epoch: u64.map(epoch), view: u64.map(view), block: someDigest })
  .map((value) => (value.kind === "nullify" ? { ...value, block: zeroDigest } : value));

export const certificates: fc.Arbitrary<Certificate> = fc
  .tuple(ballot, fc.uniqueArray(fc.nat(200), { minLength: 1, maxLength: 20 }), bytesOf(96))
  .map(([of, seats, signature]) => ({ ...of, signers: seats.sort((a, b) => a - b).map(seatIndex), signature }));

const votes: fc.Arbitrary<Vote> = fc
  .tuple(ballot, u32.map(seatIndex), bytesOf(96))
  .map(([of, signer, signature]) => ({ ...of, signer, signature }));

export const headers: fc.Arbitrary<Header> = fc.record({
  chainId: someDigest,
  epoch: u64.map(epoch),
  view: u64.map(view),
  height: u64.map(height),
  parentView: u64.map(view),
  parent: someDigest,
  time: u64,
  proposer: u64.map(seatIndex),
  closing: fc.boolean(),
  rootHeight: u64.map(height),
  root: someDigest,
  bodyHash: someDigest,
  reveal: fc.option(bytesOf(96), { nil: undefined }),
});

const references: fc.Arbitrary<BatchReference> = fc.record({
  digest: someDigest,
  payments: u32,
  bytes: u32,
  zone: name,
});
const governance: fc.Arbitrary<GovernanceTransaction> = fc.record({
  bytes: fc.uint8Array({ maxLength: 80 }),
  closesEpoch: fc.boolean(),
});
const changes: fc.Arbitrary<CoverageChange> = fc.record({
  kind: fc.constantFrom("degrade-region", "restore-region"),
  region: name,
  certificate: certificates,
});

export const bodies: fc.Arbitrary<Body> = fc.record({
  batches: fc.array(references, { maxLength: 6 }),
  governance: fc.array(governance, { maxLength: 3 }),
  coverage: fc.array(changes, { maxLength: 2 }),
});

export const blocks: fc.Arbitrary<Block> = fc
  .tuple(headers, bodies)
  .map(([header, body]) => sealBlock(header, body, header.reveal));

const proposals: fc.Arbitrary<Proposal> = fc.record({
  block: blocks,
  signature: bytesOf(64),
  finalization: fc.option(certificates, { nil: undefined }),
});

const records: fc.Arbitrary<PaymentRecord> = fc.record({
  uetr: bytesOf(16),
  debtor: u32,
  creditor: u32,
  amount: fc.maxSafeNat(),
  currency: fc.nat(0xffff),
  purpose: fc.nat(0xffff),
  valueDate: u32,
  commitment: bytesOf(24),
});

/** The records' bytes, one after the other. */
function packed(payments: readonly PaymentRecord[]): Uint8Array {
  const bytes = new Uint8Array(payments.length * recordLength);
  for (const [i, record] of payments.entries()) writeRecord(bytes, i, record);
  return bytes;
}

function messagesOf(zone: fc.Arbitrary<number>): fc.Arbitrary<PaymentMessage> {
  const fields = fc.record({
    kind: fc.constant(creditTransfer),
    institution: u32,
    zone,
    atomic: fc.boolean(),
    messageKey: bytesOf(32),
    chainId: someDigest,
    expiry: u64,
    privateRoot: bytesOf(32),
  });
  return fc
    .tuple(fields, fc.array(records, { minLength: 1, maxLength: 5 }), bytesOf(64))
    .map(([header, payments, signature]) => {
      const checked = checkMessage(buildMessage(header, packed(payments), () => signature));
      if (checked.kind === "refused") throw new Error(checked.error.reason);
      return checked.value;
    });
}

export const messages: fc.Arbitrary<PaymentMessage> = messagesOf(fc.nat(0xffff));

export const batches: fc.Arbitrary<Batch> = fc
  .nat(0xffff)
  .chain((zone) => fc.array(messagesOf(fc.constant(zone)), { minLength: 1, maxLength: 4 }))
  .map((parts) => buildBatch(parts[0]?.header.zone ?? 0, parts));

export const privatePayloads: fc.Arbitrary<readonly PrivateItem[]> = fc.array(
  fc.record({ salt: bytesOf(16), content: fc.uint8Array({ maxLength: 40 }) }),
  { minLength: 1, maxLength: 5 },
);

const announcements = fc.record({
  digest: someDigest,
  payments: fc.nat(8_000),
  bytes: fc.nat(512 * 1024),
  zone: name,
  holders: fc.array(u32.map(seatIndex), { maxLength: 8 }),
});

export const gossip: fc.Arbitrary<Gossip> = fc.oneof(
  proposals.map((proposal) => ({ kind: "proposal", proposal }) as const),
  votes.map((vote) => ({ kind: "vote", vote }) as const),
  certificates.map((certificate) => ({ kind: "certificate", certificate }) as const),
  announcements.map((batch) => ({ kind: "batch", batch }) as const),
  fc.uint8Array({ maxLength: 60 }).map((transaction) => ({ kind: "governance", transaction }) as const),
);
