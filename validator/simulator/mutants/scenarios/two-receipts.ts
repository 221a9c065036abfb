/**
 * Two members execute one block and give one payment different receipts, with all balances and keys equal. Their roots
 * have to differ: else nobody finds out, and no proof of a receipt means anything (consensus.md, Execution).
 */
import { batchOf, message, testChain } from "../../../ledger/testing/chain.ts";
import { type Scenario, Violation } from "../violation.ts";

export const twoReceipts: Scenario = {
  name: "two-receipts",
  async run(seed) {
    const members = [testChain(), testChain()] as const;
    // Expired long ago: rejected for that, or by a member that misjudged its signature, for that.
    const [right, wrong] = members.map((chain, i) => {
      const late = message(chain, `late ${seed}`, [{ id: seed }], { expiry: chain.genesis.time + 1 });
      const good = message(chain, `good ${seed}`, [{ id: seed + 1_000 }]);
      chain.execute([batchOf(good)]);
      return chain.execute([batchOf(late)], {}, { authentic: i === 0 });
    });
    if (!right || !wrong) throw new Error("two chains");
    const codes = [right, wrong].map(({ messages }) => messages[0]?.codes.join());
    if (codes[0] === codes[1]) throw new Error("the two receipts are the same");
    if (right.root === wrong.root)
      throw new Violation("the root commits to receipts", `receipts ${codes.join(" and ")} under one root`);
  },
};
