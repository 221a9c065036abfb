/**
 * What must not go unnoticed: ways to break the protocol that read like an honest mistake, each with the scenario that
 * sees it. Rules are those of docs/consensus-core.md.
 */
import type { Edit } from "./patch.ts";
import type { Property } from "./violation.ts";

export interface Mutant {
  readonly name: string;
  /** The rule it breaks, and how. */
  readonly breaks: string;
  readonly edits: readonly Edit[];
  /** A name from `scenarios/all.ts`, and at most how many of its seeds it takes. */
  readonly scenario: string;
  readonly seeds: number;
  /** What the scenario then finds broken: nothing else counts. */
  readonly violates: readonly Property[];
}

export const mutants: readonly Mutant[] = [
  {
    name: "second notarize",
    breaks: "rule 1: a leader's second block replaces the first, and is voted for too",
    edits: [
      {
        file: "validator/consensus/step.ts",
        search: "if (first && first.block.hash !== proposal.block.hash) {",
        replace: "if (first && first.block.header.proposer !== header.proposer) {",
      },
      {
        file: "validator/consensus/step.ts",
        search: 'if (first) return ignore(draft, "proposal-duplicate");',
        replace: 'if (first?.block.hash === proposal.block.hash) return ignore(draft, "proposal-duplicate");',
      },
      {
        file: "validator/consensus/vote.ts",
        search: "if (!proposal || round.own.notarize !== undefined ||",
        replace: "if (!proposal || round.own.notarize === proposal.block.hash ||",
      },
      {
        file: "validator/consensus/round.ts",
        search: "return own.notarize === undefined &&",
        replace: "return own.notarize !== ballot.block &&",
      },
    ],
    scenario: "equivocating-leader",
    seeds: 5,
    violates: ["one notarize a view"],
  },
  {
    name: "finalize after nullify",
    breaks: "rule 2: a view that this member voted to skip is finalized by it all the same",
    edits: [
      {
        file: "validator/consensus/round.ts",
        search: "return own.finalize === undefined && !own.nullify;",
        replace: "return own.finalize === undefined;",
      },
      {
        file: "validator/consensus/vote.ts",
        search: "round.own.finalize !== undefined || round.own.nullify",
        replace: "round.own.finalize !== undefined",
      },
    ],
    scenario: "slow-links",
    seeds: 5,
    violates: ["never nullify and finalize"],
  },
  {
    name: "nullification check skipped",
    breaks: "rule 4: the views between a block and its parent need not be nullified",
    edits: [
      {
        file: "validator/consensus/chain.ts",
        search: "if (!roundOf(state, toView(v)).nullification) return false;",
        replace: "roundOf(state, toView(v));",
      },
    ],
    scenario: "skipped-view",
    seeds: 5,
    violates: ["agreement"],
  },
  {
    name: "quorum one lower",
    breaks: "Q = W − F: two quorums no longer share a correct member",
    edits: [
      {
        file: "validator/consensus/power.ts",
        search: "quorum: total - fault }",
        replace: "quorum: total - fault - 1 }",
      },
    ],
    scenario: "halves",
    seeds: 5,
    violates: ["agreement"],
  },
];
