import { hash } from "@chainsafe/hashtree";
import { bytesToHex } from "@noble/hashes/utils.js";
import { expect, test } from "vitest";
import { sha256 } from "../crypto/hash.ts";
import { anchorHash } from "./anchor.ts";
import { buildTransaction } from "./governance.ts";
import { receiptLeaves, receiptSource } from "./receipt-tree.ts";
import { batchOf, message, testChain } from "./testing/chain.ts";

const names = (bytes: Uint8Array) => bytesToHex(sha256(bytes));

test("the bytes of docs/formats.md and docs/state-root.md stay what they are", () => {
  // Written out: another default would be another chain.
  const parameters = {
    ...{ timeoutPolicy: "jacobson", minTimeout: 150, maxTimeout: 10_000, idleInterval: 1_000, settleInterval: 200 },
    ...{ maxClockDrift: 5_000, maxBlockBatches: 256, hintTimeout: 50, maxExecutionLag: 64, silentViews: 3 },
    ...{ suspectBlocks: 8, suspectAfter: 1_500, epochBlocks: 100_000, checkpointInterval: 1_000 },
    ...{ revealInterval: 32, minReveals: 4 },
  };
  const chain = testChain({ parameters });
  const roots: string[] = [chain.ledger.executed.root];
  const paid = message(chain, "golden", [{ id: 1 }, { id: 2, amount: 0 }, { id: 3, creditor: 4 }]);
  const first = chain.execute([batchOf(paid)]);
  roots.push(first.root);
  const fund = { kind: "fund", institution: "QSWADEFFXXX", currency: "EUR", amount: 500 } as const;
  const transaction = buildTransaction(chain.chainId, 0, fund, [{ key: 0, sign: () => new Uint8Array(64) }]);
  const second = chain.execute(
    [],
    { governance: [transaction] },
    { reveal: new Uint8Array(96).fill(7), closing: true },
  );
  roots.push(second.root);
  const source = receiptSource(paid, first.messages[0]?.messageHash ?? hash(paid.bytes), Uint8Array.of(0, 5, 0));
  expect({
    chainId: chain.chainId,
    anchor: anchorHash(chain.chainId),
    roots,
    receipts: [first, second].map(({ receiptsRoot }) => bytesToHex(receiptsRoot)),
    leaf: bytesToHex(receiptLeaves([source], [], chain.blocks[0]?.header ?? { height: 0, time: 0 })),
    transaction: names(transaction.bytes),
    snapshot: chain.ledger.snapshot().map(names),
    beacon: chain.ledger.epochConfig.beacon,
  }).toMatchInlineSnapshot(`
    {
      "anchor": "66de63000f01f44eb308f8d78a212f5c4d119c70be2e4127925b5fee627ad26d",
      "beacon": "9e75582f3e83d1167b47f9c1fb63100275e7f04c499debbb62c0c0449887ab3c",
      "chainId": "47cd90614b29d6e39f9007d6e6efa9483cc0bfe9d26ccbe967dcef6c6cdb1536",
      "leaf": "52c746092bdd5f3b6c8b7f914a9ab6070e6597fcad87f4d502ffd9d1d62d6058",
      "receipts": [
        "7efaf8c0a920bb5bbad12844ccea72696e12b65a6190a8da235d0a24187bdeb6",
        "6b5eb9cc026fd03fae3f466fb68cd5089c174b0656705bf032f7c6d2942e0b44",
      ],
      "roots": [
        "be348915aa6975aa3fb78bb8c252ab12f72e7949c3dbf90efd592813261ddf64",
        "2d49c96054b798ad04e7e2ff1f1a8730b4a482392d962fade35074383cc89b8c",
        "3ad4e9320128342dc11f314ffadac07fe4b7cc1f1844116979b879b97b670d2e",
      ],
      "snapshot": [
        "3f02717a915d33ec4b2477dc5d14c1ec52364394974cff194c0d7face079f127",
      ],
      "transaction": "92265958f34128c36de81987340b82cd5948fe6f34f9352078396cb0a669dc6c",
    }
  `);
});
