/** What this validator can show an operator of the chain: its newest final header, the way to its set, outcomes of governance. */
import { bytesToHex } from "@noble/hashes/utils.js";
import { bytesEqual } from "../codec/bytes.ts";
import type { Block, Height } from "../consensus/types.ts";
import { sha256 } from "../crypto/hash.ts";
import type { SettlementLedger } from "../ledger/execute.ts";
import { buildGovernanceReceipt } from "../ledger/proof-report.ts";
import type { GovernanceReceipt } from "../ledger/receipt-tree.ts";
import type { ExecutedBlock } from "../ledger/types.ts";
import type { Store } from "../storage/types.ts";
import type { Proofs } from "./proofs.ts";
import type { ChainReport, GovernanceOutcome } from "./services.ts";
import type { Shadow } from "./shadow.ts";

/** Governance transactions remembered with what became of them. */
const remembered = 256;
/** Transactions one report is asked for. */
const mostAsked = 16;

type Executed = { readonly height: Height; readonly receipt: GovernanceReceipt };

/** What became of the newest governance transactions, by their hashes. */
export interface Governed {
  executed(result: Pick<ExecutedBlock, "height" | "governance">): void;
  find(hash: Uint8Array): Executed | undefined;
}

export function createGoverned(): Governed {
  const found = new Map<string, Executed>();
  return {
    executed({ height, governance }) {
      for (const receipt of governance) {
        const key = bytesToHex(receipt.hash);
        // What a later block refuses because it was granted before stays granted.
        if (found.get(key)?.receipt.granted) continue;
        found.delete(key);
        found.set(key, { height, receipt });
        if (found.size > remembered) found.delete(found.keys().next().value ?? "");
      }
    },
    find: (hash) => found.get(bytesToHex(hash)),
  };
}

export interface ChainReportOptions {
  readonly store: Pick<Store, "finalBlock">;
  readonly proofs: Proofs;
  readonly shadow: Pick<Shadow, "state" | "evidence">;
  readonly governed: Governed;
  readonly ledger: () => SettlementLedger;
}

export function createChainReports({ store, proofs, shadow, governed, ledger }: ChainReportOptions) {
  /** The outcome with its way to the root at `rootHeight`; undefined when it is not under that root, or its block is no longer kept. */
  async function outcome(hash: Uint8Array, rootHeight: Height): Promise<GovernanceOutcome | undefined> {
    const known = governed.find(hash);
    if (!known || known.height > rootHeight) return undefined;
    const { height, receipt } = known;
    const final = await store.finalBlock(height);
    const executed = final && (await proofs.executedBlock(final.block));
    const state = ledger().stateProof(height, rootHeight);
    const index = final ? indexOf(final.block, hash) : -1;
    if (!executed || !state || index < 0) return undefined;
    const { history, historyPath } = state;
    const source = { ...executed, height, time: final.block.header.time, history, historyPath };
    return { ...receipt, receipt: buildGovernanceReceipt(source, index) };
  }

  return async (from: number, transactions: readonly Uint8Array[]): Promise<ChainReport> => {
    // Nothing after its evidence is compared.
    const final = shadow.evidence ?? proofs.newest();
    if (!final) return { final, handovers: [], components: undefined, outcomes: [], shadow: shadow.state };
    const { rootHeight } = final.header;
    const outcomes: GovernanceOutcome[] = [];
    for (const hash of transactions.slice(0, mostAsked)) {
      const found = await outcome(hash, rootHeight);
      if (found) outcomes.push(found);
    }
    return {
      final,
      handovers: proofs.way(from),
      components: ledger().components(rootHeight),
      outcomes,
      shadow: shadow.state,
    };
  };
}

function indexOf({ body }: Block, hash: Uint8Array): number {
  return body.governance.findIndex(({ bytes }) => bytesEqual(sha256(bytes), hash));
}
