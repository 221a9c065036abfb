import fc from "fast-check";
import { expect, test } from "vitest";
import { counterLength, createSealer, keyLength, open, overhead } from "./aead.ts";

const key = new Uint8Array(keyLength).fill(7);
const context = new TextEncoder().encode("a sender");
const plaintexts = fc.uint8Array({ maxLength: 200 });

test("what was sealed opens under its key and context", () => {
  const sealer = createSealer(key);
  const property = fc.property(plaintexts, (plaintext) => {
    const sealed = sealer.seal(plaintext, context);
    expect(sealed.length).toBe(plaintext.length + overhead);
    expect(Buffer.compare(open(key, sealed, context) ?? Buffer.from("none"), plaintext)).toBe(0);
  });
  fc.assert(property);
});

test("any byte changed, added or removed, another key or context: it does not open", () => {
  const sealed = createSealer(key).seal(new TextEncoder().encode("a payload"), context);
  for (let i = 0; i < sealed.length; i++) {
    const damaged = sealed.map((byte, j) => (i === j ? byte ^ 1 : byte));
    expect(open(key, damaged, context), `byte ${i}`).toBeUndefined();
    expect(open(key, sealed.subarray(0, i), context), `the first ${i} bytes`).toBeUndefined();
  }
  expect(open(key, Buffer.concat([sealed, new Uint8Array(1)]), context)).toBeUndefined();
  expect(open(new Uint8Array(keyLength).fill(8), sealed, context)).toBeUndefined();
  expect(open(key, sealed, new TextEncoder().encode("another"))).toBeUndefined();
});

test("counters come from zero, each once", () => {
  const sealer = createSealer(key);
  const counters = Array.from({ length: 300 }, () =>
    Buffer.from(sealer.seal(new Uint8Array(1), context)).readBigUInt64BE(0),
  );
  expect(counters).toEqual(Array.from({ length: 300 }, (_, i) => BigInt(i)));
  expect(counterLength).toBe(8);
});

test("noise does not open", () => {
  const property = fc.property(fc.uint8Array({ maxLength: 100 }), (noise) => open(key, noise, context) === undefined);
  fc.assert(property, { numRuns: 2_000 });
});
