/** Blocks that this member missed: single chains the core asks for, ranges of final blocks when it is behind, a checkpoint when peers keep no blocks that old. */
import { decodeBlocks, encodeFetchBlocks, type FetchBlocksReply } from "../codec/exchange.ts";
import type { State } from "../consensus/state.ts";
import type { Block, Digest, Effect, Height, Input, SeatIndex } from "../consensus/types.ts";
import { height as toHeight } from "../consensus/types.ts";
import type { Limits } from "./limits.ts";
import type { Membership } from "./membership.ts";
import type { Clock, Network } from "./ports.ts";
import type { Observer } from "./services.ts";

export interface CatchUp {
  /** Performs the core's `fetch-blocks`. */
  fetch(effect: Extract<Effect, { kind: "fetch-blocks" }>): void;
  /** A member may have more of the chain. */
  ask(seat: SeatIndex): void;
  /** The highest finalized height that a peer named. */
  readonly target: Height;
  stop(): void;
}

export interface CatchUpOptions {
  readonly clock: Clock;
  readonly network: Pick<Network, "request">;
  readonly membership: () => Membership;
  readonly state: () => State;
  readonly feed: (input: Input) => void;
  /** Final blocks that wait for execution. */
  readonly backlog: () => number;
  readonly executed: () => Height;
  readonly observe: Observer;
  readonly penalize: (seat: SeatIndex, reason: string) => void;
  /** Fetches, verifies and installs a peer's checkpoint; true when this member now stands on it. */
  readonly checkpoint: (seat: SeatIndex) => Promise<boolean>;
  readonly limits: Pick<Limits, "replyBlocks" | "requestTimeoutMs" | "executionBacklog">;
}

/** Peers tried for one chain before the core has to ask again. */
const attempts = 3;
/** Without a new final or executed block for this long, a peer is asked. */
const silenceMs = 5_000;
const pauseMs = 20;

export function createCatchUp(options: CatchUpOptions): CatchUp {
  const { clock, network, membership, state, feed, observe, penalize, limits } = options;
  let target = toHeight(0);
  let syncing = false;
  let stopped = false;
  const asked = new Set<SeatIndex>();
  let lastHeight = state().finalized.height;
  let lastExecuted = options.executed();
  let turn = 0;

  async function request(
    seat: SeatIndex,
    tip: Digest | undefined,
    above: Height,
  ): Promise<FetchBlocksReply | undefined> {
    const peer = membership().peerOf(seat);
    if (peer === undefined) return undefined;
    const bytes = encodeFetchBlocks({ tip, above, limit: limits.replyBlocks });
    const reply = await network.request(peer, "fetch-blocks", bytes, limits.requestTimeoutMs);
    if (reply.kind === "failed" || stopped) return undefined;
    const blocks = decodeBlocks(reply.bytes);
    if (blocks.kind === "refused") {
      penalize(seat, blocks.error.reason);
      return undefined;
    }
    if (!isChain(blocks.value.blocks)) {
      penalize(seat, "blocks that are no chain");
      return undefined;
    }
    target = toHeight(Math.max(target, blocks.value.finalizedHeight));
    return blocks.value;
  }

  async function chainTo({ tip, above, from }: Extract<Effect, { kind: "fetch-blocks" }>): Promise<void> {
    const rest = membership()
      .others.map(({ seat }) => seat)
      .filter((seat) => !from.includes(seat));
    for (const seat of [...from, ...rest].slice(0, attempts)) {
      const reply = await request(seat, tip, above);
      if (!reply) continue;
      if (reply.blocks.at(-1)?.hash === tip) feed({ kind: "blocks", blocks: reply.blocks, finalization: undefined });
      // More is missing than one answer holds: the final part of it comes by ranges.
      if (reply.finalizedHeight > state().finalized.height) ask(seat);
      if (reply.blocks.at(-1)?.hash === tip) return;
    }
  }

  function ask(seat: SeatIndex): void {
    if (seat === membership().self || stopped) return;
    asked.add(seat);
    if (!syncing) void run();
  }

  async function run(): Promise<void> {
    syncing = true;
    for (const seat of asked) {
      asked.delete(seat);
      await sync(seat);
    }
    syncing = false;
  }

  /** Ranges of final blocks from one peer, until it has no more. */
  async function sync(seat: SeatIndex): Promise<void> {
    for (;;) {
      const from = state().finalized.height;
      const epoch = membership().config.epoch;
      const reply = await request(seat, undefined, from);
      if (!reply || stopped) return;
      // Batches go with their blocks: what peers no longer keep cannot be executed here either.
      const isGone = reply.lowestHeight > options.executed() + 1;
      if (isGone || isFar(reply.finalizedHeight)) {
        if (await options.checkpoint(seat)) continue;
        if (isGone || stopped) return;
      }
      if (reply.finalizedHeight <= state().finalized.height || !(await room())) return;
      feed({ kind: "blocks", blocks: reply.blocks, finalization: reply.finalization });
      const to = state().finalized.height;
      if (to > from) observe({ kind: "catch-up", from, to, source: "blocks" });
      else if (membership().config.epoch === epoch) return;
    }
  }

  /** A learner so far behind that a newer checkpoint is there: nobody asks for its own execution of what was before. */
  function isFar(finalized: Height): boolean {
    const { self, config } = membership();
    return self === undefined && finalized - options.executed() > 2 * config.parameters.checkpointInterval;
  }

  /** Waits while execution is behind, or an ended epoch waits for its successor; false when execution stands still. */
  async function room(): Promise<boolean> {
    let executed = options.executed();
    let since = clock.now().monotonic;
    while (options.backlog() > limits.executionBacklog || state().finalized.closed) {
      await new Promise<void>((resolve) => clock.after(pauseMs, resolve));
      if (stopped) return false;
      const now = clock.now().monotonic;
      if (options.executed() !== executed) [executed, since] = [options.executed(), now];
      else if (now - since > silenceMs) return false;
    }
    return true;
  }

  function watch(): void {
    if (stopped) return;
    const { height } = state().finalized;
    const { others } = membership();
    const next = others[turn++ % Math.max(1, others.length)];
    const stands = height === lastHeight || (options.backlog() > 0 && options.executed() === lastExecuted);
    if (stands && next) ask(next.seat);
    lastHeight = height;
    lastExecuted = options.executed();
    cancel = clock.after(silenceMs, watch);
  }
  let cancel = clock.after(silenceMs, watch);

  return {
    fetch: (effect) => void chainTo(effect),
    ask,
    get target() {
      return target;
    },
    stop() {
      stopped = true;
      cancel();
    },
  };
}

/** Ascending and hash-linked. */
function isChain(blocks: readonly Block[]): boolean {
  return blocks.every((block, i) => i === 0 || block.header.parent === blocks[i - 1]?.hash);
}
