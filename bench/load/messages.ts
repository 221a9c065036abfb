/** Signed messages, encoded as the bodies of their calls before anything is measured. */
import { randomFillSync } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { SubmitRequestSchema } from "../../proto/validator/v1/validator_pb.js";
import {
  buildMessage,
  creditTransfer,
  messageKey,
  recordLength,
  recordOffset,
} from "../../validator/codec/payment-message.ts";
import { digest } from "../../validator/consensus/types.ts";
import { ed25519Signer } from "../../validator/crypto/ed25519.ts";
import type { SwarmTarget } from "./protocol.ts";

/** One message ready to be sent, to any validator and again. */
export interface PreparedMessage {
  /** Its message key, hexadecimal: how the settlement streams name it. */
  readonly key: string;
  readonly payments: number;
  /** What is sent, encoded: for validators a `SubmitRequest`, for CometBFT a JSON-RPC call. */
  readonly body: Uint8Array;
}

/** Makes messages one after the other, the senders in turn, every record another payment between random accounts. */
export function createMessageMaker(target: SwarmTarget): (payments: number) => PreparedMessage {
  const senders = target.institutions.map(({ index, seed }) => {
    const own = target.accounts.filter(({ institution }) => institution === index);
    return {
      index,
      signer: ed25519Signer(Buffer.from(seed, "hex")),
      debtors: own.map((account) => ({
        ...account,
        creditors: target.accounts.filter(({ institution, code }) => institution !== index && code === account.code),
      })),
    };
  });
  const chainId = digest(target.chainId);
  const run = Buffer.from(randomFillSync(new Uint8Array(8))).toString("hex");
  const draw = generator(0x9e3779b9);
  let made = 0;

  return (payments) => {
    const sender = senders[made % senders.length];
    if (sender === undefined) throw new Error("the chain has no institution");
    const records = new Uint8Array(payments * recordLength);
    // UETRs are random; the fields that execution reads are written over.
    randomFillSync(records);
    const view = new DataView(records.buffer);
    for (let at = 0; at < payments; at++) {
      const debtor = sender.debtors[draw() % sender.debtors.length];
      const creditor = debtor?.creditors[draw() % debtor.creditors.length];
      if (debtor === undefined || creditor === undefined) throw new Error("a sender without accounts");
      const start = at * recordLength;
      view.setUint32(start + recordOffset.debtor, debtor.index, true);
      view.setUint32(start + recordOffset.creditor, creditor.index, true);
      view.setBigUint64(start + recordOffset.amount, 1n, true);
      view.setUint16(start + recordOffset.currency, debtor.code, true);
      view.setUint16(start + recordOffset.purpose, 0, true);
      view.setUint32(start + recordOffset.valueDate, 20_260_101, true);
      records.fill(0, start + recordOffset.commitment, start + recordLength);
    }
    const key = messageKey(`bench-${run}-${made++}`);
    const message = buildMessage(
      {
        kind: creditTransfer,
        institution: sender.index,
        zone: 0,
        atomic: false,
        messageKey: key,
        chainId,
        expiry: target.expiry,
        privateRoot: new Uint8Array(32),
      },
      records,
      sender.signer.sign,
    );
    return {
      key: Buffer.from(key).toString("hex"),
      payments,
      body: toBinary(SubmitRequestSchema, create(SubmitRequestSchema, { message })),
    };
  };
}

/** xorshift32: which accounts pay whom need not be unpredictable, only spread and the same at every run. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
