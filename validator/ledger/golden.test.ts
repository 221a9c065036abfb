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
        "06a5660d37f8c4e777471763284215144665a4dcc1ff905a75fdc6246a8fe17b",
        "b24d6d74f29ce7ec3ac309b9c131c74fbfccb2c03bf5cf00cb9293085afd90a5",
        "21dcfb2c349a3814075d42b3c082859d968a94d8bdab649cab0b7cfee758c1ef",
      ],
      "snapshot": [
        "60f91e8ba97be6ab2148baf9315ab5739bf225b373e3f3ba16149926c888bd7f",
      ],
      "transaction": "92265958f34128c36de81987340b82cd5948fe6f34f9352078396cb0a669dc6c",
    }
  `);
});
