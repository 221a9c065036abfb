/**
 * From a settled block to the feeds: for each institution of this gateway that was credited, its private fields are
 * fetched from the vault, checked against the message that settled, and written as its own pacs.008.
 */
import { createHash } from "node:crypto";
import { Code, ConnectError } from "@connectrpc/connect";
import type { MessageOutcome, SettledBlock } from "../proto/validator/v1/validator_pb.js";
import { checkMessage, messageHash, type PaymentMessage, readRecord } from "../validator/codec/payment-message.ts";
import { decodePrivatePayload, matchesMessage, type PrivateItem } from "../validator/codec/private-payload.ts";
import type { Directory } from "./directory.ts";
import type { FeedEntry } from "./feed.ts";
import { currencyByNumber } from "./iso20022/currencies.ts";
import { type SettledPayment, writeDelivery } from "./iso20022/deliver.ts";
import { nameOf } from "./iso20022/message.ts";
import { readPrivateFields } from "./iso20022/private-fields.ts";
import { uuidFromBytes } from "./iso20022/uetr.ts";
import type { Validator } from "./validators.ts";

/** A settled message with what its vault keeps, checked against the hash that validators agreed on. */
export interface OpenedMessage {
  readonly message: PaymentMessage;
  /** Undefined when the message commits to no private payload. */
  readonly items: readonly PrivateItem[] | undefined;
}

/** A settled message, or the seats that say they have none of it. */
export type Fetched =
  | { readonly kind: "found"; readonly opened: OpenedMessage }
  | { readonly kind: "missing"; readonly absentAt: ReadonlySet<string> };

/** Fetches a settled message and its private payload from the first validator that serves them as they must be. */
export async function fetchMessage(
  validators: readonly Validator[],
  outcome: MessageOutcome,
  timeoutMs: number,
): Promise<Fetched> {
  const absentAt = new Set<string>();
  for (const { seat, client } of validators) {
    try {
      const { content, signed } = await client.getPrivate({ message: outcome.message }, { timeoutMs });
      const opened = openMessage(outcome.message, signed, content);
      if (opened !== undefined) return { kind: "found", opened };
    } catch (error) {
      if (ConnectError.from(error).code === Code.NotFound) absentAt.add(seat);
    }
  }
  return { kind: "missing", absentAt };
}

/** Checks what a validator served: the message against its hash, the private payload against the message. */
function openMessage(hash: Uint8Array, signed: Uint8Array, content: Uint8Array): OpenedMessage | undefined {
  const message = checkMessage(signed);
  if (message.kind === "refused" || Buffer.compare(messageHash(signed), hash) !== 0) return undefined;
  if (message.value.header.privateRoot.every((byte) => byte === 0)) return { message: message.value, items: undefined };
  const items = decodePrivatePayload(content);
  if (items.kind === "refused" || !matchesMessage(message.value, items.value)) return undefined;
  return { message: message.value, items: items.value };
}

/** A message's place in the chain. */
export interface Place {
  readonly block: Pick<SettledBlock, "height" | "time">;
  /** Position of the message in its block. */
  readonly position: number;
}

/** The feed entry for one credited institution: its settled payments of the message, in the version they came in. */
export function deliveryEntry(
  outcome: MessageOutcome,
  opened: OpenedMessage,
  creditor: number,
  place: Place,
  directory: Directory,
): FeedEntry | undefined {
  const payments = paymentsTo(outcome, opened, creditor, directory);
  if (payments.length === 0) return undefined;
  const bicOf = (institution: number): string => directory.institutions.get(institution)?.bic ?? "";
  const messageId = deliveryId(outcome.message, creditor);
  const version = payments[0]?.fields?.version ?? 8;
  const time = Number(place.block.time);
  const xml = writeDelivery({
    messageId,
    time,
    version,
    instructingAgent: bicOf(outcome.institution),
    instructedAgent: bicOf(creditor),
    payments,
  });
  return {
    kind: "pacs.008",
    height: Number(place.block.height),
    position: place.position,
    name: nameOf(version),
    messageId,
    from: bicOf(outcome.institution),
    settled: new Date(time).toISOString(),
    uetrs: payments.map(({ uetr }) => uetr),
    xml,
  };
}

function paymentsTo(
  outcome: MessageOutcome,
  { message, items }: OpenedMessage,
  creditor: number,
  directory: Directory,
): SettledPayment[] {
  const payments: SettledPayment[] = [];
  for (let at = 0; at < message.header.count; at++) {
    if ((outcome.reasons[at] ?? 0) !== 0) continue;
    const record = readRecord(message.records, at);
    if (directory.accounts.get(record.creditor)?.institution !== creditor) continue;
    const item = items?.[at];
    payments.push({
      uetr: uuidFromBytes(record.uetr),
      amount: BigInt(record.amount),
      currency: currencyByNumber(record.currency) ?? { code: "XXX", digits: 0 },
      valueDate: record.valueDate,
      fields: item === undefined ? undefined : readPrivateFields(item.content),
    });
  }
  return payments;
}

/** The same message delivered to the same institution has the same id. */
function deliveryId(message: Uint8Array, creditor: number): string {
  const id = createHash("sha256").update("delivery").update(message).update(String(creditor)).digest("hex");
  return `D${id.slice(0, 34)}`;
}
