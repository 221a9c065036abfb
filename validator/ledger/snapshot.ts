/** A ledger's whole state as parts for a checkpoint: canonical, so that equal states give equal bytes. */
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { bytesEqual, concat, reader, writer } from "../codec/bytes.ts";
import { type Decoded, decoded, refused } from "../codec/result.ts";
import type { Anchor } from "../consensus/types.ts";
import { type AccountFields, accountLength, readAccount, writeAccount } from "./accounts.ts";
import type { ChainState } from "./chain-state.ts";
import { canonicalJson } from "./genesis.ts";
import { decodeHistory, type History } from "./history.ts";

export interface SnapshotContent {
  readonly state: ChainState;
  readonly accounts: readonly AccountFields[];
  readonly history: History;
  readonly height: number;
  readonly time: number;
  /** When some heights were, ascending: what the window forgets by. */
  readonly times: readonly { readonly height: number; readonly time: number }[];
  /** Of the epoch under way; undefined for genesis. */
  readonly anchor: Anchor | undefined;
}

/** Parts fit a stream's frame. */
export const partLength = 512 * 1024;
const magic = utf8ToBytes("VSS1");

export function encodeSnapshot(content: SnapshotContent): readonly Uint8Array[] {
  const { state, height, time, times, anchor } = content;
  const small = utf8ToBytes(canonicalJson({ state, height, time, times, anchor }));
  const history = content.history.encode();
  const out = writer(64 + small.length + history.length + accountLength * content.accounts.length);
  out.bytes(magic);
  out.u32(small.length);
  out.u32(history.length);
  out.u32(content.accounts.length);
  out.bytes(small);
  out.bytes(history);
  for (const account of content.accounts) {
    const leaf = new Uint8Array(accountLength);
    writeAccount(leaf, account);
    out.bytes(leaf);
  }
  const all = out.finish();
  const parts: Uint8Array[] = [];
  for (let at = 0; at < all.length; at += partLength) parts.push(all.subarray(at, at + partLength));
  return parts;
}

/** The content; refused with a reason for anything that `encodeSnapshot` did not write. Whether its root is certified is the caller's question. */
export function decodeSnapshot(parts: readonly Uint8Array[]): Decoded<SnapshotContent> {
  const input = reader(concat(...parts));
  if (!bytesEqual(input.bytes(4), magic)) return refused("snapshot: magic");
  const [smallLength, historyLength, accountCount] = [input.u32(), input.u32(), input.u32()];
  const small = input.bytes(smallLength);
  const history = decodeHistory(input.bytes(historyLength));
  if (input.failed || !history || input.left !== accountLength * accountCount)
    return refused("snapshot: not its layout");
  const accounts = Array.from({ length: accountCount }, () => readAccount(input.bytes(accountLength))).filter(
    (account) => account !== undefined,
  );
  if (accounts.length !== accountCount) return refused("snapshot: an account is not canonical", "not-canonical");
  const value = parseSmall(small);
  return value
    ? decoded({ ...value, accounts, history })
    : refused("snapshot: chain state is not canonical", "not-canonical");
}

type Small = Pick<SnapshotContent, "state" | "height" | "time" | "times" | "anchor">;

/** Trusted as far as the root that the caller compares goes: every field is under it, or derived. */
function parseSmall(bytes: Uint8Array): Small | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    const value = JSON.parse(text) as Small;
    return canonicalJson(value) === text && value.state !== undefined ? value : undefined;
  } catch {
    // Neither the decoder nor the parser can say it otherwise.
    return undefined;
  }
}
