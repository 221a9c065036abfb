/** From checked payments to numbered signed messages with their private payloads. */
import { createHash } from "node:crypto";
import { merkleRoot } from "../validator/codec/merkle.ts";
import {
  buildMessage,
  creditTransfer,
  maxMessagePayments,
  messageHash,
  messageKey,
  recordLength,
  writeRecord,
} from "../validator/codec/payment-message.ts";
import { encodePrivatePayload, maxPrivateContent, type PrivateItem } from "../validator/codec/private-payload.ts";
import type { Digest } from "../validator/consensus/types.ts";
import type { Directory } from "./directory.ts";
import type { CreditTransfer, Transaction, Version } from "./iso20022/message.ts";
import { writePrivateFields } from "./iso20022/private-fields.ts";
import { uuidToBytes } from "./iso20022/uetr.ts";
import type { Payment } from "./iso20022/validate.ts";
import type { Salts, Signer } from "./signing.ts";

/** One signed message of a file. */
export interface SignedMessage {
  /** sha256 over MsgId and part number: names the message together with its institution. */
  readonly key: Uint8Array;
  readonly hash: Uint8Array;
  readonly count: number;
  /** Canonical bytes, as submitted. */
  readonly message: Uint8Array;
  readonly privatePayload: Uint8Array;
}

export interface BuildOptions {
  readonly institution: number;
  readonly directory: Directory;
  readonly zone: string | undefined;
  readonly atomic: boolean;
  /** ms since the Unix epoch. */
  readonly expiry: number;
  readonly signer: Signer;
  readonly salts: Salts;
}

/** Private bytes of one message: a message and its private payload travel to the zone's members in one push. */
const MAX_PRIVATE_BYTES = 2 * 1024 * 1024;

const utf8 = new TextEncoder();

/** True when the payment's private content fits what a message may hold of one payment. */
export function fitsPrivateContent(
  version: Version,
  messageId: string,
  groupPaymentType: string,
  transaction: Transaction,
): boolean {
  const { paymentType, terms, parties } = transaction;
  // Three bytes per UTF-16 unit at most, quotes doubled; the references beside it are short.
  if (paymentType.length + groupPaymentType.length + terms.length + parties.length < maxPrivateContent / 4) return true;
  return utf8.encode(writePrivateFields(version, messageId, groupPaymentType, transaction)).length <= maxPrivateContent;
}

/** Builds the messages of a file. The same input gives the same bytes. */
export function* buildMessages(
  transfer: CreditTransfer,
  messageId: string,
  payments: readonly Payment[],
  options: BuildOptions,
): Generator<SignedMessage> {
  let part = 1;
  let chunk: Payment[] = [];
  let contents: Uint8Array[] = [];
  let bytes = 0;
  for (const payment of payments) {
    const content = utf8.encode(
      writePrivateFields(transfer.version, messageId, transfer.group.paymentType, payment.transaction),
    );
    if (chunk.length === maxMessagePayments || (chunk.length > 0 && bytes + content.length > MAX_PRIVATE_BYTES)) {
      yield buildPart(messageId, part++, chunk, contents, options);
      chunk = [];
      contents = [];
      bytes = 0;
    }
    chunk.push(payment);
    contents.push(content);
    bytes += content.length + 20;
  }
  if (chunk.length > 0) yield buildPart(messageId, part, chunk, contents, options);
}

function buildPart(
  messageId: string,
  part: number,
  payments: readonly Payment[],
  contents: readonly Uint8Array[],
  options: BuildOptions,
): SignedMessage {
  const key = messageKey(messageId, part);
  const salts = options.salts.for(options.institution, key, payments.length);
  const records = new Uint8Array(recordLength * payments.length);
  const leaves = new Uint8Array(32 * payments.length);
  const items: PrivateItem[] = [];
  for (const [at, payment] of payments.entries()) {
    const item = { salt: salts.subarray(16 * at, 16 * at + 16), content: contents[at]! };
    // privateLeaf of the codec by the faster hash of this platform: the private content is the bulk of the bytes here.
    const leaf = createHash("sha256").update(item.salt).update(item.content).digest();
    leaves.set(leaf, 32 * at);
    items.push(item);
    writeRecord(records, at, {
      uetr: uuidToBytes(payment.uetr),
      debtor: payment.debtorAccount,
      creditor: payment.creditorAccount,
      amount: Number(payment.amount),
      currency: payment.currency,
      purpose: 0,
      valueDate: payment.valueDate,
      commitment: leaf.subarray(0, 24),
    });
  }
  const fields = {
    kind: creditTransfer,
    institution: options.institution,
    zone: zoneIndex(options),
    atomic: options.atomic,
    messageKey: key,
    chainId: Buffer.from(options.directory.chainId).toString("hex") as Digest,
    expiry: options.expiry,
    privateRoot: merkleRoot(leaves),
  };
  const message = buildMessage(fields, records, (bytes) => options.signer.sign(bytes));
  return {
    key,
    hash: messageHash(message),
    count: payments.length,
    message,
    privatePayload: encodePrivatePayload(items),
  };
}

/** Zones count from 1 in messages; 0 is none. */
function zoneIndex({ zone, directory }: BuildOptions): number {
  return zone === undefined ? 0 : directory.zones.indexOf(zone) + 1;
}
