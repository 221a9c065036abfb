/**
 * From final and executed to settled: what is settled by now, block for block, for the streams, the queries and the
 * latencies. Outcomes are kept in the log, so that a slow reader costs a cursor and nothing else.
 */
import { toHex } from "../codec/bytes.ts";
import type { Block, Certificate, Height } from "../consensus/types.ts";
import { height as toHeight } from "../consensus/types.ts";
import { type BlockOutcome, decodeOutcome, encodeOutcome } from "../ledger/outcome.ts";
import type { ExecutedBlock, MessageOutcome } from "../ledger/types.ts";
import type { Store } from "../storage/types.ts";
import { baseHeight, type Chain } from "./ledger-port.ts";
import type { Clock } from "./ports.ts";
import type { Observer, SettledBlock } from "./services.ts";
import { type Pending, pendingKey, type Submissions } from "./submissions.ts";

export interface Settlement {
  /** Every block up to it is executed here and settled. */
  readonly height: Height;
  /** Settled since genesis. */
  readonly payments: number;
  /** The core says so; execution may still be behind. */
  settle(height: Height, finalization: Certificate): void;
  executed(block: Block, result: ExecutedBlock): void;
  /** This validator now stands on a checkpoint of this height; what was before it is not here. */
  jump(height: Height, finalization: Certificate): void;
  /** The finalization that settled the newest height the core knows. */
  readonly finalization: Certificate | undefined;
  outcome(height: Height): Promise<BlockOutcome | undefined>;
  /** Height of an executed message by institution and key, or by hash, as far as memory reaches. */
  heightOfMessage(institution: number, messageKey: Uint8Array): Height | undefined;
  heightOfHash(messageHash: Uint8Array): Height | undefined;
  /** An executed message that memory had forgotten is asked for again. */
  recall(height: Height, message: MessageOutcome): void;
  stream(fromHeight: number, signal: AbortSignal): AsyncIterable<SettledBlock>;
  stop(): void;
}

export interface SettlementOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly observe: Observer;
  readonly submissions: Submissions;
  /** Makes what was kept in the log durable, hence readable. */
  readonly flush: () => Promise<void>;
  readonly rememberedBlocks: number;
  readonly rememberedMessages: number;
  /** From the log at start. */
  readonly settled: { readonly height: Height; readonly finalization: Certificate | undefined };
  readonly executedHeight: Height;
  /** Payments settled since genesis, as of the newest executed block. */
  readonly settledPayments: () => number;
}

