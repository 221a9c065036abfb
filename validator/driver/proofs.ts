/** Settlement proofs from what this validator holds: the receipt and its block, and a newer header that a covering finalization makes a trust anchor's. */
import { bytesEqual } from "../codec/bytes.ts";
import { creditTransfer } from "../codec/payment-message.ts";
import type { Block, Certificate, Digest, EpochConfig, Height } from "../consensus/types.ts";
import { height as toHeight } from "../consensus/types.ts";
import { sha256 } from "../crypto/hash.ts";
import type { SettlementLedger } from "../ledger/execute.ts";
import type { BlockOutcome } from "../ledger/outcome.ts";
import { buildProof, covers } from "../ledger/proof.ts";
import { type ReceiptSource, receiptSource } from "../ledger/receipt-tree.ts";
import type { Store } from "../storage/types.ts";
import type { Batches } from "./batches.ts";
import type { ProofResult } from "./services.ts";
import type { Settlement } from "./settlement.ts";

export interface Proofs {
  /** A finalization, new or extended by late votes, with its block. */
  finalized(block: Block, finalization: Certificate): void;
  proof(institution: number, uetr: Uint8Array): Promise<ProofResult>;
}

export interface ProofsOptions {
  readonly store: Store;
  readonly batches: Batches;
  readonly settlement: Settlement;
  readonly ledger: () => SettlementLedger;
  readonly config: () => EpochConfig;
}

/** Headers remembered: the newest that is covered serves every older payment. */
const headersKept = 32;
const none = (reason: string): ProofResult => ({ kind: "none", reason });

export function createProofs({ store, batches, settlement, ledger, config }: ProofsOptions): Proofs {
  const headers = new Map<Digest, { readonly block: Block; readonly finalization: Certificate }>();

  /** The newest header that names a root at or above the height and whose finalization covers what that state, and the payment's zone, require. */
  function covering(height: Height, zone: number) {
    for (const { block, finalization } of [...headers.values()].reverse()) {
      const { header } = block;
      if (header.rootHeight < height || header.epoch !== config().epoch) continue;
      const state = ledger().stateProof(height, header.rootHeight);
      if (state && covers(config(), state, zone, finalization.signers)) return { header, finalization, state };
    }
    return undefined;
  }

  /** The executed messages of the block with their records, in order. */
  async function sources(height: Height, { messages }: BlockOutcome): Promise<readonly ReceiptSource[] | undefined> {
    const final = await store.finalBlock(height);
    const found: ReceiptSource[] = [];
    for (const { digest } of final?.block.body.batches ?? []) {
      const stored = await batches.load(digest);
      if (!stored) return undefined;
      for (const [i, message] of stored.batch.messages.entries()) {
        const outcome = messages[found.length];
        // A message that was executed in an earlier block, or before in this one, has no second outcome.
        if (!outcome || !bytesEqual(outcome.messageHash, stored.batch.hashes[i] as Uint8Array)) continue;
        found.push(receiptSource(message, outcome.messageHash, outcome.codes));
      }
    }
    return found.length === messages.length ? found : undefined;
  }

  return {
    finalized(block, finalization) {
      const known = headers.get(block.hash);
      if (known && known.finalization.signers.length >= finalization.signers.length) return;
      headers.set(block.hash, { block, finalization });
      for (const hash of headers.keys()) {
        if (headers.size <= headersKept) break;
        headers.delete(hash);
      }
    },
    async proof(institution, uetr) {
      const location = store.keys.find(creditTransfer, institution, uetr, 0);
      if (!location) return none("no payment of this UETR was executed");
      const height = toHeight(location.height);
      if (height > settlement.height) return none("its block is not settled yet");
      const outcome = await settlement.outcome(height);
      const messages = outcome && (await sources(height, outcome));
      if (!messages) return none("its block is no longer kept here");
      const anchor = covering(height, zoneAt(messages, location.position));
      if (!anchor) return none("no settled block names a state root after it yet: ask again after the next block");
      const final = await store.finalBlock(height);
      if (!final) return none("its block is no longer kept here");
      const governance = final.block.body.governance.map((transaction, i) => {
        return { hash: sha256(transaction.bytes), granted: outcome.granted[i] === true, reason: "" };
      });
      const { position } = location;
      const bytes = buildProof({ height, time: final.block.header.time, position, messages, governance, ...anchor });
      return bytes ? { kind: "proof", bytes } : none("the payment did not settle");
    },
  };
}

/** Zone of the message whose payment stands at the position of its block. */
function zoneAt(messages: readonly ReceiptSource[], position: number): number {
  let first = 0;
  for (const { codes, zone } of messages) {
    if (position < first + codes.length) return zone;
    first += codes.length;
  }
  return 0;
}
