/** Nobody can make a correct member look faulty: what is held against a member is its own doing. */
import type { History, Violation } from "../history.ts";

/** No correct member finds fault with another correct member. */
export function checkAccusations({ facts, correct }: History): readonly Violation[] {
  return facts.flatMap((fact) =>
    fact.kind === "accused" && correct.includes(fact.of)
      ? [{ rule: "no false accusation", detail: `${fact.node} holds against ${fact.of}: ${fact.why}`, at: fact.at }]
      : [],
  );
}
