import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat } from "./bytes.ts";
import { hashChunks, merklePath, merkleRoot, merkleTree, mixedRoot, provesLeaf, treeRoot } from "./merkle.ts";
import { bytesOf } from "./testing/values.ts";

const sha256 = (...parts: readonly Uint8Array[]) =>
  new Uint8Array(createHash("sha256").update(Buffer.concat(parts)).digest());
const zero = new Uint8Array(32);

/** docs/formats.md, Merkle trees, written as it is said: a node at a time. */
function slowRoot(leaves: readonly Uint8Array[]): Uint8Array {
  let level = [...leaves];
  while (level.length === 0 || (level.length & (level.length - 1)) !== 0) level.push(zero);
  while (level.length > 1) {
    level = Array.from({ length: level.length / 2 }, (_, i) => sha256(level[2 * i] ?? zero, level[2 * i + 1] ?? zero));
  }
  const count = Buffer.alloc(32);
  count.writeBigUInt64LE(BigInt(leaves.length));
  return sha256(level[0] ?? zero, count);
}

const leafLists = fc.array(bytesOf(32), { maxLength: 40 });
const someLeaf = fc
  .array(bytesOf(32), { minLength: 1, maxLength: 40 })
  .chain((leaves) => fc.record({ leaves: fc.constant(leaves), index: fc.nat(leaves.length - 1) }));

describe("roots", () => {
  test("are those of the definition", () => {
    const property = fc.property(leafLists, (leaves) => {
      expect(merkleRoot(concat(...leaves))).toEqual(slowRoot(leaves));
    });
    fc.assert(property);
  });

  test("of large trees too", () => {
    const leaves = Array.from({ length: 8_000 }, (_, i) => sha256(Uint8Array.of(i & 0xff, i >> 8)));
    expect(merkleRoot(concat(...leaves))).toEqual(slowRoot(leaves));
  });

  test("a zero leaf more is another list", () => {
    const property = fc.property(leafLists, (leaves) => {
      expect(merkleRoot(concat(...leaves, zero))).not.toEqual(merkleRoot(concat(...leaves)));
    });
    fc.assert(property);
  });

  test("leaves of records are their plain hashes", () => {
    const property = fc.property(fc.array(bytesOf(64), { maxLength: 20 }), (chunks) => {
      expect(hashChunks(concat(...chunks))).toEqual(concat(...chunks.map((chunk) => sha256(chunk))));
    });
    fc.assert(property);
  });
});

describe("proofs", () => {
  const proofOf = (leaves: readonly Uint8Array[], index: number) => {
    const tree = merkleTree(concat(...leaves));
    return { path: merklePath(tree, index), root: mixedRoot(treeRoot(tree), leaves.length) };
  };

  test("prove each leaf at its place, and nothing else at it or elsewhere", () => {
    const property = fc.property(someLeaf, bytesOf(32), fc.nat(63), ({ leaves, index }, other, elsewhere) => {
      const { path, root } = proofOf(leaves, index);
      const leaf = leaves[index] ?? zero;
      const same = (at: number) => Buffer.compare(leaves[at] ?? zero, leaf) === 0;
      expect(provesLeaf(root, leaves.length, leaf, index, path)).toBe(true);
      expect(provesLeaf(root, leaves.length, other, index, path)).toBe(Buffer.compare(other, leaf) === 0);
      if (elsewhere !== index && !same(elsewhere))
        expect(provesLeaf(root, leaves.length, leaf, elsewhere, path)).toBe(false);
    });
    fc.assert(property);
  });

  test("every byte of path, leaf and root counts, and so does the count", () => {
    const leaves = Array.from({ length: 5 }, (_, i) => sha256(Uint8Array.of(i)));
    const { path, root } = proofOf(leaves, 3);
    const leaf = leaves[3] ?? zero;
    const flips = (bytes: Uint8Array) =>
      Array.from(bytes, (_, i) => bytes.map((byte, j) => (i === j ? byte ^ (1 << (i % 8)) : byte)));
    const verdicts = [
      ...flips(path).map((bad) => provesLeaf(root, 5, leaf, 3, bad)),
      ...flips(leaf).map((bad) => provesLeaf(root, 5, bad, 3, path)),
      ...flips(root).map((bad) => provesLeaf(bad, 5, leaf, 3, path)),
      ...[0, 3, 4, 6, 8, Number.NaN, Number.POSITIVE_INFINITY].map((count) => provesLeaf(root, count, leaf, 3, path)),
      ...[-1, 2.5, 11, Number.NaN].map((index) => provesLeaf(root, 5, leaf, index, path)),
      provesLeaf(root, 5, concat(leaf, zero), 3, path),
      provesLeaf(concat(root, zero), 5, leaf, 3, path),
      provesLeaf(root, 5, leaf, 3, concat(path, zero)),
      provesLeaf(root, 5, leaf, 3, path.subarray(32)),
    ];
    expect(verdicts).toEqual(verdicts.map(() => false));
  });
});
