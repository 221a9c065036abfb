/** Gossip on its way in: a bounded queue for each peer, served in turn, a slice of time at once. */
import type { Clock, PeerName } from "./ports.ts";

export interface Inbound {
  push(from: PeerName, bytes: Uint8Array): void;
  stop(): void;
}

export interface InboundOptions {
  readonly clock: Clock;
  readonly messagesPerPeer: number;
  readonly bytesPerPeer: number;
  readonly handle: (from: PeerName, bytes: Uint8Array) => void;
}

/** Longest stretch of work before everything else gets a turn, milliseconds. */
const sliceMs = 8;

export function createInbound({ clock, messagesPerPeer, bytesPerPeer, handle }: InboundOptions): Inbound {
  const queues = new Map<PeerName, { messages: Uint8Array[]; bytes: number }>();
  let draining = false;
  let stopped = false;

  function push(from: PeerName, bytes: Uint8Array): void {
    if (stopped) return;
    const queue = queues.get(from) ?? { messages: [], bytes: 0 };
    queues.set(from, queue);
    queue.messages.push(bytes);
    queue.bytes += bytes.length;
    // The oldest goes: what is newest is nearest to the current view, and the sender says the rest again.
    while (queue.messages.length > messagesPerPeer || queue.bytes > bytesPerPeer)
      queue.bytes -= queue.messages.shift()?.length ?? 0;
    if (!draining) void drain();
  }

  async function drain(): Promise<void> {
    draining = true;
    let sliceEnd = clock.now().monotonic + sliceMs;
    while (queues.size > 0 && !stopped) {
      for (const [from, queue] of [...queues]) {
        const next = queue.messages.shift();
        if (next === undefined) {
          queues.delete(from);
          continue;
        }
        queue.bytes -= next.length;
        handle(from, next);
        if (clock.now().monotonic < sliceEnd) continue;
        await clock.yield();
        sliceEnd = clock.now().monotonic + sliceMs;
      }
    }
    draining = false;
  }

  return {
    push,
    stop() {
      stopped = true;
      queues.clear();
    },
  };
}
