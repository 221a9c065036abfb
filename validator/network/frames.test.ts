import fc from "fast-check";
import { expect, test } from "vitest";
import { createFrameReader, encodeFrameHeader, type Frame, frameHeaderLength } from "./frames.ts";

const frame: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({
    kind: fc.constantFrom("response", "error", "key", "key-request", "ping", "pong"),
    correlation: fc.nat(0xffff_ffff),
    protocol: fc.constant("none"),
    payload: fc.uint8Array({ maxLength: 300 }),
  }),
  fc.record({
    kind: fc.constant("request"),
    correlation: fc.nat(0xffff_ffff),
    protocol: fc.constantFrom("batch", "fetch-batches", "fetch-blocks", "fetch-checkpoint", "fetch-private"),
    payload: fc.uint8Array({ maxLength: 300 }),
  }),
);

function encode(value: Frame): Uint8Array {
  const bytes = new Uint8Array(frameHeaderLength + value.payload.length);
  encodeFrameHeader(bytes, value, value.payload.length);
  bytes.set(value.payload, frameHeaderLength);
  return bytes;
}

/** Cuts at the given shares of the whole. */
function cut(bytes: Uint8Array, shares: readonly number[]): Uint8Array[] {
  const at = [0, ...shares.map((share) => Math.floor(share * bytes.length)), bytes.length].sort((a, b) => a - b);
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

test("frames come out as they went in, however the stream was cut", () => {
  const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 });
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 10 }), shares, (frames, at) => {
      const read: Frame[] = [];
      const reader = createFrameReader(300, (one) => read.push({ ...one, payload: Uint8Array.from(one.payload) }));
      for (const chunk of cut(Buffer.concat(frames.map(encode)), at)) expect(reader.push(chunk)).toBe("ok");
      expect(read).toEqual(frames.map((one) => ({ ...one, payload: Uint8Array.from(one.payload) })));
    }),
  );
});

test("a frame above the limit is refused by its header, before its bytes come", () => {
  const bytes = encode({ kind: "response", correlation: 1, protocol: "none", payload: new Uint8Array(301) });
  expect(createFrameReader(300, () => {}).push(bytes.subarray(0, frameHeaderLength))).toBe("malformed");
  expect(createFrameReader(301, () => {}).push(bytes)).toBe("ok");
});

test.each([
  ["no kind", 4, 0],
  ["an unknown kind", 4, 8],
  ["an unknown protocol", 9, 6],
  ["a request for nothing", 9, 0],
  ["a length below the header's", 0, 5],
])("%s is malformed", (_, offset, value) => {
  const bytes = encode({ kind: "request", correlation: 1, protocol: "batch", payload: new Uint8Array(0) });
  expect(createFrameReader(300, () => {}).push(bytes)).toBe("ok");
  bytes[offset] = value;
  expect(createFrameReader(300, () => {}).push(bytes)).toBe("malformed");
});

test("random bytes never make the reader throw or hold more than a frame", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 })), (chunks) => {
      let most = 0;
      const reader = createFrameReader(128, ({ payload }) => {
        most = Math.max(most, payload.length);
      });
      for (const chunk of chunks) if (reader.push(chunk) === "malformed") break;
      expect(most).toBeLessThanOrEqual(128);
    }),
  );
});
