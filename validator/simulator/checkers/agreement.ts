/** Safety as a reader of the chain sees it: one block, one root and one set of receipts at a height. */
import { type Fact, type History, short, type Violation } from "../history.ts";

/** No two correct members commit, execute or settle differently at a height, and none doubts its own state. */
export function checkAgreement({ facts }: History): readonly Violation[] {
  const violations: Violation[] = [];
  const known = new Map<string, { readonly value: string; readonly node: number }>();

  function agree({ at, node }: Fact & { readonly node: number }, what: string, height: number, value: string): void {
    const first = known.get(`${what} ${height}`);
    if (!first) known.set(`${what} ${height}`, { value, node });
    else if (first.value !== value)
      violations.push({
        rule: "agreement",
        detail: `${what} ${height} is ${short(first.value)} on ${first.node} and ${short(value)} on ${node}`,
        at,
      });
  }

  for (const fact of facts) {
    if (fact.kind === "final") agree(fact, "final block", fact.height, fact.block);
    else if (fact.kind === "executed") agree(fact, "state root", fact.height, fact.root);
    else if (fact.kind === "settled") agree(fact, "receipts of block", fact.height, fact.receipts);
    else if (fact.kind === "quarantined")
      violations.push({
        rule: "agreement",
        detail: `${fact.node} quarantined itself: a quorum certified another root at ${fact.height}`,
        at: fact.at,
      });
  }
  return violations;
}
