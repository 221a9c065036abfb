/** What execution made of a block, as it is kept on disk for the streams of settlements. */

import { type Reader, reader, type Writer, writer } from "../codec/bytes.ts";
import { type Decoded, decoded, refused } from "../codec/result.ts";
import type { Digest, Height } from "../consensus/types.ts";
import { height as toHeight } from "../consensus/types.ts";
import type { MessageOutcome } from "./types.ts";

/** One executed block's results. */
export interface BlockOutcome {
  readonly height: Height;
  readonly root: Digest;
  /** 32 bytes. */
  readonly receiptsRoot: Uint8Array;
  readonly messages: readonly MessageOutcome[];
  /** Whether each governance transaction of the block was granted, in order. */
  readonly granted: readonly boolean[];
}

const magic = 0x314f5356;

/** Codes are written only when one of them is not 0: settled payments cost nothing. */
export function encodeOutcome(outcome: BlockOutcome): Uint8Array {
  const out = writer(128 + 96 * outcome.messages.length);
  out.u32(magic);
  out.u64(outcome.height);
  out.digest(outcome.root);
  out.bytes(outcome.receiptsRoot);
  out.u16(outcome.granted.length);
  for (const granted of outcome.granted) out.u8(granted ? 1 : 0);
  out.u32(outcome.messages.length);
  for (const message of outcome.messages) writeMessage(out, message);
  return out.finish();
}

function writeMessage(out: Writer, message: MessageOutcome): void {
  out.u32(message.institution);
  out.bytes(message.messageKey);
  out.bytes(message.messageHash);
  out.u32(message.payments);
  out.u32(message.settled);
  const plain = message.codes.every((code) => code === 0);
  out.u8(plain ? 0 : 1);
  if (!plain) out.bytes(message.codes);
  out.u32(message.creditors.length);
  for (const creditor of message.creditors) out.u32(creditor);
}

export function decodeOutcome(bytes: Uint8Array): Decoded<BlockOutcome> {
  const input = reader(bytes);
  if (input.u32() !== magic) return refused("outcome: magic");
  const height = toHeight(input.u64());
  const root = input.digest();
  const receiptsRoot = input.bytes(32);
  const transactions = input.u16();
  const granted: boolean[] = [];
  for (let i = 0; i < transactions && !input.failed; i++) granted.push(input.u8() === 1);
  const count = input.u32();
  const messages: MessageOutcome[] = [];
  for (let i = 0; i < count && !input.failed; i++) messages.push(readMessage(input));
  if (input.failed || input.left > 0) return refused("outcome: not its layout");
  return decoded({ height, root, receiptsRoot, messages, granted });
}

function readMessage(input: Reader): MessageOutcome {
  const institution = input.u32();
  const messageKey = input.bytes(32);
  const messageHash = input.bytes(32);
  const payments = input.u32();
  const settled = input.u32();
  const plain = input.u8() === 0;
  // A count that the bytes cannot hold fails the read below before anything of its size is made.
  const codes = plain ? new Uint8Array(input.failed || payments > maxPayments ? 0 : payments) : input.bytes(payments);
  const creditors: number[] = [];
  const count = input.u32();
  for (let i = 0; i < count && !input.failed; i++) creditors.push(input.u32());
  return { institution, messageKey, messageHash, payments, settled, codes, creditors };
}

const maxPayments = 8_000;
