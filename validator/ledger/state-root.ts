/** The state root: one Merkle root over eight components, so that a proof shows one without the others (docs/state-root.md). */
import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { concat, reader, toHex, writer } from "../codec/bytes.ts";
import { type MerkleTree, merklePath, merkleTree, mixedRoot, provesLeaf, treeRoot } from "../codec/merkle.ts";
import type { Anchor, CoverageState, Digest } from "../consensus/types.ts";
import { digest, zeroDigest } from "../consensus/types.ts";
import type { ChainState, ValidatorSet } from "./chain-state.ts";
import { canonicalJson } from "./genesis.ts";

/** The components in their order. */
const components = [
  "position",
  "accounts",
  "history",
  "institutions",
  "validators",
  "governance",
  "coverage",
  "beacon",
] as const;
export type Component = (typeof components)[number];

/** Where the state stands. */
export interface Position {
  readonly height: number;
  /** Of the newest executed block, ms. */
  readonly time: number;
  /** When some heights were: what the window forgets by. */
  readonly times: readonly { readonly height: number; readonly time: number }[];
  /** Of the epoch under way. At its own height its root is not known yet and counts as zero. */
  readonly anchor: Anchor;
}

const cached = new WeakMap<object, Uint8Array>();

/** Large parts change seldom and are replaced, never mutated: hashed once an object. */
function hashOf(value: object): Uint8Array {
  const known = cached.get(value);
  if (known) return known;
  const made = sha256(utf8ToBytes(canonicalJson(value)));
  cached.set(value, made);
  return made;
}

/** Which regions settlement waits for, and what the zones are called: position i is the zone of index i + 1. */
export interface ProvenCoverage {
  readonly coverage: CoverageState;
  readonly zones: readonly string[];
}

export function coverageLeaf(proven: ProvenCoverage): Uint8Array {
  return sha256(encodeCoverage(proven));
}

/** modeSeq u64; then the degraded regions and the zones, each list: count u16, then length u16 and UTF-8 of each name. */
export function encodeCoverage({ coverage, zones }: ProvenCoverage): Uint8Array {
  const out = writer();
  out.u64(coverage.modeSeq);
  for (const names of [coverage.degraded, zones]) {
    out.u16(names.length);
    for (const name of names) {
      const bytes = utf8ToBytes(name);
      out.u16(bytes.length);
      out.bytes(bytes);
    }
  }
  return out.finish();
}

/** What `encodeCoverage` wrote; undefined when the bytes are none. Another spelling may pass: callers encode again and compare. */
export function decodeCoverage(bytes: Uint8Array): ProvenCoverage | undefined {
  const input = reader(bytes);
  const modeSeq = input.u64();
  const names = (): readonly string[] => {
    const count = input.u16();
    const list: string[] = [];
    for (let i = 0; i < count && !input.failed; i++) list.push(new TextDecoder().decode(input.bytes(input.u16())));
    return list;
  };
  const [degraded, zones] = [names(), names()];
  return input.failed || input.left > 0 ? undefined : { coverage: { modeSeq, degraded }, zones };
}

/** height u64, time u64, expiryWindow u64, chainId 32, settled payments u64, sha256 of issued 32, of times 32, anchor: hash 32, height u64, time u64, rootHeight u64, root 32. */
function positionLeaf(state: ChainState, { height, time, times, anchor }: Position): Uint8Array {
  const out = writer(256);
  out.u64(height);
  out.u64(time);
  out.u64(state.expiryWindow);
  out.digest(state.chainId);
  out.u64(state.settledPayments);
  out.bytes(hashOf(state.issued));
  out.bytes(hashOf(times));
  out.digest(anchor.hash);
  out.u64(anchor.height);
  out.u64(anchor.time);
  out.u64(anchor.rootHeight);
  out.digest(anchor.height === height ? zeroDigest : anchor.root);
  return sha256(out.finish());
}

/** The validator set as the component commits to it: canonical JSON. */
export function encodeSet(set: ValidatorSet): Uint8Array {
  return utf8ToBytes(canonicalJson(set));
}

export function stateTree(
  state: ChainState,
  position: Position,
  accountsRoot: Uint8Array,
  historyRoot: Uint8Array,
): MerkleTree {
  const leaves: Record<Component, Uint8Array> = {
    position: positionLeaf(state, position),
    accounts: accountsRoot,
    history: historyRoot,
    institutions: hashOf(state.institutions),
    validators: hashOf(state.set),
    governance: hashOf(state.governance),
    coverage: coverageLeaf(state),
    beacon: hashOf(state.beacon),
  };
  return merkleTree(concat(...components.map((component) => leaves[component])));
}

export function rootOf(tree: MerkleTree): Digest {
  return digest(toHex(mixedRoot(treeRoot(tree), components.length)));
}

export function componentPath(tree: MerkleTree, component: Component): Uint8Array {
  return merklePath(tree, components.indexOf(component));
}

export const componentPathLength = 96;

export function provesComponent(root: Uint8Array, component: Component, leaf: Uint8Array, path: Uint8Array): boolean {
  return provesLeaf(root, components.length, leaf, components.indexOf(component), path);
}
