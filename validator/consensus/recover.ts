/** The core's state after a restart, from the durable record alone (consensus.md, Durable before sent). */
import { addFinal, initialCoverage } from "./coverage.ts";
import { leader } from "./leader.ts";
import { emptyRound, type Round, withOwnVote } from "./round.ts";
import type { State } from "./state.ts";
import { startEpoch } from "./step.ts";
import type { DurableRecord, EpochConfig, SeatIndex, View } from "./types.ts";
import { view as toView } from "./types.ts";

/** Nothing that the record says was signed can be contradicted by the state this gives; what it says was sent may be sent again. */
export function recover(config: EpochConfig, self: SeatIndex | undefined, record: DurableRecord): State {
  const newest = record.executed.at(-1);
  if (!newest) throw new Error("a durable record names at least one executed state");
  const fresh = startEpoch(config, self, newest);
  const finalized = record.finalized
    ? {
        view: record.finalized.block.header.view,
        height: record.finalized.block.header.height,
        hash: record.finalized.block.hash,
        time: record.finalized.block.header.time,
        closed: record.finalized.block.header.closing,
        certificate: record.finalized.finalization,
      }
    : fresh.finalized;

  const blocks = new Map(record.blocks.map((block) => [block.hash, block]));
  for (const block of record.unsettled) if (block.header.epoch === config.epoch) blocks.set(block.hash, block);
  if (record.finalized) blocks.set(record.finalized.block.hash, record.finalized.block);

  const rounds = recoverRounds(config, record);
  const spoken = [...rounds.values()].map((round) => (isOver(round) ? round.view + 1 : round.view));
  const settledBelow = (record.unsettled[0]?.header.height ?? finalized.height + 1) - 1;
  let coverage = { ...initialCoverage(config, undefined), settled: settledBelow as State["finalized"]["height"] };
  for (const block of record.unsettled) coverage = addFinal(coverage, block);
  const finalBatches = new Map(
    record.unsettled.flatMap((block) =>
      block.body.batches.map((batch) => [batch.digest, block.header.height] as const),
    ),
  );

  return {
    ...fresh,
    finalized,
    blocks,
    rounds,
    coverage,
    finalBatches,
    executed: record.executed,
    view: toView(Math.max(finalized.view + 1, ...spoken)),
  };
}

function isOver(round: Round): boolean {
  return Boolean(round.notarization ?? round.nullification ?? round.finalization);
}

function recoverRounds(config: EpochConfig, record: DurableRecord): Map<View, Round> {
  const rounds = new Map<View, Round>();
  const update = (view: View, change: (round: Round) => Partial<Round>) => {
    const round = rounds.get(view) ?? emptyRound(view, leader(config, view));
    rounds.set(view, { ...round, ...change(round) });
  };
  for (const vote of record.votes) {
    const { kind } = vote;
    if (vote.epoch !== config.epoch || kind === "suspect" || kind === "sight") continue;
    update(vote.view, (round) => ({
      own: withOwnVote(round.own, vote),
      votes: { ...round.votes, [kind]: new Map(round.votes[kind]).set(vote.signer, vote) },
    }));
  }
  for (const proposal of record.proposals) {
    const { header } = proposal.block;
    if (header.epoch !== config.epoch) continue;
    update(header.view, (round) => ({ proposal, own: { ...round.own, proposed: true } }));
  }
  for (const certificate of record.certificates) {
    if (certificate.epoch !== config.epoch) continue;
    if (certificate.kind === "notarize") update(certificate.view, () => ({ notarization: certificate }));
    else if (certificate.kind === "nullify") update(certificate.view, () => ({ nullification: certificate }));
    else if (certificate.kind === "finalize") update(certificate.view, () => ({ finalization: certificate }));
  }
  if (record.finalized) {
    const { block, finalization } = record.finalized;
    update(block.header.view, () => ({ finalization }));
  }
  return rounds;
}
