/** A ledger's whole state as parts for a checkpoint: canonical, so that equal states give equal bytes. */
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { bytesEqual, concat, reader, writer } from "../codec/bytes.ts";
import { type Decoded, decoded, refused } from "../codec/result.ts";
import { type Anchor, zeroDigest } from "../consensus/types.ts";
import { type AccountFields, accountLength, readAccount, writeAccount } from "./accounts.ts";
import type { ChainState } from "./chain-state.ts";
import { currencyByNumeric } from "./currencies.ts";
import { canonicalJson, maxAccounts, parseCanonicalJson } from "./genesis.ts";
import { decodeHistory, type History } from "./history.ts";
import { snapshotSchema } from "./state-schema.ts";

export interface SnapshotContent {
  readonly state: ChainState;
  readonly accounts: readonly AccountFields[];
  readonly history: History;
  readonly height: number;
  readonly time: number;
  /** When some heights were, ascending: what the window forgets by. */
  readonly times: readonly { readonly height: number; readonly time: number }[];
  /** Of the epoch under way. At its own height its root is the state's own, and zero here. */
  readonly anchor: Anchor;
}

/** Parts fit a stream's frame. */
const partLength = 512 * 1024;
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
  const leaf = new Uint8Array(accountLength);
  for (const account of content.accounts) {
    leaf.fill(0);
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
  const small = snapshotSchema.safeParse(parseCanonicalJson(input.bytes(smallLength))).data;
  const history = decodeHistory(input.bytes(historyLength));
  if (input.failed || !history || accountCount > maxAccounts || input.left !== accountLength * accountCount)
    return refused("snapshot: not its layout");
  if (!small) return refused("snapshot: chain state is not canonical", "not-canonical");
  if (small.anchor.height === small.height && small.anchor.root !== zeroDigest)
    return refused("snapshot: its anchor names a root too early", "not-canonical");
  if (history.count !== small.height) return refused("snapshot: its history is of another height");
  const accounts: AccountFields[] = [];
  for (let i = 0; i < accountCount; i++) {
    const account = readAccount(input.bytes(accountLength));
    if (!account) return refused(`snapshot: account ${i} is not canonical`, "not-canonical");
    if (account.institution >= small.state.institutions.length || !currencyByNumeric(account.currency))
      return refused(`snapshot: account ${i} is of an unknown institution or currency`);
    accounts.push(account);
  }
  return decoded({ ...small, accounts, history });
}
