/** The ledger as the driver opens it: from genesis or from a checkpoint's parts, with the signature checks of `crypto/`. */
import type { Digest } from "../consensus/types.ts";
import { verifyBls, verifyPossession } from "../crypto/bls.ts";
import { verifyEd25519 } from "../crypto/ed25519.ts";
import { createLedger, openLedger, type SettlementLedger } from "../ledger/execute.ts";
import type { Genesis } from "../ledger/genesis.ts";
import { decodeSnapshot } from "../ledger/snapshot.ts";
import type { ExecutedKeys } from "../ledger/types.ts";

export interface Chain {
  readonly genesis: Genesis;
  readonly chainId: Digest;
}

/** The height below the chain's first block: that of the checkpoint it was restored from, if it was. */
export const baseHeight = ({ genesis }: Chain): number => genesis.restored?.statement.height ?? 0;

const crypto = { verifyEd25519, verifyBls, provesPossession: verifyPossession };

/** Of a restored chain it stands below the first block, and executes none: whoever has it fetches a peer's checkpoint. */
export function ledgerFromGenesis(chain: Chain, keys: ExecutedKeys): SettlementLedger {
  return createLedger({ ...chain, keys, crypto });
}

/** Undefined when the parts are no snapshot. The caller compares the root with a certified one. */
export function ledgerFromCheckpoint(
  chain: Chain,
  keys: ExecutedKeys,
  parts: readonly Uint8Array[],
): SettlementLedger | undefined {
  const content = decodeSnapshot(parts);
  return content.kind === "ok" ? openLedger({ ...chain, keys, crypto }, content.value) : undefined;
}
