/** The story of a run, line by line, with a digest over all of it: two runs of a seed are the same when their digests are. */
import { createHash } from "node:crypto";
import { type Fact, short } from "./history.ts";

export interface Trace {
  /** What a person wants to read: the scenario, faults, epochs, what was broken. */
  tell(at: number, line: string): void;
  /** Every fact counts for the digest; told only on demand. */
  fact(fact: Fact): void;
  readonly story: readonly string[];
  digest(): string;
}

/** `everything`: facts are part of the story. */
export function createTrace(everything = false): Trace {
  const hash = createHash("sha256");
  const story: string[] = [];
  const add = (line: string, told: boolean) => {
    hash.update(`${line}\n`);
    if (told) story.push(line);
  };
  const stamp = (at: number, line: string) => `${at.toFixed(2).padStart(10)} ${line}`;
  return {
    story,
    tell: (at, line) => add(stamp(at, line), true),
    fact: (fact) => add(stamp(fact.at, describeFact(fact)), everything || isTelling(fact)),
    digest: () => hash.copy().digest("hex"),
  };
}

function isTelling({ kind }: Fact): boolean {
  return kind === "started" || kind === "quarantined" || kind === "payload-missing" || kind === "healed";
}

function describeFact(fact: Fact): string {
  switch (fact.kind) {
    case "started":
      return `${fact.node} started`;
    case "said-vote": {
      const { kind, epoch, view, block } = fact.ballot;
      return `${fact.node} says ${kind} ${epoch}/${view} ${short(block)}`;
    }
    case "said-proposal":
      return `${fact.node} proposes ${short(fact.block)}`;
    case "reached": {
      const { kind, epoch, view, block } = fact.ballot;
      return `${fact.node} hears ${kind} ${epoch}/${view} ${short(block)} by ${fact.signers.join(" ")}`;
    }
    case "final":
      return `${fact.node} commits ${fact.height} ${short(fact.block)}`;
    case "executed":
      return `${fact.node} executed ${fact.height} ${short(fact.root)}`;
    case "settled":
      return `${fact.node} settled ${fact.height} ${fact.messages.map(({ hash, codes }) => `${short(hash)}:${codes.join("")}`).join(" ")}`;
    case "acknowledged":
      return `${fact.node} accepted ${short(fact.message)}`;
    case "payload-missing":
      return `${fact.node} has lost batch ${short(fact.batch)} of block ${short(fact.block)}`;
    case "accused":
      return `${fact.node} finds fault with ${fact.of}: ${fact.why}`;
    case "epoch":
      return `${fact.node} enters epoch ${fact.epoch}, powers ${fact.powers.join(" ")}`;
    case "quarantined":
      return `${fact.node} quarantined itself at ${fact.height}`;
    case "healed":
      return `healed; message ${short(fact.message)} has to settle`;
    case "caught-up":
      return `${fact.node} has settled up to ${fact.height}`;
    case "balances":
      return `${fact.node} holds ${fact.accounts.join(" ")}`;
  }
}
