/** Settlement proofs from what this validator holds: the receipt and its block, and a newer header that a covering finalization makes a trust anchor's. */
import { bytesEqual } from "../codec/bytes.ts";
import { creditTransfer } from "../codec/payment-message.ts";
import type { Block, Certificate, Digest, EpochConfig, Header, Height } from "../consensus/types.ts";
import { height as toHeight } from "../consensus/types.ts";
import { sha256 } from "../crypto/hash.ts";
import type { SettlementLedger } from "../ledger/execute.ts";
import { bridge, setOf } from "../ledger/handover.ts";
import type { BlockOutcome } from "../ledger/outcome.ts";
import { buildProof, covers } from "../ledger/proof.ts";
import { decodeHandover, encodeHandover, type Handover, maxHandovers } from "../ledger/proof-bytes.ts";
import { type GovernanceReceipt, type ReceiptSource, receiptSource } from "../ledger/receipt-tree.ts";
import type { Store } from "../storage/types.ts";
import type { Batches } from "./batches.ts";
import type { DiskGuard } from "./disk-guard.ts";
import type { Chain } from "./ledger-port.ts";
import type { ProofResult } from "./services.ts";
import type { Settlement } from "./settlement.ts";

export interface Proofs {
  /** A finalization, new or extended by late votes, with its block. */
  finalized(block: Block, finalization: Certificate): void;
  /** For a reader who trusts the set of epoch `from`. */
  proof(institution: number, uetr: Uint8Array, from: number): Promise<ProofResult>;
  /** The newest of them. */
  newest(): { readonly header: Header; readonly finalization: Certificate } | undefined;
  /** Handovers from the set of an epoch towards that of the newest header's, that one included; the first of them when they are many, none when they are not all kept here. */
  way(from: number): readonly Uint8Array[];
  /** Handovers from genesis to the set of an epoch, that one included; undefined when they are not all kept here. */
  wayTo(epoch: number): readonly Uint8Array[] | undefined;
  /** What a final block's receipts are made of; undefined when it is not executed, or its batches are no longer kept here. */
  executedBlock(block: Block): Promise<ReceiptsOfBlock | undefined>;
}

export interface ReceiptsOfBlock {
  readonly messages: readonly ReceiptSource[];
  readonly governance: readonly GovernanceReceipt[];
}

export interface ProofsOptions {
  readonly store: Store;
  readonly batches: Batches;
  readonly settlement: Settlement;
  readonly ledger: () => SettlementLedger;
  readonly config: () => EpochConfig;
  readonly chain: Chain;
  readonly guard: Pick<DiskGuard, "report">;
  readonly onFatal: (error: unknown) => void;
}

/** Headers remembered: the newest that is covered serves every older payment. */
const headersKept = 32;
/** Of handovers in a report: who has followed these asks for more. */
const wayBytes = 2 << 20;
const none = (reason: string): ProofResult => ({ kind: "none", reason });

