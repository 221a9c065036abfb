/**
 * Follows the chain through every validator at once and acts on a block when enough of them agree on it: deliveries to
 * the feeds first, then the outcome in the record. Each step can be repeated, so a crash between two loses nothing.
 */
import { createHash } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type SettledBlock, SettledBlockSchema } from "../proto/validator/v1/validator_pb.js";
import { type Agreement, agreement } from "./agreement.ts";
import type { Directory } from "./directory.ts";
import type { Validator } from "./validators.ts";

export interface FollowOptions {
  readonly validators: readonly Validator[];
  /** The newest height acted on. */
  readonly height: number;
  /** Whose settlements to watch; 0xffffffff for all, which a validator allows to its operators. */
  readonly institution: number;
  readonly directory: () => Directory;
  /** Acts on an agreed block; awaited before the next. A rejection stops the follower. */
  readonly onBlock: (block: SettledBlock) => Promise<void>;
  readonly onStream: (seat: string, open: boolean) => void;
  /** A report that differs from what was agreed on or cannot be followed: for the log. */
  readonly onWarning: (seat: string, message: string) => void;
  /** Delay before a lost stream is opened again, ms. */
  readonly retryMs: number;
  readonly signal: AbortSignal;
}

/** Reports held per stream above the agreed height before the stream is left to wait. */
const MAX_AHEAD = 512;

/** Every settlement, in `WatchSettlementsRequest.institution`. */
export const ALL_INSTITUTIONS = 0xffff_ffff;

/** Follows until aborted, or until `onBlock` rejects. */
export async function followSettlements(options: FollowOptions): Promise<void> {
  const agreed = agreement<SettledBlock>(options.height);
  const changes = notifier();
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const ended = (): void => changes.notify();
  signal.addEventListener("abort", ended);
  const streams = options.validators.map((validator) => watch(options, agreed, validator, changes, signal));
  try {
    while (!signal.aborted) {
      const { powers, faultPower } = options.directory();
      agreed.weigh(powers, faultPower);
      const changed = changes.next();
      let block = agreed.next();
      for (; block !== undefined && !signal.aborted; block = agreed.next()) {
        await options.onBlock(block);
        changes.notify();
      }
      await changed;
    }
  } finally {
    stop.abort();
    await Promise.all(streams);
  }
}

/** Keeps one validator's stream open, from above the agreed height on. */
async function watch(
  options: FollowOptions,
  agreed: Agreement<SettledBlock>,
  { seat, client }: Validator,
  changes: Notifier,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const request = { fromHeight: BigInt(agreed.height + 1), institution: options.institution };
      for await (const block of client.watchSettlements(request, {
        signal,
        onHeader: () => options.onStream(seat, true),
      })) {
        const height = Number(block.height);
        agreed.report({ seat, height, identity: identityOf(block), block });
        changes.notify();
        // What waits here holds the stream's flow control: a validator cannot fill this process's memory.
        while (height > agreed.height + MAX_AHEAD && !signal.aborted) await changes.next();
      }
    } catch (error) {
      if (signal.aborted) break;
      const failure = ConnectError.from(error);
      if (failure.code === Code.OutOfRange)
        options.onWarning(seat, "it no longer keeps the blocks this gateway needs next");
      else if (failure.code !== Code.Unavailable && failure.code !== Code.Aborted && failure.code !== Code.Canceled) {
        options.onWarning(seat, failure.message);
      }
    }
    options.onStream(seat, false);
    await pause(options.retryMs, signal);
  }
  options.onStream(seat, false);
}

/** A digest of everything in a report that is believed. */
function identityOf({ height, time, block, receiptsRoot, messages }: SettledBlock): string {
  const believed = create(SettledBlockSchema, { height, time, block, receiptsRoot, messages });
  return createHash("sha256").update(toBinary(SettledBlockSchema, believed)).digest("base64");
}

interface Notifier {
  notify(): void;
  /** Resolves at the next notify. */
  next(): Promise<void>;
}

function notifier(): Notifier {
  let current = Promise.withResolvers<void>();
  return {
    notify() {
      current.resolve();
      current = Promise.withResolvers<void>();
    },
    next: () => current.promise,
  };
}

/** Waits, or less when aborted. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done);
  });
}
