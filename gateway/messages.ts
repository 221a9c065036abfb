/** From checked payments to numbered signed messages with their private payloads. */
import type { Directory } from "./directory.ts";
import type { CreditTransfer } from "./iso20022/message.ts";
import { writePrivateFields } from "./iso20022/private-fields.ts";
import { uuidToBytes } from "./iso20022/uetr.ts";
import type { Payment } from "./iso20022/validate.ts";
import { type Salts, type Signer, sha256 } from "./signing.ts";
import { buildMessage } from "./wire.ts";

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

/** Most payments of one message: what fits one batch. */
export const MAX_PAYMENTS = 8000;
/** Private bytes of one message: a message and its private payload travel to the zone's members in one push. */
const MAX_PRIVATE_BYTES = 2 * 1024 * 1024;

const utf8 = new TextEncoder();

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
    if (chunk.length === MAX_PAYMENTS || (chunk.length > 0 && bytes + content.length > MAX_PRIVATE_BYTES)) {
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

/** The key of a part of a file: its MsgId, numbered from the second part on. */
export function messageKeyOf(messageId: string, part: number): Uint8Array {
  return sha256(part === 1 ? messageId : `${messageId}#${part}`);
}

function buildPart(
  messageId: string,
  part: number,
  payments: readonly Payment[],
  contents: readonly Uint8Array[],
  options: BuildOptions,
): SignedMessage {
  const key = messageKeyOf(messageId, part);
  const salts = options.salts.for(options.institution, key, payments.length);
  const records = payments.map((payment, at) => ({
    uetr: uuidToBytes(payment.uetr),
    debtorAccount: payment.debtorAccount,
    creditorAccount: payment.creditorAccount,
    amount: payment.amount,
    currency: payment.currency,
    valueDate: payment.valueDate,
    salt: salts.subarray(16 * at, 16 * at + 16),
    content: contents[at]!,
  }));
  const built = buildMessage({
    institution: options.institution,
    zone: zoneIndex(options),
    atomic: options.atomic,
    messageKey: key,
    chainId: options.directory.chainId,
    expiry: options.expiry,
    records,
    sign: (bytes) => options.signer.sign(bytes),
  });
  return {
    key,
    hash: built.hash,
    count: payments.length,
    message: built.message,
    privatePayload: built.privatePayload,
  };
}

/** Zones count from 1 in messages; 0 is none. */
function zoneIndex({ zone, directory }: BuildOptions): number {
  return zone === undefined ? 0 : directory.zones.indexOf(zone) + 1;
}