export function createSettlement(options: SettlementOptions): Settlement {
  const { clock, store, observe, submissions } = options;
  const outcomes = new Map<Height, BlockOutcome>();
  const headers = new Map<Height, Pick<Block, "hash" | "header">>();
  const byKey = new Map<string, Height>();
  const byHash = new Map<string, Height>();
  const acceptedIn = new Map<Height, Pending[]>();
  /** Of the blocks executed and not settled yet: payments settled with them since genesis. */
  const settledBy = new Map<Height, number>();
  let executed = options.executedHeight;
  let core = options.settled.height;
  let finalization = options.settled.finalization;
  let visible = toHeight(Math.min(core, executed));
  let payments = options.settledPayments();
  let stopped = false;
  let waiting: (() => void)[] = [];

  function remember(outcome: BlockOutcome): void {
    outcomes.set(outcome.height, outcome);
    for (const message of outcome.messages) recall(outcome.height, message);
    trim(outcomes, options.rememberedBlocks);
  }

  function recall(height: Height, { institution, messageKey, messageHash }: MessageOutcome): void {
    byKey.set(pendingKey(institution, messageKey), height);
    byHash.set(toHex(messageHash), height);
    trim(byKey, options.rememberedMessages);
    trim(byHash, options.rememberedMessages);
  }

  /** Own submissions of the block leave the queue; a message of the same key but another hash is not this one. */
  function complete(outcome: BlockOutcome): void {
    const done: Pending[] = [];
    for (const message of outcome.messages) {
      const pending = submissions.find(message.institution, message.messageKey);
      if (!pending || toHex(pending.submission.hash) !== toHex(message.messageHash)) continue;
      submissions.complete(message.institution, message.messageKey);
      submissions.accept(pending, clock.now().monotonic);
      done.push(pending);
    }
    if (done.length > 0) acceptedIn.set(outcome.height, done);
  }

  function advance(): void {
    const next = toHeight(Math.min(core, executed));
    for (let at = visible + 1; at <= next; at++) {
      const done = acceptedIn.get(toHeight(at)) ?? [];
      acceptedIn.delete(toHeight(at));
      payments = settledBy.get(toHeight(at)) ?? payments;
      settledBy.delete(toHeight(at));
      observe({ kind: "block-settled", height: at });
      for (const { submission, acceptedAt } of done) {
        const milliseconds = clock.now().monotonic - (acceptedAt ?? clock.now().monotonic);
        observe({ kind: "message-settled", payments: submission.message.header.count, milliseconds });
      }
    }
    if (next <= visible) return;
    visible = next;
    wake();
  }

  function wake(): void {
    const readers = waiting;
    waiting = [];
    for (const go of readers) go();
  }

  async function outcome(height: Height): Promise<BlockOutcome | undefined> {
    const known = outcomes.get(height);
    if (known) return known;
    const bytes = await store.outcome(height);
    if (!bytes) return undefined;
    const read = decodeOutcome(bytes);
    if (read.kind === "refused") throw new Error(`stored outcome of height ${height}: ${read.error.reason}`);
    return read.value;
  }

  /** Undefined when the block is not kept here. */
  async function settledBlock(height: Height): Promise<SettledBlock | undefined> {
    const block = headers.get(height) ?? (await store.finalBlock(height))?.block;
    const result = await outcome(height);
    if (!block || !result) return undefined;
    const { view, epoch, time } = block.header;
    const { receiptsRoot, messages } = result;
    return { height, view, epoch, time, block: block.hash, receiptsRoot, messages };
  }

  async function* stream(fromHeight: number, signal: AbortSignal): AsyncGenerator<SettledBlock> {
    let at = fromHeight === 0 ? visible + 1 : fromHeight;
    signal.addEventListener("abort", wake, { once: true });
    try {
      while (!signal.aborted && !stopped) {
        if (at > visible) {
          await new Promise<void>((resolve) => waiting.push(resolve));
          continue;
        }
        let block = await settledBlock(toHeight(at));
        if (!block) {
          // The newest entries can be read once they are durable.
          await options.flush();
          block = await settledBlock(toHeight(at));
        }
        if (!block) throw new RangeError(`block ${at} is not kept here`);
        at += 1;
        if (block.messages.length > 0) yield block;
      }
    } finally {
      signal.removeEventListener("abort", wake);
    }
  }

  return {
    get height() {
      return visible;
    },
    get payments() {
      return payments;
    },
    get finalization() {
      return finalization;
    },
    settle(height, certificate) {
      if (height <= core) return;
      core = height;
      finalization = certificate;
      store.keep({ kind: "settled", height, finalization: certificate });
      advance();
    },
    executed(block, executedBlock) {
      const result = keepOutcome(store, executedBlock);
      const { height, messages } = result;
      headers.set(height, { hash: block.hash, header: block.header });
      trim(headers, options.rememberedBlocks);
      remember(result);
      complete(result);
      const settled = messages.reduce((sum, message) => sum + message.settled, 0);
      const all = block.body.batches.reduce((sum, batch) => sum + batch.payments, 0);
      settledBy.set(height, options.settledPayments());
      observe({ kind: "block-executed", height, settled, rejected: all - settled });
      executed = height;
      advance();
    },
    jump(height, certificate) {
      executed = height;
      core = toHeight(Math.max(core, height));
      finalization = certificate;
      visible = toHeight(Math.min(core, executed));
      payments = options.settledPayments();
      store.keep({ kind: "settled", height: core, finalization: certificate });
      wake();
    },
    outcome,
    recall,
    heightOfMessage: (institution, messageKey) => byKey.get(pendingKey(institution, messageKey)),
    heightOfHash: (hash) => byHash.get(toHex(hash)),
    stream(fromHeight, signal) {
      if (fromHeight !== 0 && fromHeight < store.lowestHeight)
        throw new RangeError(`blocks below ${store.lowestHeight} are not kept here`);
      return stream(fromHeight, signal);
    },
    stop() {
      stopped = true;
      wake();
    },
  };
}

/** What the log says is settled; blocks of the chain that this one was restored from all are. */
export function settledAtStart({ recovered: { settled } }: Pick<Store, "recovered">, chain: Chain) {
  return { height: settled?.height ?? toHeight(baseHeight(chain)), finalization: settled?.finalization };
}

/** Writes what became of the block's messages to the log; durable with the next commit. */
export function keepOutcome(store: Pick<Store, "keep">, executed: ExecutedBlock): BlockOutcome {
  const { height, root, receiptsRoot, messages, governance } = executed;
  const outcome = { height, root, receiptsRoot, messages, granted: governance.map(({ granted }) => granted) };
  store.keep({ kind: "outcome", height, bytes: encodeOutcome(outcome) });
  return outcome;
}

/** Forgets the oldest entries beyond the bound. */
function trim<K, V>(map: Map<K, V>, bound: number): void {
  for (const key of map.keys()) {
    if (map.size <= bound) return;
    map.delete(key);
  }
}
