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
  {
    name: "send before persist",
    breaks: "durable before sent: votes and proposals leave while the disk still works on them",
    edits: [{ file: "validator/driver/outbox.ts", search: ".then(() => durable)", replace: ".then(() => {})" }],
    scenario: "power-cut",
    seeds: 5,
    violates: ["durable before sent"],
  },
  {
    name: "payload not durable",
    breaks: "a batch counts as held while the disk still works on it",
    edits: [
      {
        file: "validator/driver/batches.ts",
        search: "await guard.persist([...entries,",
        replace: "void guard.persist([...entries,",
      },
    ],
    scenario: "all-killed",
    seeds: 5,
    violates: ["acknowledged is kept"],
  },
  {
    name: "re-proposal after restart",
    breaks: "rule 0: a leader that comes back has forgotten what it proposed",
    edits: [
      {
        file: "validator/consensus/recover.ts",
        search: "(round) => ({ proposal, own: { ...round.own, proposed: true } })",
        replace: "() => ({})",
      },
    ],
    scenario: "leader-restarts",
    seeds: 5,
    violates: ["one proposal a view"],
  },
  {
    name: "quarantine on a mere proposal",
    breaks: "Execution: one faulty leader makes correct members doubt their own state",
    edits: [
      {
        file: "validator/consensus/step.ts",
        search: "if (proposal.finalization) receiveCertificate(",
        replace: "checkCertifiedRoot(draft, proposal.block.hash);\n  if (proposal.finalization) receiveCertificate(",
      },
    ],
    scenario: "wrong-root",
    seeds: 5,
    violates: ["only a certificate makes doubt"],
  },
  {
    name: "execution-lag deadlock",
    breaks: "Execution: beyond the lag no block is valid, where only payments should wait",
    edits: [
      {
        file: "validator/consensus/chain.ts",
        search: "if (lagging && body.batches.length > 0) return",
        replace: "if (lagging) return",
      },
    ],
    scenario: "stalled-execution",
    seeds: 5,
    violates: ["finality without execution"],
  },
  {
    name: "payload beyond the lag",
    breaks: "Execution: payments that no block may carry yet still drive leaders, at the speed of messages",
    edits: [
      {
        file: "validator/consensus/propose.ts",
        search: "const ready = lagging\n    ? Number",
        replace: "const ready = parent.closing\n    ? Number",
      },
      {
        file: "validator/consensus/propose.ts",
        search: "const pushing = lagging ||",
        replace: "const pushing =",
      },
    ],
    scenario: "stalled-execution",
    seeds: 5,
    violates: ["back-pressure"],
  },
  {
    name: "timeout reset by a nullification",
    breaks: "Vote topology: timeouts double since the last finalization, not since the last nullification",
    edits: [
      {
        file: "validator/consensus/pacing.ts",
        search: "state.view - state.finalized.view)",
        replace:
          "state.view - Math.max(state.finalized.view, ...[...state.rounds.values()].filter((round) => round.nullification).map((round) => round.view)))",
      },
    ],
    scenario: "slow-world",
    seeds: 5,
    violates: ["liveness"],
  },
  {
    name: "forged vote fills a slot",
    breaks: "Certificates: a vote is taken for that of whoever it names, whoever sent it",
    edits: [
      {
        file: "validator/driver/routing.ts",
        search: "if (message.vote.signer !== seat) return",
        replace: "if (message.vote.signer < 0) return",
      },
      {
        file: "validator/driver/routing.ts",
        search: 'feed({ kind: "vote", from: seat,',
        replace: 'feed({ kind: "vote", from: message.vote.signer,',
      },
    ],
    scenario: "impersonator",
    seeds: 5,
    violates: ["nobody fills another's slot"],
  },
  {
    name: "late finalize refused",
    breaks: "Certificates: finalize votes count no more once the block is final",
    edits: [
      {
        file: "validator/consensus/vote.ts",
        search: 'vote.kind === "finalize" ? vote.view < state.finalized.view - lateViews :',
        replace: "vote.kind === undefined ? true :",
      },
    ],
    scenario: "distant-region",
    seeds: 3,
    violates: ["late votes cover"],
  },
  {
    name: "receipts not in the root",
    breaks: "Execution: the root commits to everything but what became of each payment",
    edits: [
      {
        file: "validator/ledger/execute.ts",
        search: "historyLeaf(receipts, ",
        replace: "historyLeaf(new Uint8Array(32), ",
      },
    ],
    scenario: "two-receipts",
    seeds: 5,
    violates: ["the root commits to receipts"],
  },
];
