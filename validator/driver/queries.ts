/** Questions of clients: a message, a payment, a proof, a private payload. Answers come from memory where it reaches, else from the log. */
import { bytesEqual, toHex } from "../codec/bytes.ts";
import { creditTransfer, type PaymentMessage, recordLength } from "../codec/payment-message.ts";
import type { State } from "../consensus/state.ts";
import type { Height } from "../consensus/types.ts";
import { height as toHeight } from "../consensus/types.ts";
import { messageHashKind, messageKeyKind } from "../ledger/execute.ts";
import type { BlockOutcome } from "../ledger/outcome.ts";
import type { MessageOutcome } from "../ledger/types.ts";
import type { Store } from "../storage/types.ts";
import type { Batches } from "./batches.ts";
import type { ChainView } from "./chain-view.ts";
import type { MessageIndex } from "./message-index.ts";
import type { Clock } from "./ports.ts";
import type { MessageState, PaymentState, PrivateResult, ValidatorServices } from "./services.ts";
import type { Settlement } from "./settlement.ts";

export interface QueriesOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly batches: Batches;
  readonly index: MessageIndex;
  readonly settlement: Settlement;
  readonly chain: ChainView;
  readonly state: () => State;
  /** Blocks up to it are of the chain that this one was restored from; 0: of none. */
  readonly baseHeight: number;
}

interface ExecutedMessage {
  readonly height: Height;
  readonly outcome: MessageOutcome;
}

export interface Queries extends Pick<ValidatorServices, "message" | "payment" | "privatePayload"> {
  /**
   * The message of this key that a block has; undefined when none is remembered. One of which every payment was
   * rejected is known by its hash for as long as the executed keys are, and from then on by its key too.
   */
  executedMessage(institution: number, messageKey: Uint8Array, hash?: Uint8Array): Promise<ExecutedMessage | undefined>;
  /** The message's id was used up on the chain that this one was restored from: no block of it is here. */
  executedBefore(institution: number, messageKey: Uint8Array): boolean;
}

/** Outcomes read from the log before everything else gets a turn. */
const readAtOnce = 64;

