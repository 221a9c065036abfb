/**
 * The fields of a payment that never enter a block: the private payload's content for one payment. JSON in UTF-8 with
 * these keys in this order; parties, accounts and remittance are the XML of the original, so that nothing is lost.
 */
import { z } from "zod";
import type { Transaction, Version } from "./message.ts";

const schema = z.strictObject({
  /** Version of pacs.008 the XML is of. */
  version: z.int().min(2).max(13),
  /** MsgId of the file it came in. */
  messageId: z.string().max(140),
  instructionId: z.string().max(140).optional(),
  endToEndId: z.string().max(140),
  transactionId: z.string().max(140).optional(),
  clearingSystemReference: z.string().max(140).optional(),
  paymentType: z.string(),
  terms: z.string(),
  parties: z.string(),
});

/** The private fields of a payment. */
export type PrivateFields = z.infer<typeof schema>;

/** The content for one payment of a file. */
export function writePrivateFields(
  version: Version,
  messageId: string,
  groupPaymentType: string,
  transaction: Transaction,
): string {
  return JSON.stringify({
    version,
    messageId,
    instructionId: transaction.instructionId,
    endToEndId: transaction.endToEndId,
    transactionId: transaction.transactionId,
    clearingSystemReference: transaction.clearingSystemReference,
    paymentType: transaction.paymentType === "" ? groupPaymentType : transaction.paymentType,
    terms: transaction.terms,
    parties: transaction.parties,
  });
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Reads one payment's content; undefined when another program wrote something else. */
export function readPrivateFields(content: Uint8Array): PrivateFields | undefined {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(content));
  } catch {
    return undefined;
  }
  const parsed = schema.safeParse(value);
  return parsed.success ? parsed.data : undefined;
}
