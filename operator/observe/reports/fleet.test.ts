import { afterAll, beforeAll, expect, test } from "vitest";
import { maxLearnerLag } from "../../plan/membership.ts";
import type { Report, ValidatorSet } from "../../plan/snapshot.ts";
import type { MemberChange, Transaction, TransactionBody } from "../../plan/transactions.ts";
import { type ReportedFleet, startReportedFleet } from "../testing/fleet.ts";

const limit = 120_000;
const regions = ["eu-west", "us-east", "ap-south", "eu-north"];
const first = regions.map((region) => `quickstart-${region}-0-g1`);
const second = "quickstart-eu-west-0-g2";
const fifth = "quickstart-eu-west-1-g1";
let swarm: ReportedFleet;

beforeAll(async () => {
  swarm = await startReportedFleet(24_300 + (process.pid % 500) * 10);
}, limit);
afterAll(() => swarm?.close(), limit);

const certified = ({ sets }: Report) => (sets.kind === "verified" ? sets.value.current : undefined);

/** The set of an epoch, once every one of these has shown it. */
const epochOf = (epoch: number, identities: readonly string[]): Promise<ValidatorSet> =>
  swarm.until(() => {
    const sets = identities.map((identity) => {
      const report = swarm.reporters.report(identity);
      return report && certified(report);
    });
    return sets.every((set) => set?.epoch === epoch) ? sets[0] : undefined;
  });

const transaction = (epoch: number, body: TransactionBody): Transaction => ({
  id: `${epoch} ${body.kind}`,
  epoch,
  body,
});

const outcomeOf = (id: string) =>
  swarm.until(() => {
    const { outcomes } = swarm.report(first[1]!);
    return outcomes.kind === "verified" ? outcomes.value.find((each) => each.id === id) : undefined;
  });

/** The set's members as a change would name them. */
const membersOf = (set: ValidatorSet): MemberChange[] =>
  set.members.map(({ id, power, region, blsKey, peerKey }) => {
    return { id, power, region, zones: [], keys: { blsKey, peerKey }, proofOfPossession: undefined };
  });

test("before genesis is known, words and keys; with it, everything is proven", { timeout: limit }, async () => {
  const [one] = await swarm.until(() => {
    const reports = swarm.reporters.reports();
    return reports.length === 4 && reports.every(({ keys }) => keys.kind === "verified") ? reports : undefined;
  });
  expect(one).toMatchObject({ role: "validator", voting: true, height: { kind: "unverified" } });
  expect(swarm.reporters.setGenesis("{}")).toContain("genesis.chainName");
  expect(swarm.reporters.setGenesis(swarm.genesis)).toBe("");
  const set = await epochOf(0, first);
  expect(set.members.map(({ id, managed }) => [id, managed])).toEqual(
    regions.map((region) => [`quickstart-${region}-0`, true]),
  );
  expect(set.parameters["checkpointInterval"]).toBe(200);
  await swarm.until(() => swarm.reporters.reports().every(({ heard }) => heard.length === 4) || undefined);
  const report = swarm.report(first[0]!);
  expect(report).toMatchObject({ identity: first[0], podUid: `uid of ${first[0]}`, root: { kind: "verified" } });
  expect(Math.abs(Date.now() - report.observedAt)).toBeLessThan(15_000);
});

test("a learner is admitted, catches up and takes the seat", { timeout: limit }, async () => {
  const { governor } = swarm;
  const seat = "quickstart-eu-west-0";
  const keys = await swarm.start(second, seat);
  const admission = transaction(0, { kind: "admit-learner", seat, learner: second, peerKey: keys.peerKey });
  expect(await governor.submit({ ...admission, epoch: 1 })).toMatchObject({ kind: "other-epoch" });
  expect(await governor.submit(admission)).toMatchObject({ kind: "submitted" });
  const set = await epochOf(1, first);
  expect(set.learners).toEqual([{ id: second, peerKey: keys.peerKey }]);
  expect(await outcomeOf(admission.id)).toMatchObject({ outcome: "granted" });

  await swarm.until(() => {
    const { role, height } = swarm.report(second);
    const newest = swarm.report(first[1]!).height;
    if (role !== "learner" || height.kind !== "verified" || newest.kind !== "verified") return undefined;
    return height.value >= newest.value - maxLearnerLag || undefined;
  });
  const currentKey = set.members[0]!.blsKey;
  const rotation = transaction(1, { kind: "rotate-seat", seat, currentKey, keys });
  expect(await governor.submit(rotation)).toMatchObject({ kind: "submitted" });
  const rotated = await epochOf(2, [...first.slice(1), second]);
  expect(rotated.members[0]).toMatchObject({ id: seat, blsKey: keys.blsKey });
  expect(rotated.learners).toEqual([]);
  await swarm.until(() => {
    const { role, voting, heard } = swarm.report(second);
    return (role === "validator" && voting && heard.includes(seat)) || undefined;
  });
});

test("four seats become five, and a change above F is refused with the chain's sentence", {
  timeout: limit,
}, async () => {
  const { governor } = swarm;
  const seat = "quickstart-eu-west-1";
  const keys = await swarm.start(fifth, seat);
  const admission = transaction(2, { kind: "admit-learner", seat, learner: fifth, peerKey: keys.peerKey });
  expect(await governor.submit(admission)).toMatchObject({ kind: "submitted" });
  const voters = [second, ...first.slice(1)];
  const before = await epochOf(3, voters);
  expect(before.learners.map(({ id }) => id)).toEqual([fifth]);

  const newcomer = { id: seat, power: 12, region: "eu-west", zones: [], keys };
  const joins = (proofOfPossession: string | undefined) =>
    transaction(3, {
      kind: "set-members",
      members: [...membersOf(before), { ...newcomer, proofOfPossession }],
      requiredRegions: before.requiredRegions,
    });
  expect(await governor.submit(joins(undefined))).toMatchObject({ kind: "not-possible" });
  expect(await governor.submit(joins(keys.proofOfPossession))).toMatchObject({ kind: "submitted" });
  const five = await epochOf(4, [...voters, fifth]);
  expect(five.members.map(({ power }) => power)).toEqual([12, 12, 12, 12, 12]);
  await swarm.until(() => swarm.report(second).heard.includes(seat) || undefined);

  const members = membersOf(five).slice(0, 3);
  const shrink = transaction(4, { kind: "set-members", members, requiredRegions: { "eu-west": 1 } });
  expect(await governor.submit(shrink)).toMatchObject({ kind: "submitted" });
  expect(await outcomeOf(shrink.id)).toEqual({
    id: shrink.id,
    outcome: "refused",
    reason: "the change would move 24 power, above F = 11",
  });
  // The block closed its epoch all the same.
  const after = await epochOf(5, voters);
  expect(after.members).toEqual(five.members);
});

test("a swarm at rest costs nothing but its statuses", { timeout: limit }, async () => {
  const { fleet, reporters } = swarm;
  await swarm.stop(first[0]!);
  const settled = () =>
    reporters.reports().every((report) => report.heard.length === 5 && certified(report)?.epoch === 5);
  await swarm.until(() => settled() || undefined);
  const height = () => fleet.view.state.seats()[1]!.status!.finalizedHeight;
  const [told, checked, then] = [swarm.changes.length, reporters.knowledge()!.checked(), height()];
  await fleet.view.state.until(() => height() >= then + 8);
  // Eight blocks: nothing that a planner would act on, no certificate looked at after the round under way.
  expect(swarm.changes.slice(told)).toEqual([]);
  expect(reporters.knowledge()!.checked()).toBeLessThanOrEqual(checked + reporters.reports().length);
});