export function createQueries(options: QueriesOptions): Queries {
  const { clock, store, batches, index, settlement, state } = options;

  async function executedMessage(
    institution: number,
    messageKey: Uint8Array,
    hash?: Uint8Array,
  ): Promise<ExecutedMessage | undefined> {
    const location = store.keys.find(creditTransfer | messageKeyKind, institution, messageKey, 0);
    const rejected = hash && store.keys.find(creditTransfer | messageHashKind, institution, hash, 0);
    const known = (location ?? rejected)?.height ?? settlement.heightOfMessage(institution, messageKey);
    const block = known === undefined ? undefined : await settlement.outcome(toHeight(known));
    // Several rejected messages of a block may have one id.
    const isIt = (message: MessageOutcome) =>
      message.institution === institution &&
      (rejected && !location ? bytesEqual(message.messageHash, hash) : bytesEqual(message.messageKey, messageKey));
    const outcome = block?.messages.find(isIt);
    if (!block || !outcome) return undefined;
    if (rejected && !location) settlement.recall(block.height, outcome);
    return { height: block.height, outcome };
  }

  async function message(institution: number, messageKey: Uint8Array): Promise<MessageState> {
    const done = await executedMessage(institution, messageKey);
    if (done) {
      const { height, outcome } = done;
      return height <= settlement.height ? { kind: "settled", height, outcome } : { kind: "ordered", height };
    }
    const held = index.find(institution, messageKey);
    if (!held) return { kind: "unknown" };
    const height = state().finalBatches.get(held.batch);
    return height === undefined ? { kind: "pending" } : { kind: "ordered", height };
  }

  /** The signed message with this hash in the block at this height. */
  async function signedMessage(height: Height, hash: Uint8Array): Promise<PaymentMessage | undefined> {
    const final = await store.finalBlock(height);
    for (const { digest } of final?.block.body.batches ?? []) {
      const stored = await batches.load(digest);
      const at = stored?.batch.hashes.findIndex((other) => bytesEqual(other, hash)) ?? -1;
      if (stored && at >= 0) return stored.batch.messages[at];
    }
    return undefined;
  }

  async function executedPayment(institution: number, uetr: Uint8Array): Promise<PaymentState | undefined> {
    const location = store.keys.find(creditTransfer, institution, uetr, 0);
    if (!location) return undefined;
    const height = toHeight(location.height);
    const block = await settlement.outcome(height);
    const found = block && atPosition(block, location.position);
    const signed = found && (await signedMessage(height, found.message.messageHash));
    if (!found || !signed) return undefined;
    const record = recordAt(signed, found.offset);
    // Positions of keys that came with a peer's checkpoint are certified in their order only.
    if (!bytesEqual(record.subarray(0, 16), uetr)) return undefined;
    const { messageKey } = found.message;
    if (height > settlement.height) return { kind: "ordered", height, messageKey, record };
    return { kind: "settled", height, code: found.message.codes[found.offset] ?? 0, messageKey, record };
  }

  /** A payment that consumed no key: it waits, or was rejected not long ago. Found by looking through what memory holds. */
  async function otherPayment(institution: number, uetr: Uint8Array): Promise<PaymentState> {
    for (const digest of [...batches.recentDigests()].reverse()) {
      const stored = batches.recent(digest);
      const found = stored && findRecord(stored.batch.messages, institution, uetr);
      if (!found) continue;
      const { messageKey } = found.message.header;
      const common = { messageKey, record: recordAt(found.message, found.offset) };
      const status = await message(institution, messageKey);
      if (status.kind === "unknown") continue;
      if (status.kind === "pending") return { kind: "pending", ...common };
      if (status.kind === "ordered") return { kind: "ordered", height: status.height, ...common };
      return { kind: "settled", height: status.height, code: status.outcome.codes[found.offset] ?? 0, ...common };
    }
    return { kind: "unknown" };
  }

  /** Height of the message with this hash: from memory, else from the retained outcomes, newest first. */
  async function heightOfHash(hash: Uint8Array): Promise<Height | undefined> {
    const known = settlement.heightOfHash(hash);
    if (known !== undefined) return known;
    for (let at = settlement.height; at >= Math.max(1, store.lowestHeight); at = toHeight(at - 1)) {
      if (at % readAtOnce === 0) await clock.yield();
      const block = await settlement.outcome(at);
      if (block?.messages.some(({ messageHash }) => bytesEqual(messageHash, hash))) return at;
    }
    return undefined;
  }

  async function privatePayload(hash: Uint8Array): Promise<PrivateResult> {
    const height = await heightOfHash(hash);
    if (height === undefined || height > settlement.height)
      return { kind: "none", reason: "the message is not settled" };
    const block = await settlement.outcome(height);
    const outcome = block?.messages.find(({ messageHash }) => bytesEqual(messageHash, hash));
    const signed = outcome && (await signedMessage(height, hash));
    if (!outcome || !signed) return { kind: "none", reason: "its block is no longer kept here" };
    const content = (await store.privatePayload(toHex(hash))) ?? nothingPrivate(signed);
    if (!content) return { kind: "none", reason: "this validator is not of the message's zone, or keeps it no longer" };
    const { institution, creditors } = outcome;
    return { kind: "found", content, signed: signed.bytes, institution, creditors };
  }

  return {
    executedMessage,
    executedBefore(institution, messageKey) {
      const location = store.keys.find(creditTransfer | messageKeyKind, institution, messageKey, 0);
      return location !== undefined && location.height <= options.baseHeight;
    },
    message,
    async payment(institution, uetr) {
      return (await executedPayment(institution, uetr)) ?? (await otherPayment(institution, uetr));
    },
    privatePayload,
  };
}

/** The empty payload of a message that commits to none. */
function nothingPrivate({ header }: PaymentMessage): Uint8Array | undefined {
  return header.privateRoot.every((byte) => byte === 0) ? new Uint8Array(0) : undefined;
}

/** The message and the payment in it at a position of a block: positions count the payments of executed messages. */
function atPosition(
  block: BlockOutcome,
  position: number,
): { readonly message: MessageOutcome; readonly offset: number } | undefined {
  let first = 0;
  for (const message of block.messages) {
    if (position < first + message.payments) return { message, offset: position - first };
    first += message.payments;
  }
  return undefined;
}

function recordAt(message: PaymentMessage, index: number): Uint8Array {
  return message.records.slice(index * recordLength, (index + 1) * recordLength);
}

function findRecord(
  messages: readonly PaymentMessage[],
  institution: number,
  uetr: Uint8Array,
): { readonly message: PaymentMessage; readonly offset: number } | undefined {
  for (const message of messages) {
    if (message.header.institution !== institution) continue;
    for (let i = 0; i < message.header.count; i++) {
      const start = i * recordLength;
      if (bytesEqual(message.records.subarray(start, start + 16), uetr)) return { message, offset: i };
    }
  }
  return undefined;
}
