/** "notarize" asserts that the payload is durable here: a power cut must not take what a vote relied on. */
import { type History, short, type Violation } from "../history.ts";

/** No restarted member lacks a batch of a block that it had voted for and that is not final. */
export function checkDurability({ facts }: History): readonly Violation[] {
  return facts.flatMap((fact) =>
    fact.kind === "payload-missing"
      ? [
          {
            rule: "durable payload",
            detail: `${fact.node} voted for ${short(fact.block)} and lost its batch ${short(fact.batch)} with its page cache`,
            at: fact.at,
          },
        ]
      : [],
  );
}
