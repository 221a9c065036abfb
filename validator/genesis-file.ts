/** The genesis document in the volume: checked before it is kept, kept once, never replaced. */
import { toHex } from "./codec/bytes.ts";
import type { Digest } from "./consensus/types.ts";
import { type Genesis, parseGenesis } from "./ledger/genesis.ts";
import { replaceFile } from "./storage/boot-marker.ts";
import type { Disk } from "./storage/disk.ts";

export interface Chain {
  readonly genesis: Genesis;
  readonly chainId: Digest;
}

export type GenesisCheck =
  | { readonly kind: "ok"; readonly chain: Chain }
  /** A sentence for the operator. */
  | { readonly kind: "refused"; readonly reason: string };

/** This seat as the chain must name it, if it names it. Public keys. */
export interface OwnSeat {
  readonly seat: string;
  readonly blsKey: Uint8Array;
  readonly peerKey: Uint8Array;
}

/**
 * Parses a document and compares it with this seat's keys. A chain that does not name the seat, or names it with other
 * keys, is followed as a learner: seats join later, and are given to new keys.
 */
export function checkGenesis(document: Uint8Array, own: OwnSeat): GenesisCheck {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(document));
  } catch {
    return { kind: "refused", reason: "the genesis document is not JSON in UTF-8" };
  }
  const parsed = parseGenesis(json);
  if (parsed.kind === "refused") return { kind: "refused", reason: parsed.reasons.join("; ") };
  const { genesis, chainId } = parsed;
  const keys = { blsKey: toHex(own.blsKey), peerKey: toHex(own.peerKey) };
  for (const member of genesis.members) {
    const same = member.blsKey === keys.blsKey && member.peerKey === keys.peerKey;
    const shares = member.blsKey === keys.blsKey || member.peerKey === keys.peerKey;
    if (shares && !same)
      return { kind: "refused", reason: `the genesis document gives ${member.id} one of this volume's two keys` };
    if (shares && member.id !== own.seat)
      return {
        kind: "refused",
        reason: `the genesis document gives this volume's keys to ${member.id}, but it is ${own.seat}`,
      };
  }
  return { kind: "ok", chain: { genesis, chainId } };
}

/** The kept document's bytes; undefined while there is none. */
export async function readGenesis(disk: Disk, dataDir: string): Promise<Uint8Array | undefined> {
  const path = pathIn(dataDir);
  if (!(await disk.exists(path))) return undefined;
  const file = await disk.open(path, { create: false });
  try {
    return await file.read(0, await file.size());
  } finally {
    await file.close();
  }
}

/** Keeps the document: durable when it resolves. */
export function keepGenesis(disk: Disk, dataDir: string, document: Uint8Array): Promise<void> {
  return replaceFile(disk, pathIn(dataDir), [document]);
}

function pathIn(dataDir: string): string {
  return `${dataDir}/genesis.json`;
}
