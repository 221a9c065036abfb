/**
 * The history of receipts: an append-only list of per-block leaves under one root, in eras of 4,096 blocks, so that any
 * later root proves any earlier block with 25 hashes, and memory holds a few eras, not the past.
 */
import { hash } from "@chainsafe/hashtree";
import { bytesEqual, concat, reader, writer } from "../codec/bytes.ts";
import {
  type MerkleTree,
  merklePath,
  merkleRoot,
  merkleTree,
  mixedRoot,
  provesLeaf,
  rootFromPath,
  treeRoot,
} from "../codec/merkle.ts";

export const eraBlocks = 4_096;
const eraDepth = 12;
/** Eras whose leaves stay in memory for proofs: 128 KiB each. */
const erasKept = 16;

export interface History {
  /** Leaves so far: the leaf of height h has index h − 1. */
  readonly count: number;
  append(leaf: Uint8Array): void;
  /** 32 bytes. */
  root(): Uint8Array;
  /** The path of a block's leaf to the root when the history had `at` leaves; undefined when an era it needs is no longer in memory. */
  path(index: number, at: number): HistoryPath | undefined;
  /** Are these the era's leaves, all that it has so far? */
  hasEra(era: number, leaves: Uint8Array): boolean;
  encode(): Uint8Array;
}

export interface HistoryPath {
  /** 12 siblings inside the era. */
  readonly era: Uint8Array;
  /** Whether the leaf stands in the era under way. */
  readonly current: boolean;
  /** Siblings of the era's root among the closed eras; empty when current. */
  readonly eras: Uint8Array;
  /** Mixed root of the closed eras (when current), or of the era under way (when closed). */
  readonly other: Uint8Array;
  readonly count: number;
}

export function createHistory(encoded?: Uint8Array): History {
  let count = 0;
  /** Bare roots of closed eras, one after the other: an old chain has hundreds of thousands. */
  let closed: Uint8Array = new Uint8Array(0);
  let closedRoot = merkleRoot(closed);
  /** Leaves of the newest closed eras, by era. */
  const leaves = new Map<number, Uint8Array>();
  let nodes = emptyEra();

  function append(leaf: Uint8Array): void {
    const index = count % eraBlocks;
    setLeaf(nodes, index, leaf);
    count += 1;
    if (index < eraBlocks - 1) return;
    const era = count / eraBlocks - 1;
    leaves.set(era, nodes.slice(0, eraBlocks * 32));
    leaves.delete(era - erasKept);
    closed = concat(closed, currentRoot());
    closedRoot = merkleRoot(closed);
    nodes = emptyEra();
  }

  /** The era's tree as it was when the history had `at` leaves. */
  function treeOf(era: number, at: number): MerkleTree | undefined {
    const kept = era === closed.length / 32 ? nodes.subarray(0, eraBlocks * 32) : leaves.get(era);
    const present = Math.min(eraBlocks, at - era * eraBlocks);
    if (!kept || present < 0) return undefined;
    const then = new Uint8Array(eraBlocks * 32);
    then.set(kept.subarray(0, present * 32));
    return merkleTree(then);
  }

  const currentRoot = () => nodes.subarray(nodes.length - 32);
  if (encoded) restore(encoded);
  return {
    get count() {
      return count;
    },
    append,
    root: () => historyRoot(closedRoot, currentRoot(), count),
    path(index, at) {
      if (index < 0 || index >= at || at > count) return undefined;
      const erasThen = Math.floor(at / eraBlocks);
      const closedThen = closed.subarray(0, 32 * erasThen);
      const era = Math.floor(index / eraBlocks);
      const eraTree = treeOf(era, at);
      const openTree = treeOf(erasThen, at);
      if (!eraTree || !openTree) return undefined;
      const inside = merklePath(eraTree, index % eraBlocks);
      const current = era === erasThen;
      const eras = current ? new Uint8Array(0) : merklePath(merkleTree(closedThen), era);
      const other = current ? merkleRoot(closedThen) : treeRoot(openTree).slice();
      return { era: inside, current, eras, other, count: at };
    },
    hasEra(era, given) {
      if (era === closed.length / 32) return bytesEqual(given, nodes.subarray(0, (count % eraBlocks) * 32));
      if (given.length !== eraBlocks * 32) return false;
      return bytesEqual(treeRoot(merkleTree(given.slice())), closed.subarray(32 * era, 32 * era + 32));
    },
    encode() {
      const out = writer(64 + closed.length + (count % eraBlocks) * 32);
      out.u64(count);
      out.bytes(closed);
      out.bytes(nodes.subarray(0, (count % eraBlocks) * 32));
      return out.finish();
    },
  };

  /** Closed eras come back as roots alone: proofs of their blocks are made by members that kept the leaves. */
  function restore(bytes: Uint8Array): void {
    const input = reader(bytes);
    const total = input.u64();
    closed = input.bytes(32 * Math.floor(total / eraBlocks)).slice();
    closedRoot = merkleRoot(closed);
    count = (closed.length / 32) * eraBlocks;
    while (count < total) append(input.bytes(32));
  }
}

function emptyEra(): Uint8Array {
  return merkleTree(new Uint8Array(eraBlocks * 32)).nodes;
}

/** The history as `encode` wrote it; undefined when the bytes are none. */
export function decodeHistory(bytes: Uint8Array): History | undefined {
  const input = reader(bytes);
  const count = input.u64();
  const closed = Math.floor(count / eraBlocks);
  const current = count % eraBlocks;
  if (input.failed || input.left !== 32 * (closed + current)) return undefined;
  return createHistory(bytes);
}

function setLeaf(nodes: Uint8Array, index: number, leaf: Uint8Array): void {
  nodes.set(leaf, index * 32);
  let from = 0;
  let at = index;
  for (let width = eraBlocks; width > 1; width /= 2) {
    const pair = from + (at & ~1) * 32;
    from += width * 32;
    at >>= 1;
    nodes.set(hash(nodes.subarray(pair, pair + 64)), from + at * 32);
  }
}

function historyRoot(closedRoot: Uint8Array, currentRoot: Uint8Array, count: number): Uint8Array {
  return mixedRoot(hash(concat(closedRoot, currentRoot)), count);
}

/** The leaf of a block: its receipts and the keys it consumed, 32 bytes each. */
export function historyLeaf(receipts: Uint8Array, keys: Uint8Array): Uint8Array {
  return hash(concat(receipts, keys));
}

/** The history's root that a leaf and its path lead to; undefined when the path does not fit the index. */
export function historyRootOf(leaf: Uint8Array, index: number, path: HistoryPath): Uint8Array | undefined {
  if (path.era.length !== 32 * eraDepth || index < 0 || index >= path.count) return undefined;
  const era = Math.floor(index / eraBlocks);
  const closedCount = Math.floor(path.count / eraBlocks);
  if (path.current !== (era === closedCount)) return undefined;
  const eraRoot = rootFromPath(leaf, index % eraBlocks, path.era);
  if (path.current) return path.eras.length === 0 ? historyRoot(path.other, eraRoot, path.count) : undefined;
  const closedRoot = mixedRoot(rootFromPath(eraRoot, era, path.eras), closedCount);
  return provesLeaf(closedRoot, closedCount, eraRoot, era, path.eras)
    ? historyRoot(closedRoot, path.other, path.count)
    : undefined;
}
