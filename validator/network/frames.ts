/**
 * The frames of the long-lived streams: length u32 of what follows, kind u8, correlation u32, protocol u8, payload.
 * Little-endian. Correlations are the asker's: answers and pongs repeat them.
 */
import type { StreamProtocol } from "../driver/ports.ts";

/** Bytes before the payload. */
export const frameHeaderLength = 10;
/** Of these, the length field does not count itself. */
const lengthField = 4;

const kinds = ["request", "response", "error", "key", "key-request", "ping", "pong", "message", "reach"] as const;
export type FrameKind = (typeof kinds)[number];

const protocols: readonly (StreamProtocol | "none")[] = [
  "none",
  "batch",
  "fetch-batches",
  "fetch-blocks",
  "fetch-checkpoint",
  "fetch-private",
];

export interface Frame {
  readonly kind: FrameKind;
  readonly correlation: number;
  /** What is asked; "none" in every other frame. */
  readonly protocol: StreamProtocol | "none";
  readonly payload: Uint8Array;
}

type FrameHeader = Omit<Frame, "payload"> & { readonly length: number };

/** Writes the header of a frame with a payload of `length` bytes. */
export function encodeFrameHeader(into: Uint8Array, frame: Omit<Frame, "payload">, length: number): void {
  const view = new DataView(into.buffer, into.byteOffset, frameHeaderLength);
  view.setUint32(0, frameHeaderLength - lengthField + length, true);
  view.setUint8(4, kinds.indexOf(frame.kind) + 1);
  view.setUint32(5, frame.correlation, true);
  view.setUint8(9, protocols.indexOf(frame.protocol));
}

/** Undefined when the bytes are no header, or announce more than `most` bytes of payload. */
function decodeFrameHeader(bytes: Uint8Array, most: number): FrameHeader | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, frameHeaderLength);
  const length = view.getUint32(0, true) - (frameHeaderLength - lengthField);
  const kind = kinds[view.getUint8(4) - 1];
  const protocol = protocols[view.getUint8(9)];
  if (length < 0 || length > most || kind === undefined || protocol === undefined) return undefined;
  if ((kind === "request") !== (protocol !== "none")) return undefined;
  return { kind, correlation: view.getUint32(5, true), protocol, length };
}

export interface FrameReader {
  /** Takes the next bytes of the stream; calls back for every frame they complete. */
  push(chunk: Uint8Array): "ok" | "malformed";
}

/**
 * Cuts a stream into frames. A payload is copied once, into memory of its own: what the caller keeps of it holds
 * nothing else, and a short read costs no scan. At most one payload of `mostBytes` is held.
 */
export function createFrameReader(mostBytes: number, emit: (frame: Frame) => void): FrameReader {
  const headerBytes = new Uint8Array(frameHeaderLength);
  let filled = 0;
  let header: FrameHeader | undefined;
  let payload = new Uint8Array(0);

  return {
    push(chunk) {
      let at = 0;
      while (at < chunk.length || (header !== undefined && filled === header.length)) {
        if (header === undefined) {
          const count = Math.min(frameHeaderLength - filled, chunk.length - at);
          headerBytes.set(chunk.subarray(at, at + count), filled);
          filled += count;
          at += count;
          if (filled < frameHeaderLength) return "ok";
          header = decodeFrameHeader(headerBytes, mostBytes);
          if (header === undefined) return "malformed";
          filled = 0;
          payload = Buffer.allocUnsafeSlow(header.length);
        }
        const count = Math.min(header.length - filled, chunk.length - at);
        payload.set(chunk.subarray(at, at + count), filled);
        filled += count;
        at += count;
        if (filled < header.length) return "ok";
        const { kind, correlation, protocol } = header;
        header = undefined;
        filled = 0;
        emit({ kind, correlation, protocol, payload });
      }
      return "ok";
    },
  };
}
