/** Reading and writing fixed layouts: little-endian, bounded, without exceptions. */
import { hexToBytes } from "@noble/hashes/utils.js";
import { type Digest, digest } from "../consensus/types.ts";

/** Appends fields to a growing buffer. */
export interface Writer {
  u8(value: number): void;
  u16(value: number): void;
  u32(value: number): void;
  /** A non-negative safe integer in 8 bytes. */
  u64(value: number): void;
  bytes(value: Uint8Array): void;
  digest(value: Digest): void;
  zeros(count: number): void;
  finish(): Uint8Array;
}

export function writer(capacity = 256): Writer {
  let buffer = new Uint8Array(capacity);
  let view = new DataView(buffer.buffer);
  let at = 0;
  const reserve = (count: number): number => {
    if (at + count > buffer.length) {
      const grown = new Uint8Array(Math.max(2 * buffer.length, at + count));
      grown.set(buffer.subarray(0, at));
      buffer = grown;
      view = new DataView(buffer.buffer);
    }
    const start = at;
    at += count;
    return start;
  };
  const put = (value: Uint8Array) => {
    const start = reserve(value.length);
    buffer.set(value, start);
  };
  return {
    u8(value) {
      const start = reserve(1);
      view.setUint8(start, value);
    },
    u16(value) {
      const start = reserve(2);
      view.setUint16(start, value, true);
    },
    u32(value) {
      const start = reserve(4);
      view.setUint32(start, value, true);
    },
    u64(value) {
      const start = reserve(8);
      writeU64(view, start, value);
    },
    bytes: put,
    digest: (value) => put(hexToBytes(value)),
    zeros: (count) => void reserve(count),
    finish: () => buffer.slice(0, at),
  };
}

/** Reads fields in order. After the first read beyond the end, or of a number that does not fit, `failed` stays true and reads give zeros. */
export interface Reader {
  readonly failed: boolean;
  readonly left: number;
  u8(): number;
  u16(): number;
  u32(): number;
  u64(): number;
  bytes(count: number): Uint8Array;
  digest(): Digest;
  /** Skips reserved bytes; they must be zero. */
  zeros(count: number): void;
}

export function reader(source: Uint8Array): Reader {
  const bytes = plain(source);
  const view = viewOf(bytes);
  let at = 0;
  let failed = false;
  const take = (count: number): number | undefined => {
    if (failed || count > bytes.length - at) {
      failed = true;
      return undefined;
    }
    at += count;
    return at - count;
  };
  const number = (count: number, read: (start: number) => number): number => {
    const start = take(count);
    return start === undefined ? 0 : read(start);
  };
  const slice = (count: number): Uint8Array => {
    const start = take(count);
    return start === undefined ? new Uint8Array(0) : bytes.subarray(start, start + count);
  };
  return {
    get failed() {
      return failed;
    },
    get left() {
      return bytes.length - at;
    },
    u8: () => number(1, (start) => view.getUint8(start)),
    u16: () => number(2, (start) => view.getUint16(start, true)),
    u32: () => number(4, (start) => view.getUint32(start, true)),
    u64: () =>
      number(8, (start) => {
        const value = readU64(view, start);
        if (value === undefined) failed = true;
        return value ?? 0;
      }),
    bytes: slice,
    digest: () => digest(toHex(slice(32)).padEnd(64, "0")),
    zeros(count) {
      if (slice(count).some((byte) => byte !== 0)) failed = true;
    },
  };
}

/** The same memory as a bare Uint8Array: `slice` of a Buffer would be a view where a copy is meant. */
export function plain(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Writes a non-negative safe integer as u64. */
export function writeU64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value >>> 0, true);
  view.setUint32(offset + 4, Math.floor(value / 0x1_0000_0000), true);
}

/** A u64 as a number; undefined above 2^53 − 1. */
export function readU64(view: DataView, offset: number): number | undefined {
  const high = view.getUint32(offset + 4, true);
  return high > 0x1f_ffff ? undefined : high * 0x1_0000_0000 + view.getUint32(offset, true);
}

export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const digits = new TextEncoder().encode("0123456789abcdef");
const ascii = new TextDecoder("latin1");

/**
 * Lower-case hexadecimal in one piece of memory. Built by appending digit after digit, a string stays a tree of its
 * pieces: a thousand bytes for each of the hundred thousand message hashes that a validator remembers.
 */
export function toHex(bytes: Uint8Array): string {
  const codes = new Uint8Array(2 * bytes.length);
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    codes[2 * i] = digits[byte >> 4] as number;
    codes[2 * i + 1] = digits[byte & 15] as number;
  }
  return ascii.decode(codes);
}
