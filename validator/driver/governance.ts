/** Governance transactions from clients and peers, on their way to the leaders. */
import { encodeGossip } from "../codec/peer.ts";
import type { Input } from "../consensus/types.ts";
import { sha256 } from "../crypto/hash.ts";
import { isEvidence, parseEvidence } from "../ledger/evidence.ts";
import type { SettlementLedger } from "../ledger/execute.ts";
import { closesEpoch, parseTransaction } from "../ledger/governance.ts";
import type { Network } from "./ports.ts";
import type { GovernanceResult } from "./services.ts";

export interface GovernanceOptions {
  readonly ledger: () => SettlementLedger;
  readonly network: Pick<Network, "broadcast">;
  readonly feed: (input: Input) => void;
}

/** Takes a client's transaction: checked against the executed governance set, pooled, gossiped. */
export function createGovernance({
  ledger,
  network,
  feed,
}: GovernanceOptions): (bytes: Uint8Array) => GovernanceResult {
  return (bytes) => {
    const closes = closesEpochOf(bytes);
    if (closes === undefined) return { kind: "refused", reason: "not a governance transaction" };
    const transaction = { bytes, closesEpoch: closes };
    if (!ledger().isGoverned(transaction))
      return {
        kind: "refused",
        reason: "too few good signatures of the governance set, or evidence that proves nothing",
      };
    feed({ kind: "governance", transaction });
    network.broadcast(encodeGossip({ kind: "governance", transaction: bytes }));
    return { kind: "accepted", hash: sha256(bytes) };
  };
}

/** Whether the block that carries the transaction closes its epoch; undefined when it is no transaction. */
export function closesEpochOf(transaction: Uint8Array): boolean | undefined {
  if (isEvidence(transaction)) return parseEvidence(transaction).kind === "ok" ? false : undefined;
  const parsed = parseTransaction(transaction);
  return parsed.kind === "ok" ? closesEpoch(parsed.value.action) : undefined;
}
