/**
 * Shadow execution of real processes under load: a learner of a harmless release finds every root equal; one that rejects
 * one payment in 10,000 is found out, with height and both roots, and executes no further.
 */
import { type ReportedFleet, startReportedFleet } from "../../operator/observe/testing/fleet.ts";
import type { Report, Shadow } from "../../operator/plan/snapshot.ts";
import type { Transaction } from "../../operator/plan/transactions.ts";
import { watchGaps } from "../fleet/gaps.ts";
import { startLoad, unsettled } from "../fleet/load.ts";
import { buildBundle, faulty, nextRelease } from "./bundles.ts";

const loadEveryMs = 20;
const paymentsPerMessage = 40;
const settledBound = 60_000;
const leastRate = 1_000;
const commitBound = 2_000;
const waitBound = 120_000;
/** Without a defect in so many payments, more than one in 10,000 is excluded at 95 %: 3 / n. */
const enoughPayments = 30_000;
const seats = ["quickstart-eu-west-0", "quickstart-us-east-0"] as const;

export const shadow = { name: "shadow", minutes: 3, run };

async function run({
  directory,
  portBase,
}: {
  readonly directory: string;
  readonly portBase: number;
}): Promise<string> {
  const [good, bad] = [await buildBundle(nextRelease, directory), await buildBundle(faulty.wrongRoot, directory)];
  const swarm = await startReportedFleet(portBase);
  try {
    const invalid = swarm.reporters.setGenesis(swarm.genesis);
    if (invalid !== "") throw new Error(invalid);
    const load = await startLoad(swarm.fleet, loadEveryMs, paymentsPerMessage);
    const began = performance.now();
    const gaps = watchGaps(swarm.fleet);
    await admit(swarm, 0, `${seats[0]}-g2`, seats[0], good.program);
    const faultyBegan = performance.now();
    await admit(swarm, 1, `${seats[1]}-g2`, seats[1], bad.program);
    const mismatch = await until(swarm, "the faulty learner is found out", () => {
      return shadowOf(swarm, `${seats[1]}-g2`)?.mismatch;
    });
    const detected = Math.round(performance.now() - faultyBegan);
    const faultyReport = swarm.report(`${seats[1]}-g2`);
    must(faultyReport.role === "quarantined" && !faultyReport.voting, "it does not vote");
    const compared = await until(swarm, `${enoughPayments} payments are compared`, () => {
      const value = shadowOf(swarm, `${seats[0]}-g2`);
      return value && value.payments >= enoughPayments ? value : undefined;
    });
    must(compared.mismatch === undefined && compared.height > 0, "the harmless release finds every root equal");
    const commit = gaps.commit();
    gaps.stop();
    await load.stop();
    const rate = (load.acknowledged.size * paymentsPerMessage) / ((performance.now() - began) / 1_000);
    for (const link of swarm.fleet.view.links) {
      let missing = await unsettled(link, [...load.acknowledged.values()]);
      for (const end = performance.now() + settledBound; missing.length > 0; missing = await unsettled(link, missing))
        must(performance.now() < end, `${missing.length} acknowledged messages are not settled`);
    }
    const { height, expected, computed } = mismatch;
    const figures = [
      `bundles built in ${good.milliseconds} and ${bad.milliseconds} ms; ${Math.round(rate)} payments/s; commit gap ${commit} ms`,
      `mismatch ${detected} ms after its process began: height ${height}, expected ${expected}, computed ${computed}`,
      `harmless release: ${compared.blocks} blocks, ${compared.payments} payments with equal roots`,
    ].join("\n        ");
    must(commit <= commitBound, `commits rested for more than ${commitBound} ms. ${figures}`);
    must(rate >= leastRate, `less than ${leastRate} payments/s were acknowledged. ${figures}`);
    return figures;
  } finally {
    await swarm.close();
  }
}

/** What is verified of its execution. */
function shadowOf(swarm: ReportedFleet, identity: string): Shadow | undefined {
  const claim = swarm.reporters.report(identity)?.shadow;
  return claim?.kind === "verified" ? claim.value : undefined;
}

async function admit(
  swarm: ReportedFleet,
  epoch: number,
  learner: string,
  seat: string,
  program: string,
): Promise<void> {
  const { peerKey } = await swarm.start(learner, seat, program);
  const transaction: Transaction = {
    id: `admit ${learner}`,
    epoch,
    body: { kind: "admit-learner", seat, learner, peerKey },
  };
  await until(
    swarm,
    `epoch ${epoch} is proven`,
    () => certainEpoch(swarm.report(`${seats[0]}-g1`)) === epoch || undefined,
  );
  const sent = await swarm.governor.submit(transaction);
  must(sent.kind === "submitted", `${learner} was not admitted: ${JSON.stringify(sent)}`);
  await until(
    swarm,
    `${learner} is admitted`,
    () => certainEpoch(swarm.report(`${seats[0]}-g1`)) === epoch + 1 || undefined,
  );
}

const certainEpoch = ({ sets }: Report) => (sets.kind === "verified" ? sets.value.current.epoch : -1);

async function until<T>(swarm: ReportedFleet, what: string, find: () => T | undefined): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const late = () =>
    reject(
      new Error(
        `not in ${waitBound} ms: ${what}. ${JSON.stringify(swarm.reporters.reports().map(({ identity, role, shadow: said }) => [identity, role, said]))}`,
      ),
    );
  const timer = setTimeout(late, waitBound);
  return Promise.race([swarm.until(find), promise]).finally(() => clearTimeout(timer));
}

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}
