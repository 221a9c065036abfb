/**
 * Binary Merkle trees in one flat array, hashed a level at a time (docs/formats.md, Merkle trees).
 * Leaves are 32 bytes, padded with zero leaves to a power of two; a published root is mixed with the count.
 */
import { hash, hashInto } from "@chainsafe/hashtree";
import { bytesEqual, writeU64 } from "./bytes.ts";

/** All levels of a tree, leaves first, the root last: 64·leaves − 32 bytes. */
export interface MerkleTree {
  readonly count: number;
  /** Leaves with padding: a power of two. */
  readonly width: number;
  readonly nodes: Uint8Array;
}

function widthOf(count: number): number {
  let width = 1;
  while (width < count) width *= 2;
  return width;
}

/** The tree over `count` leaves, laid one after the other. */
export function merkleTree(leaves: Uint8Array): MerkleTree {
  const count = leaves.length / 32;
  const width = widthOf(count);
  const nodes = new Uint8Array((2 * width - 1) * 32);
  nodes.set(leaves, 0);
  let from = 0;
  for (let level = width; level > 1; level /= 2) {
    const next = from + level * 32;
    hashInto(nodes.subarray(from, next), nodes.subarray(next, next + level * 16));
    from = next;
  }
  return { count, width, nodes };
}

/** The bare root, 32 bytes; a view into the tree. */
export function treeRoot({ nodes }: MerkleTree): Uint8Array {
  return nodes.subarray(nodes.length - 32);
}

/** `sha256(root ‖ count u64 ‖ zero 24)`: what is published. */
export function mixedRoot(root: Uint8Array, count: number): Uint8Array {
  const input = new Uint8Array(64);
  input.set(root, 0);
  writeU64(new DataView(input.buffer), 32, count);
  return hash(input);
}

/** The published root of leaves laid one after the other. */
export function merkleRoot(leaves: Uint8Array): Uint8Array {
  const tree = merkleTree(leaves);
  return mixedRoot(treeRoot(tree), tree.count);
}

/** Hashes of 64-byte chunks laid one after the other: the leaves of records. */
export function hashChunks(chunks: Uint8Array): Uint8Array {
  const leaves = new Uint8Array(chunks.length / 2);
  if (leaves.length > 0) hashInto(chunks, leaves);
  return leaves;
}

/** The siblings from a leaf to the root, 32 bytes each, lowest first. */
export function merklePath(tree: MerkleTree, index: number): Uint8Array {
  const depth = Math.log2(tree.width);
  const path = new Uint8Array(32 * depth);
  let from = 0;
  let at = index;
  for (let level = 0; level < depth; level++) {
    const sibling = from + (at ^ 1) * 32;
    path.set(tree.nodes.subarray(sibling, sibling + 32), 32 * level);
    from += (tree.width >> level) * 32;
    at >>= 1;
  }
  return path;
}

/** The bare root that a leaf and its path lead to. */
export function rootFromPath(leaf: Uint8Array, index: number, path: Uint8Array): Uint8Array {
  let node = leaf;
  const pair = new Uint8Array(64);
  for (let level = 0; level * 32 < path.length; level++) {
    const sibling = path.subarray(32 * level, 32 * level + 32);
    const right = (Math.floor(index / 2 ** level) & 1) === 1;
    pair.set(right ? sibling : node, 0);
    pair.set(right ? node : sibling, 32);
    node = hash(pair);
  }
  return node;
}

/** Does the path prove that `leaf` stands at `index` of `count` leaves under the published root? */
export function provesLeaf(
  root: Uint8Array,
  count: number,
  leaf: Uint8Array,
  index: number,
  path: Uint8Array,
): boolean {
  if (!Number.isSafeInteger(count) || !Number.isSafeInteger(index) || index < 0 || index >= count) return false;
  if (leaf.length !== 32 || path.length !== 32 * Math.log2(widthOf(count))) return false;
  return bytesEqual(mixedRoot(rootFromPath(leaf, index, path), count), root);
}
