/** Frames on a request stream: length u32 of what follows, kind u8, protocol u8, zero u16, id u32, payload. Little-endian. */
import type { Uint8ArrayList } from "uint8arraylist";

export const frameKinds = ["request", "response", "failure", "key"] as const;
export type FrameKind = (typeof frameKinds)[number];

export interface Frame {
  readonly kind: FrameKind;
  readonly protocol: number;
  readonly id: number;
  readonly payload: Uint8Array;
}

export const frameHeaderLength = 12;
/** Largest payload: a batch with room to spare, or a part of a checkpoint. */
export const maxFramePayload = 4 * 1024 * 1024;

export function encodeFrameHeader(kind: FrameKind, protocol: number, id: number, payloadLength: number): Uint8Array {
  const header = new Uint8Array(frameHeaderLength);
  const view = new DataView(header.buffer);
  view.setUint32(0, payloadLength + frameHeaderLength - 4, true);
  view.setUint8(4, frameKinds.indexOf(kind));
  view.setUint8(5, protocol);
  view.setUint32(8, id, true);
  return header;
}

export interface FrameReader {
  /** Takes what arrived; calls `onFrame` for each whole frame. False: the bytes break the rules, the stream is to be closed. */
  push(chunk: Uint8Array | Uint8ArrayList): boolean;
}

/** Joins chunks into frames. Holds at most one frame; a payload is copied once, out of the transport's buffers. */
export function createFrameReader(onFrame: (frame: Frame) => void): FrameReader {
  const header = new Uint8Array(frameHeaderLength);
  const view = new DataView(header.buffer);
  let headerFill = 0;
  let payload: Uint8Array | undefined;
  let payloadFill = 0;
  let broken = false;

  function take(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length && !broken) {
      if (payload === undefined) {
        const count = Math.min(frameHeaderLength - headerFill, bytes.length - at);
        header.set(bytes.subarray(at, at + count), headerFill);
        headerFill += count;
        at += count;
        if (headerFill === frameHeaderLength) startPayload();
      } else {
        const count = Math.min(payload.length - payloadFill, bytes.length - at);
        payload.set(bytes.subarray(at, at + count), payloadFill);
        payloadFill += count;
        at += count;
      }
      if (payload !== undefined && payloadFill === payload.length) finish(payload);
    }
  }

  function startPayload(): void {
    const length = view.getUint32(0, true) - (frameHeaderLength - 4);
    if (
      length < 0 ||
      length > maxFramePayload ||
      view.getUint8(4) >= frameKinds.length ||
      view.getUint16(6, true) !== 0
    ) {
      broken = true;
      return;
    }
    payload = new Uint8Array(length);
    payloadFill = 0;
  }

  function finish(whole: Uint8Array): void {
    const kind = frameKinds[view.getUint8(4)] ?? "failure";
    headerFill = 0;
    payload = undefined;
    onFrame({ kind, protocol: view.getUint8(5), id: view.getUint32(8, true), payload: whole });
  }

  return {
    push(chunk) {
      if (chunk instanceof Uint8Array) take(chunk);
      else for (const part of chunk) take(part);
      return !broken;
    },
  };
}
