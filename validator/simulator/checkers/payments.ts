/** A client's view: what was accepted settles, once. */
import { type History, short, type Violation } from "../history.ts";

/** Every acknowledged message is in exactly one settled block; no message is in two, none was never submitted. */
export function checkPayments({ facts, submitted }: History): readonly Violation[] {
  const violations: Violation[] = [];
  const heights = new Map<string, number>();
  for (const fact of facts) {
    if (fact.kind !== "settled") continue;
    for (const { hash, codes } of fact.messages) {
      const known = heights.get(hash);
      heights.set(hash, fact.height);
      if (known !== undefined && known !== fact.height)
        violations.push({
          rule: "settles once",
          detail: `message ${short(hash)} settled in blocks ${known} and ${fact.height}`,
          at: fact.at,
        });
      const sent = submitted.get(hash);
      if (sent?.length !== codes.length)
        violations.push({
          rule: "settles once",
          detail: `message ${short(hash)} settled with ${codes.length} payments, submitted with ${sent?.length ?? 0}`,
          at: fact.at,
        });
    }
  }
  for (const fact of facts) {
    if (fact.kind === "acknowledged" && !heights.has(fact.message))
      violations.push({
        rule: "accepted is never lost",
        detail: `message ${short(fact.message)} was accepted by ${fact.node} and never settled`,
        at: fact.at,
      });
  }
  return violations;
}