export function createProofs(options: ProofsOptions): Proofs {
  const { store, batches, settlement, ledger, config } = options;
  /** The newest epoch's own, from when it is known: on disk a moment later. */
  let saving: { readonly epoch: number; readonly bytes: Uint8Array } | undefined;
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
  async function sources(block: Block, { messages }: BlockOutcome): Promise<readonly ReceiptSource[] | undefined> {
    const found: ReceiptSource[] = [];
    for (const { digest } of block.body.batches) {
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

  /** Keeps the first header of an epoch that leads to its set: proofs for readers who trust an older one go over it. */
  function keepHandover({ header }: Block, finalization: Certificate): void {
    const { epoch, anchor } = config();
    if (header.epoch !== epoch || epoch === 0 || epoch === saving?.epoch || store.handovers.has(epoch)) return;
    // Roots from the anchor's on have this epoch's set under them.
    const state =
      header.rootHeight < anchor.height ? undefined : ledger().stateProof(header.rootHeight, header.rootHeight);
    if (!state) return;
    const { set, setPath } = state;
    saving = { epoch, bytes: encodeHandover({ set, setPath, header, finalization }) };
    store.saveHandover(epoch, saving.bytes).catch((error: unknown) => {
      saving = undefined;
      if (!options.guard.report(error)) options.onFatal(error);
    });
  }

  /** Handovers on the way from the set of an epoch to that of the header; undefined when they are not all kept here. */
  function handovers(from: number, last: Handover, most?: number): readonly Handover[] | undefined {
    const newer = [...store.handovers].filter(([epoch]) => epoch > from && epoch < last.header.epoch);
    const known = newer.map(
      ([, bytes]) =>
        () =>
          decodeHandover(bytes),
    );
    const { genesis } = options.chain;
    const bytes = store.handovers.get(from);
    const own = bytes && decodeHandover(bytes);
    const trusted = from === 0 ? { ...genesis, epoch: 0 } : from === config().epoch ? config() : own && setOf(own);
    return trusted && bridge(trusted, known, last, most);
  }

  async function executedBlock(block: Block): Promise<ReceiptsOfBlock | undefined> {
    const outcome = await settlement.outcome(block.header.height);
    const messages = outcome && (await sources(block, outcome));
    if (!messages) return undefined;
    const governance = block.body.governance.map((transaction, i) => {
      return { hash: sha256(transaction.bytes), granted: outcome.granted[i] === true, reason: "" };
    });
    return { messages, governance };
  }

  function newest() {
    const last = [...headers.values()].at(-1);
    return last && { header: last.block.header, finalization: last.finalization };
  }

  return {
    newest,
    executedBlock,
    way(from) {
      const epoch = newest()?.header.epoch ?? 0;
      const own = store.handovers.get(epoch) ?? (saving?.epoch === epoch ? saving.bytes : undefined);
      const bytes = from < epoch ? own : undefined;
      const last = bytes && decodeHandover(bytes);
      const way = last && handovers(from, last, Number.POSITIVE_INFINITY);
      if (!way) return [];
      const taken: Uint8Array[] = [];
      let size = 0;
      for (const each of [...way.map(encodeHandover), bytes]) {
        size += each.length;
        if (taken.length === maxHandovers || size > wayBytes) break;
        taken.push(each);
      }
      return taken;
    },
    wayTo(epoch) {
      if (epoch === 0) return [];
      const bytes = store.handovers.get(epoch) ?? (saving?.epoch === epoch ? saving.bytes : undefined);
      const last = bytes && decodeHandover(bytes);
      const way = last && handovers(0, last, Number.POSITIVE_INFINITY);
      return way && [...way.map(encodeHandover), bytes];
    },
    finalized(block, finalization) {
      keepHandover(block, finalization);
      const known = headers.get(block.hash);
      if (known && known.finalization.signers.length >= finalization.signers.length) return;
      headers.set(block.hash, { block, finalization });
      for (const hash of headers.keys()) {
        if (headers.size <= headersKept) break;
        headers.delete(hash);
      }
    },
    async proof(institution, uetr, from) {
      if (from > config().epoch) return none(`epoch ${from} has not begun`);
      const location = store.keys.find(creditTransfer, institution, uetr, 0);
      if (!location) return none("no payment of this UETR was executed");
      const height = toHeight(location.height);
      if (height > settlement.height) return none("its block is not settled yet");
      const final = await store.finalBlock(height);
      const executed = final && (await executedBlock(final.block));
      if (!executed) return none("its block is no longer kept here");
      const { messages } = executed;
      const anchor = covering(height, zoneAt(messages, location.position));
      if (!anchor) return none("no settled block names a state root after it yet: ask again after the next block");
      const { position } = location;
      const { set, setPath } = anchor.state;
      const way = handovers(from, { set, setPath, header: anchor.header, finalization: anchor.finalization });
      if (!way) return none(`the way from the validator set of epoch ${from} is not kept here`);
      const source = { height, time: final.block.header.time, position, ...executed, ...anchor };
      const bytes = buildProof({ ...source, handovers: way });
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
