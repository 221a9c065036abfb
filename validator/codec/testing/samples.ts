/** One fixed value of every signed or hashed shape: what the golden vectors are made of. */
import type { Ballot, Block, Body, Certificate, Digest, Header, VoteKind } from "../../consensus/types.ts";
import { digest, epoch, height, seatIndex, view, zeroDigest } from "../../consensus/types.ts";
import { type Batch, buildBatch } from "../batch.ts";
import { sealBlock } from "../block.ts";
import {
  buildMessage,
  checkMessage,
  creditTransfer,
  messageKey,
  type PaymentMessage,
  type PaymentRecord,
  recordLength,
  writeRecord,
} from "../payment-message.ts";
import { commitment, type PrivateItem, privateRoot } from "../private-payload.ts";

/** `count` bytes that count up from `start`. */
export function counting(start: number, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => (start + i) & 0xff);
}

const named = (start: number): Digest => digest(Buffer.from(counting(start, 32)).toString("hex"));

export const sampleChain: Digest = named(0xc0);
export const voteKinds: readonly VoteKind[] = ["notarize", "nullify", "finalize", "suspect", "sight"];

export function sampleBallot(kind: VoteKind): Ballot {
  return { kind, epoch: epoch(3), view: view(70_000), block: kind === "nullify" ? zeroDigest : named(0xb0) };
}

export function sampleCertificate(kind: VoteKind): Certificate {
  return { ...sampleBallot(kind), signers: [0, 2, 3, 9].map(seatIndex), signature: counting(0x10, 96) };
}

export const sampleBody: Body = {
  batches: [
    { digest: named(0x01), payments: 8_000, bytes: 512_240, zone: "" },
    { digest: named(0x02), payments: 3, bytes: 432, zone: "EU" },
  ],
  governance: [{ bytes: counting(0x30, 10), closesEpoch: true }],
  coverage: [{ kind: "degrade-region", region: "eu-west", certificate: sampleCertificate("suspect") }],
};

const header: Omit<Header, "bodyHash" | "reveal"> = {
  chainId: sampleChain,
  epoch: epoch(3),
  view: view(70_000),
  height: height(2 ** 40 + 1),
  parentView: view(69_998),
  parent: named(0xa0),
  time: 1_767_225_600_123,
  proposer: seatIndex(2),
  closing: true,
  rootHeight: height(2 ** 40 - 7),
  root: named(0xd0),
};

export const sampleBlock: Block = sealBlock(header, sampleBody, counting(0x50, 96));
export const emptyBlock: Block = sealBlock(
  { ...header, closing: false },
  { batches: [], governance: [], coverage: [] },
  undefined,
);

export const samplePrivate: readonly PrivateItem[] = [1, 2, 3].map((i) => ({
  salt: counting(i, 16),
  content: new TextEncoder().encode(`{"remittance":"invoice ${i}"}`),
}));

export const sampleRecords: readonly PaymentRecord[] = samplePrivate.map((item, i) => ({
  uetr: counting(0x70 + i, 16),
  debtor: 7,
  creditor: 4_000_000_000 + i,
  amount: [1, 123_456_789_012, Number.MAX_SAFE_INTEGER][i] ?? 0,
  currency: 978,
  purpose: 0x0102,
  valueDate: 20_260_102,
  commitment: commitment(item),
}));

function sampleMessage(id: string, records: readonly PaymentRecord[], root: Uint8Array): PaymentMessage {
  const packed = new Uint8Array(records.length * recordLength);
  for (const [i, record] of records.entries()) writeRecord(packed, i, record);
  const fields = {
    kind: creditTransfer,
    institution: 5,
    zone: 1,
    atomic: true,
    messageKey: messageKey(id, 2),
    chainId: sampleChain,
    expiry: 1_767_312_000_000,
    privateRoot: root,
  };
  const checked = checkMessage(buildMessage(fields, packed, () => counting(0x80, 64)));
  if (checked.kind === "refused") throw new Error(checked.error.reason);
  return checked.value;
}

export const samplePayments: PaymentMessage = sampleMessage("MSG-1", sampleRecords, privateRoot(samplePrivate));
export const sampleBatch: Batch = buildBatch(1, [
  samplePayments,
  sampleMessage("MSG-2", sampleRecords.slice(0, 1), new Uint8Array(32)),
]);
