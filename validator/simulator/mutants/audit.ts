/**
 * Listens to everything members say and holds it against the rules (consensus.md, What a validator may ever sign, and
 * Why it is safe). Counts with its own arithmetic, so that it does not believe what it audits.
 */
import type { Gossip } from "../../codec/peer.ts";
import type { Block, Digest, EpochConfig, SeatIndex, Vote } from "../../consensus/types.ts";
import { Violation } from "./violation.ts";

interface Said {
  notarize: Digest | undefined;
  finalize: Digest | undefined;
  nullify: boolean;
}

export interface Audit {
  /** `from` is correct: it is held to the rules. A faulty member's votes only count. */
  heard(from: SeatIndex, correct: boolean, message: Gossip): void;
  /** The member committed the block at this height. */
  final(member: number, height: number, block: Digest): void;
  readonly blocks: ReadonlyMap<Digest, Block>;
  /** Every violation so far, first first. */
  readonly violations: readonly Violation[];
}

export function createAudit(config: EpochConfig): Audit {
  const violations: Violation[] = [];
  const blocks = new Map<Digest, Block>();
  const proposed = new Map<string, Digest>();
  const said = new Map<string, Said>();
  const tallies = new Map<string, Set<SeatIndex>>();
  const notarized = new Map<number, Digest>();
  const finalized = new Map<number, Digest>();
  const nullified = new Set<number>();
  const chain = new Map<number, Digest>();
  const total = config.members.reduce((sum, { power }) => sum + power, 0);
  const quorum = total - Math.floor((total - 1) / (config.faultModel === "Byzantine" ? 3 : 2));

  const report = (...violation: ConstructorParameters<typeof Violation>) => {
    violations.push(new Violation(...violation));
  };

  function judge(from: SeatIndex, vote: Vote): void {
    const key = `${from} ${vote.view}`;
    const before = said.get(key) ?? { notarize: undefined, finalize: undefined, nullify: false };
    const by = `member ${from}, view ${vote.view}`;
    if (vote.kind === "notarize") {
      if (before.notarize !== undefined && before.notarize !== vote.block)
        report("one notarize a view", `${by}: two blocks`);
      before.notarize = vote.block;
    }
    if (vote.kind === "nullify") before.nullify = true;
    if (vote.kind === "finalize") before.finalize = vote.block;
    if (before.nullify && before.finalize !== undefined) report("never nullify and finalize", by);
    said.set(key, before);
  }

  function count({ kind, view, block, signer }: Vote): void {
    const key = `${kind} ${view} ${block}`;
    const signers = tallies.get(key) ?? new Set();
    tallies.set(key, signers.add(signer));
    const power = [...signers].reduce((sum, seat) => sum + (config.members[seat]?.power ?? 0), 0);
    if (power < quorum) return;
    if (kind === "notarize") certify(notarized, view, block, "notarized");
    else if (kind === "finalize") certify(finalized, view, block, "final");
    else if (kind === "nullify") nullified.add(view);
    if (nullified.has(view) && finalized.has(view)) report("agreement", `view ${view} is nullified and final`);
    for (const [low, final] of finalized)
      for (const [high, tip] of notarized) if (high > low) extendsFinal(low, final, high, tip);
  }

  function certify(certified: Map<number, Digest>, view: number, block: Digest, word: string): void {
    const other = certified.get(view);
    if (other !== undefined && other !== block) report("agreement", `two blocks are ${word} in view ${view}`);
    certified.set(view, block);
  }

  /** Every block notarized above a final one has it as an ancestor. */
  function extendsFinal(low: number, final: Digest, high: number, tip: Digest): void {
    let at = blocks.get(tip);
    let hash: Digest = tip;
    while (at && at.header.view > low) {
      hash = at.header.parent;
      at = blocks.get(hash);
    }
    const known = at !== undefined || hash === config.anchor.hash;
    if (known && hash !== final) report("agreement", `view ${high} is notarized beside the final block of view ${low}`);
  }

  return {
    blocks,
    violations,
    heard(from, correct, message) {
      if (message.kind === "proposal") {
        const { block } = message.proposal;
        const { proposer, view } = block.header;
        blocks.set(block.hash, block);
        if (!correct || proposer !== from) return;
        const key = `${from} ${view}`;
        const first = proposed.get(key);
        if (first !== undefined && first !== block.hash)
          report("one proposal a view", `member ${from}, view ${view}: two blocks`);
        proposed.set(key, block.hash);
      }
      if (message.kind !== "vote" || message.vote.signer !== from) return;
      if (correct) judge(from, message.vote);
      count(message.vote);
    },
    final(member, height, block) {
      const first = chain.get(height);
      if (first !== undefined && first !== block)
        report("agreement", `member ${member} committed another block at height ${height}`);
      chain.set(height, first ?? block);
    },
  };
}
