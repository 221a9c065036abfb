/** One long-lived stream to a peer: frames in, frames out, within a bound. */
import type { Stream, StreamMessageEvent } from "@libp2p/interface";
import { createFrameReader, encodeFrameHeader, type Frame, frameHeaderLength } from "./frames.ts";
import { openWindowByHalves } from "./muxing.ts";

export interface Lane {
  /** False when the frame does not fit into the queue, or the stream is gone. */
  send(frame: Frame): boolean;
  /** Bytes that wait to be written. */
  readonly queuedBytes: number;
  close(): void;
}

export interface LaneOptions {
  readonly stream: Stream;
  /** Largest payload that may arrive. */
  readonly frameBytes: number;
  readonly queuedBytes: number;
  readonly received: (frame: Frame) => void;
  /** Every chunk that arrives, also inside a frame: the peer lives. */
  readonly heard: (bytes: number) => void;
  readonly malformed: () => void;
  readonly closed: () => void;
}

/**
 * Large frames are handed to the stream in slices of this size, one per free place in its window: a muxer frame
 * travels whole, so a larger one would hold up the other lane and make the receiver buffer all of it.
 */
const sliceBytes = 128 * 1024;
/** Below this, header and payload are copied together: one muxer frame and one TLS record less. */
const joinBytes = 16 * 1024;

export function createLane(options: LaneOptions): Lane {
  const { stream } = options;
  const queue: Uint8Array[] = [];
  /** Index of the first chunk not yet written, and what of it was. */
  let first = 0;
  let offset = 0;
  let queued = 0;
  let open = true;
  let writable = true;

  openWindowByHalves(stream);
  const reader = createFrameReader(options.frameBytes, options.received);
  stream.addEventListener("message", onMessage);
  stream.addEventListener("drain", onDrain);
  stream.addEventListener("close", onClose);
  stream.addEventListener("remoteCloseWrite", onClose);

  function onMessage(event: StreamMessageEvent): void {
    const data = event.data;
    options.heard(data.byteLength);
    const chunks = data instanceof Uint8Array ? [data] : data;
    for (const chunk of chunks) {
      if (!open) return;
      if (reader.push(chunk) === "malformed") return options.malformed();
    }
  }

  function onDrain(): void {
    writable = true;
    // The stream's own listener sends what it still holds first; ours comes after it.
    queueMicrotask(flush);
  }

  function onClose(): void {
    if (!open) return;
    open = false;
    queue.length = 0;
    queued = 0;
    options.closed();
  }

  function flush(): void {
    while (open && writable) {
      const chunk = queue[first];
      if (chunk === undefined) break;
      const end = Math.min(chunk.length, offset + sliceBytes);
      const slice = offset === 0 && end === chunk.length ? chunk : chunk.subarray(offset, end);
      queued -= slice.length;
      offset = end;
      if (end === chunk.length) {
        first += 1;
        offset = 0;
      }
      try {
        writable = stream.send(slice);
      } catch {
        // The stream refuses when it is closing: its close event follows or has come.
        return onClose();
      }
    }
    if (first > 64 || first === queue.length) {
      queue.splice(0, first);
      first = 0;
    }
  }

  return {
    send(frame) {
      const { payload } = frame;
      const size = frameHeaderLength + payload.length;
      if (!open || queued + size > options.queuedBytes) return false;
      if (size <= joinBytes) {
        const joined = Buffer.allocUnsafe(size);
        encodeFrameHeader(joined, frame, payload.length);
        joined.set(payload, frameHeaderLength);
        queue.push(joined);
      } else {
        // The header takes the payload's first bytes along: it never travels alone.
        const head = Buffer.allocUnsafe(joinBytes);
        encodeFrameHeader(head, frame, payload.length);
        head.set(payload.subarray(0, joinBytes - frameHeaderLength), frameHeaderLength);
        queue.push(head, payload.subarray(joinBytes - frameHeaderLength));
      }
      queued += size;
      flush();
      return true;
    },
    get queuedBytes() {
      return queued + stream.writeBufferLength;
    },
    close() {
      if (!open) return;
      try {
        stream.abort(new Error("closed"));
      } catch {
        // Its transport ended first.
      }
      onClose();
    },
  };
}
