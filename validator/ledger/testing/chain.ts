/** A small chain for tests and benchmarks: institutions with keys, accounts, blocks of payment messages. */
import { hexToBytes } from "@noble/hashes/utils.js";
import { type Batch, buildBatch } from "../../codec/batch.ts";
import { sealBlock } from "../../codec/block.ts";
import {
  buildMessage,
  checkMessage,
  creditTransfer,
  messageKey,
  type PaymentRecord,
  recordLength,
  writeRecord,
} from "../../codec/payment-message.ts";
import type { Block, Body, Digest } from "../../consensus/types.ts";
import { epoch, height, seatIndex, view } from "../../consensus/types.ts";
import { createLedger, type LedgerCrypto, type SettlementLedger } from "../execute.ts";
import { type Genesis, type GenesisDocument, parseGenesis } from "../genesis.ts";
import { createMemoryKeys } from "../memory-keys.ts";
import type { ExecutedBlock, ExecutedKeys } from "../types.ts";

const bics = ["QSWADEFFXXX", "QSWBUS33XXX", "QSWCSGSGXXX", "QSWDSESSXXX"] as const;
const seed = (n: number, bytes: number) => n.toString(16).padStart(2 * bytes, "0");

export function testGenesis(changes: Partial<GenesisDocument> = {}): {
  readonly genesis: Genesis;
  readonly chainId: Digest;
} {
  const parsed = parseGenesis({
    chainName: "test",
    time: 1_767_225_600_000,
    members: ["eu-west", "us-east", "ap-south", "eu-north"].map((region, i) => ({
      id: `test-${region}`,
      power: 1,
      region,
      zones: region.startsWith("eu") ? ["EU"] : [],
      blsKey: seed(i + 1, 48),
      peerKey: seed(i + 1, 32),
      proofOfPossession: seed(i + 1, 96),
    })),
    governance: { threshold: 1, keys: [seed(99, 32)] },
    zones: ["EU"],
    institutions: bics.map((bic, i) => ({ bic, key: seed(200 + i, 32) })),
    accounts: bics.flatMap((institution) => [
      { institution, currency: "EUR", openingBalance: 1_000_000_00 },
      {
        institution,
        currency: "USD",
        openingBalance: 1_000_000_00,
        debitCap: 500_00,
        perPaymentLimit: 10_000_00,
        perDayLimit: 15_000_00,
      },
    ]),
    ...changes,
  });
  if (parsed.kind === "refused") throw new Error(parsed.reasons.join("\n"));
  return parsed;
}

export interface TestChain {
  readonly ledger: SettlementLedger;
  readonly genesis: Genesis;
  readonly chainId: Digest;
  /** The next block with these batches, executed. */
  execute(
    batches: readonly Batch[],
    body?: Partial<Body>,
    options?: {
      readonly minutes?: number;
      readonly reveal?: Uint8Array;
      readonly closing?: boolean;
      readonly authentic?: boolean;
    },
  ): ExecutedBlock;
  readonly blocks: readonly Block[];
}

/** `verify` accepts every signature unless told otherwise: the cryptography has its own tests. */
export function testChain(
  changes: Partial<GenesisDocument> = {},
  options: {
    readonly keys?: ExecutedKeys;
    readonly verify?: (key: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean;
    readonly crypto?: LedgerCrypto;
  } = {},
): TestChain {
  const { genesis, chainId } = testGenesis(changes);
  const accepting = {
    verifyEd25519: options.verify ?? (() => true),
    verifyBls: () => true,
    provesPossession: () => true,
  };
  const crypto = options.crypto ?? accepting;
  const ledger = createLedger({ genesis, chainId, keys: options.keys ?? createMemoryKeys(), crypto });
  const blocks: Block[] = [];
  let time = genesis.time;
  return {
    ledger,
    genesis,
    chainId,
    blocks,
    execute(batches, body = {}, { minutes = 1, reveal, closing = false, authentic = true } = {}) {
      time += minutes * 60_000;
      const previous = blocks.at(-1);
      const references = batches.map((batch) => ({
        digest: batch.digest,
        payments: batch.payments,
        bytes: batch.bytes.length,
        zone: "",
      }));
      const header = {
        chainId,
        epoch: epoch(ledger.epochConfig.epoch),
        view: view(blocks.length + 1),
        height: height(blocks.length + 1),
        parentView: view(blocks.length),
        parent: previous?.hash ?? chainId,
        time,
        proposer: seatIndex(0),
        closing,
        rootHeight: height(0),
        root: chainId,
      };
      const block = sealBlock(header, { batches: references, governance: [], coverage: [], ...body }, reveal);
      blocks.push(block);
      ledger.begin(block);
      for (const batch of batches) ledger.apply(batch.bytes, () => authentic);
      return ledger.end();
    },
  };
}

export interface PaymentFields extends Partial<Omit<PaymentRecord, "uetr">> {
  /** Any number: becomes the 16 bytes. */
  readonly id: number;
}

/** Records of payments from account 0 to 2 (both EUR) unless said otherwise. */
function records(payments: readonly PaymentFields[]): Uint8Array {
  const bytes = new Uint8Array(payments.length * recordLength);
  for (const [i, { id, ...fields }] of payments.entries()) {
    const record = {
      debtor: 0,
      creditor: 2,
      amount: 100,
      currency: 978,
      purpose: 0,
      valueDate: 20_260_101,
      commitment: new Uint8Array(24),
      ...fields,
    };
    writeRecord(bytes, i, { ...record, uetr: hexToBytes(seed(id, 16)) });
  }
  return bytes;
}

export function message(
  chain: Pick<TestChain, "chainId" | "genesis">,
  id: string,
  payments: readonly PaymentFields[],
  changes: {
    readonly institution?: number;
    readonly atomic?: boolean;
    readonly expiry?: number;
    readonly chainId?: Digest;
    readonly zone?: number;
  } = {},
) {
  const fields = {
    kind: creditTransfer,
    institution: 0,
    zone: 0,
    atomic: false,
    messageKey: messageKey(id),
    chainId: chain.chainId,
    expiry: chain.genesis.time + 3_600_000,
    privateRoot: new Uint8Array(32),
    ...changes,
  };
  const checked = checkMessage(buildMessage(fields, records(payments), () => new Uint8Array(64)));
  if (checked.kind === "refused") throw new Error(checked.error.reason);
  return checked.value;
}

export const batchOf = (...messages: Parameters<typeof buildBatch>[1]): Batch =>
  buildBatch(messages[0]?.header.zone ?? 0, messages);
