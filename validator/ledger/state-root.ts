/** The state root: one Merkle root over eight components, so that a proof shows one without the others (docs/formats.md, State root). */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { concat, reader, writer } from "../codec/bytes.ts";
import { type MerkleTree, merklePath, merkleTree, mixedRoot, provesLeaf, treeRoot } from "../codec/merkle.ts";
import type { CoverageState, Digest } from "../consensus/types.ts";
import { digest } from "../consensus/types.ts";
import type { ChainState } from "./chain-state.ts";
import { canonicalJson } from "./genesis.ts";

/** The components in their order. */
export const components = [
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

export function coverageLeaf(coverage: CoverageState): Uint8Array {
  return sha256(encodeCoverage(coverage));
}

/** modeSeq u64, count u16, then each degraded region: length u16 and UTF-8. */
export function encodeCoverage(coverage: CoverageState): Uint8Array {
  const out = writer();
  out.u64(coverage.modeSeq);
  out.u16(coverage.degraded.length);
  for (const region of coverage.degraded) {
    const name = utf8ToBytes(region);
    out.u16(name.length);
    out.bytes(name);
  }
  return out.finish();
}

/** The state that `encodeCoverage` wrote; undefined when the bytes are none. */
export function decodeCoverage(bytes: Uint8Array): CoverageState | undefined {
  const input = reader(bytes);
  const modeSeq = input.u64();
  const count = input.u16();
  const degraded: string[] = [];
  for (let i = 0; i < count && !input.failed; i++) degraded.push(new TextDecoder().decode(input.bytes(input.u16())));
  return input.failed || input.left > 0 ? undefined : { modeSeq, degraded };
}

export function stateTree(
  state: ChainState,
  position: Position,
  accountsRoot: Uint8Array,
  historyRoot: Uint8Array,
): MerkleTree {
  const { chainId, zones, expiryWindow, issued } = state;
  const leaves: Record<Component, Uint8Array> = {
    position: sha256(utf8ToBytes(canonicalJson({ ...position, chainId, zones, expiryWindow, issued }))),
    accounts: accountsRoot,
    history: historyRoot,
    institutions: hashOf(state.institutions),
    validators: hashOf(state.set),
    governance: hashOf(state.governance),
    coverage: coverageLeaf(state.coverage),
    beacon: hashOf(state.beacon),
  };
  return merkleTree(concat(...components.map((component) => leaves[component])));
}

export function rootOf(tree: MerkleTree): Digest {
  return digest(bytesToHex(mixedRoot(treeRoot(tree), components.length)));
}

export function componentPath(tree: MerkleTree, component: Component): Uint8Array {
  return merklePath(tree, components.indexOf(component));
}

export const componentPathLength = 96;

export function provesComponent(root: Uint8Array, component: Component, leaf: Uint8Array, path: Uint8Array): boolean {
  return provesLeaf(root, components.length, leaf, components.indexOf(component), path);
}
