/**
 * Adaptive batching without a tick: a batch is sealed at once while none of this member's is on its way, else when it
 * is full or when one on its way arrives. Under load batches fill while others travel; one payment alone never waits.
 */
import { type Batch, batchHeaderLength, buildBatch } from "../codec/batch.ts";
import type { Clock } from "./ports.ts";
import type { Pending } from "./submissions.ts";

export interface Sealed {
  readonly batch: Batch;
  readonly zone: string;
  readonly entries: readonly Pending[];
}

export interface Sealer {
  add(entry: Pending): void;
  /** A sealed batch was accepted, or given up: its place is free. */
  arrived(): void;
  /** There may be room again. */
  look(): void;
}

export interface SealerOptions {
  readonly clock: Clock;
  readonly inFlight: number;
  readonly batchBytes: number;
  readonly batchPayments: number;
  /** Of private payloads: a batch travels with them in one push. */
  readonly batchPrivateBytes: number;
  /** May another batch be made? Messages gather in fewer, fuller ones while not. */
  readonly room: () => boolean;
  readonly sealed: (sealed: Sealed) => void;
}

interface Open {
  readonly zone: string;
  entries: Pending[];
  bytes: number;
  payments: number;
  privateBytes: number;
}

export function createSealer(options: SealerOptions): Sealer {
  const { clock, inFlight, batchBytes, batchPayments, batchPrivateBytes, room, sealed } = options;
  /** Messages that wait, by zone in the order of their first message: a batch has one zone. */
  const open = new Map<string, Open[]>();
  let travelling = 0;
  let scheduled = false;

  /** The batch of the zone that still has room for the message, or a new one behind it. */
  function placeFor(entry: Pending): Open {
    const { message, zone } = entry.submission;
    const queue = open.get(zone) ?? [];
    open.set(zone, queue);
    const last = queue.at(-1);
    const fits =
      last !== undefined &&
      last.bytes + message.bytes.length <= batchBytes &&
      last.payments + message.header.count <= batchPayments &&
      last.privateBytes + privateBytesOf(entry) <= batchPrivateBytes;
    if (fits) return last;
    const next: Open = { zone, entries: [], bytes: batchHeaderLength, payments: 0, privateBytes: 0 };
    queue.push(next);
    return next;
  }

  function seal(): void {
    while (travelling < inFlight && room()) {
      const next = choose();
      if (!next) return;
      const queue = open.get(next.zone);
      queue?.shift();
      if (queue?.length === 0) open.delete(next.zone);
      travelling += 1;
      const messages = next.entries.map(({ submission }) => submission.message);
      const batch = buildBatch(messages[0]?.header.zone ?? 0, messages);
      for (const entry of next.entries) entry.batch = batch.digest;
      sealed({ batch, zone: next.zone, entries: next.entries });
    }
  }

  /** A full batch always goes; one with room only when nothing of this member's is on its way. */
  function choose(): Open | undefined {
    for (const queue of open.values()) if (queue.length > 1) return queue[0];
    return travelling === 0 ? open.values().next().value?.[0] : undefined;
  }

  return {
    add(entry) {
      const place = placeFor(entry);
      place.entries.push(entry);
      place.bytes += entry.submission.message.bytes.length;
      place.payments += entry.submission.message.header.count;
      place.privateBytes += privateBytesOf(entry);
      if (scheduled) return;
      // What else arrived in the same turn of the event loop rides along.
      scheduled = true;
      void clock.yield().then(() => {
        scheduled = false;
        seal();
      });
    },
    arrived() {
      travelling -= 1;
      seal();
    },
    look: seal,
  };
}

function privateBytesOf({ submission }: Pending): number {
  return submission.private?.content.length ?? 0;
}
