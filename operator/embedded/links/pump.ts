/**
 * Moves the bytes of one direction of a connection along a lane. What waits here is bounded: beyond it the source is
 * not read, so that the sender feels the lane as it would feel a network.
 */
import type { Socket } from "node:net";
import type { Lane } from "./lane.ts";

/** Most bytes waiting for their time: enough for 80 MB/s at 100 ms. */
const mostQueuedBytes = 8 << 20;

interface Waiting {
  /** Undefined: the source has ended. */
  readonly bytes: Buffer | undefined;
  /** When it may leave, on the clock of `performance.now`. */
  readonly due: number;
}

export interface PumpOptions {
  readonly source: Socket;
  readonly sink: Socket;
  readonly lane: Lane;
  readonly mostQueued?: number;
}

/** Runs until one of the sockets closes. The source must not have been read before. */
export function pump({ source, sink, lane, mostQueued = mostQueuedBytes }: PumpOptions): void {
  let queue: Waiting[] = [];
  let queued = 0;
  let timer: NodeJS.Timeout | undefined;
  let full = false;

  const dueAt = () => performance.now() + lane.weather().delayMs;

  function regulate(): void {
    const stop = lane.weather().cut || full || queued >= mostQueued;
    if (stop) source.pause();
    else if (source.isPaused()) source.resume();
  }

  function write(bytes: Buffer): void {
    full = !sink.write(bytes);
  }

  /** Sends what may go now; asks to be called again for the rest. */
  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    let next = 0;
    while (next < queue.length && !full && !lane.weather().cut && !sink.destroyed) {
      const { bytes, due } = queue[next]!;
      const wait = due - performance.now();
      if (wait > 0) {
        timer = setTimeout(flush, wait);
        break;
      }
      if (bytes === undefined) {
        sink.end();
        next++;
        continue;
      }
      const piece = Math.min(bytes.length, lane.piece());
      const patience = lane.take(piece);
      if (patience > 0) {
        timer = setTimeout(flush, patience);
        break;
      }
      write(piece === bytes.length ? bytes : bytes.subarray(0, piece));
      queued -= piece;
      if (piece === bytes.length) next++;
      else queue[next] = { bytes: bytes.subarray(piece), due };
    }
    if (next > 0) queue = queue.slice(next);
    regulate();
  }

  function enqueue(bytes: Buffer | undefined): void {
    queue.push({ bytes, due: dueAt() });
    queued += bytes?.length ?? 0;
    if (timer === undefined) flush();
    else regulate();
  }

  const unsubscribe = lane.onChange(() => {
    // Under a shorter delay nothing waits longer than what comes now.
    const latest = dueAt();
    queue = queue.map(({ bytes, due }) => ({ bytes, due: Math.min(due, latest) }));
    flush();
  });

  source.on("data", (bytes: Buffer) => {
    const { delayMs, bytesPerSecond } = lane.weather();
    if (queue.length > 0 || delayMs > 0 || bytesPerSecond > 0) return enqueue(bytes);
    lane.take(bytes.length);
    write(bytes);
    if (full) source.pause();
  });
  source.once("end", () => enqueue(undefined));
  sink.on("drain", () => {
    full = false;
    flush();
  });
  const over = () => {
    clearTimeout(timer);
    queue = [];
    queued = 0;
    unsubscribe();
  };
  source.once("close", over);
  sink.once("close", over);
  regulate();
}
