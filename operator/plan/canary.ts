/**
 * Overrides are tried on a few seats before anybody else has them. The trial stands in the planner's memory: who has the
 * overrides is written before a pod is restarted for it, and what was measured is kept there too, so that an operator
 * that is ended at any moment goes on. Only evidence ends well: whatever else ends a trial sends its seats back.
 */
import { judge, type Tally, type Verdict, withWindow } from "../analysis/judge.ts";
import type { Chain } from "./chain.ts";
import { type Decision, wait } from "./decisions.ts";
import type { DesiredCanary } from "./desired.ts";
import type { Facts, Identity, Seat } from "./facts.ts";
import type { CanaryOutcome, CanaryTrial } from "./snapshot.ts";
import { timeText } from "./time.ts";

/** How long one seat may take to vote with the overrides, ms. */
const startTimeout = 300_000;
/** A process that has just begun is slower than it will be: so much of the duration, at most a minute, is not compared. */
const warmUp = ({ duration }: DesiredCanary) => Math.min(60_000, duration / 6);
/** As many looks as there may be: a status is no time series. */
const looks = 30;
const shortestWindow = 2_000;

/** What is to be measured for the planner. */
export interface Watch {
  /** Length of a window, ms. */
  readonly every: number;
}

/** The trial that the spec asks for now, once its seats are chosen. */
export function trialOf({ desired, memory }: Pick<Facts, "desired" | "memory">): CanaryTrial | undefined {
  const trial = memory.canary?.trial === desired.canary?.trial ? memory.canary : undefined;
  const failed = trial?.outcome !== undefined && trial.outcome.kind !== "Promote";
  return failed && trial.terms !== desired.canary?.terms ? undefined : trial;
}

/** The revision that a seat's pod is to run. */
export function revisionFor(facts: Pick<Facts, "desired" | "memory">, seat: string): string {
  const { canary, podRevision } = facts.desired;
  const trial = trialOf(facts);
  if (!canary || !trial) return podRevision;
  if (!trial.outcome) return trial.seats.includes(seat) ? canary.revision : podRevision;
  return trial.outcome.kind === "Promote" ? canary.promotedRevision : podRevision;
}

/** Why a pod is to run another revision than it does. */
export function whyRevised(facts: Facts, { name, seat }: Pick<Identity, "name" | "seat">): Why {
  const trial = trialOf(facts);
  const { kind, message = "" } = trial?.outcome ?? {};
  if (kind === "Promote")
    return { reason: "CanaryPromoted", message: `${name} lacks the overrides that the canary proved` };
  if (!trial?.seats.includes(seat))
    return { reason: "RevisionOutdated", message: `${name} runs another revision than the spec's` };
  return kind === undefined
    ? { reason: "CanaryStarts", message: `${name} does not run the revision of its trial yet` }
    : { reason: outcomeReason[kind], message: `${name} goes back to the spec's revision (${message.slice(0, 600)})` };
}

interface Why {
  readonly reason: string;
  /** Without its full stop. */
  readonly message: string;
}

export const outcomeReason = {
  Promote: "CanaryPromoted",
  Abort: "CanaryAborted",
  Inconclusive: "CanaryInconclusive",
} as const;

/** Samples are wanted while seats have the overrides. */
export function watchOf(facts: Facts): Watch | undefined {
  const { canary } = facts.desired;
  const trial = trialOf(facts);
  return canary && trial && !trial.outcome ? { every: Math.max(shortestWindow, canary.duration / looks) } : undefined;
}

/** What it waits for. What has ended says so in the condition. */
export function planCanary(facts: Facts): readonly Decision[] {
  const { canary } = facts.desired;
  const { chain } = facts;
  if (!canary || !chain || changesNothing(facts)) return [];
  const trial = trialOf(facts);
  if (trial?.outcome) return [];
  if (trial?.since !== undefined)
    return [wait("Canary", "CanaryWatched", watchSentence(facts, canary, trial, trial.since))];
  if (trial) {
    const open = trial.seats.filter((id) => !runsTrial(facts, chain, canary, id)).join(", ");
    return [wait("Canary", "CanaryStarts", `The canary begins when ${open} votes with the overrides.`)];
  }
  const unready = unreadyFor(facts, chain);
  if (unready) return [wait("Canary", "CanaryWaits", unready)];
  const chosen = choose(facts, chain, canary);
  if (chosen.length === canary.seats) return [];
  return [
    wait(
      "Canary",
      "CanaryHasNoRoom",
      `${chosen.length} of ${canary.seats} canary seats can be chosen: together they may hold F = ${chain.fault} power, and a required region keeps what settlement asks of it without them. Lower canary.seats, give regions more seats, or set disruption.allowSettlementPause.`,
    ),
  ];
}

/** The overrides are what the spec says anyway. */
const changesNothing = ({ desired }: Pick<Facts, "desired">) =>
  desired.canary?.promotedRevision === desired.podRevision;

function watchSentence(facts: Facts, canary: DesiredCanary, { seats, tallies }: CanaryTrial, since: number): string {
  const verdict = judge(canary.analysis, tallies);
  return `${seats.join(", ")} run with the overrides until ${timeText(since + canary.duration)}. So far ${verdictWord[verdict.kind]}: ${verdict.message}${problemOf(facts)}`;
}
const problemOf = ({ snapshot }: Facts) => (snapshot.analysis?.problem ? ` ${snapshot.analysis.problem}` : "");
const verdictWord = { Promote: "they pass", Abort: "they are worse", Inconclusive: "nothing is shown" } as const;

/** The trial as it is to be remembered after this look. */
export function nextTrial(facts: Facts): CanaryTrial | undefined {
  const { desired, snapshot, chain } = facts;
  const { canary } = desired;
  if (!canary) return undefined;
  const trial = trialOf(facts);
  const resting = desired.paused || desired.hibernate || snapshot.swarm.deleting;
  if (trial?.outcome || resting || !chain?.trusted) return trial;
  return trial ? goOn(facts, chain, canary, trial) : begin(facts, chain, canary);
}

function begin(facts: Facts, chain: Chain, canary: DesiredCanary): CanaryTrial | undefined {
  if (changesNothing(facts) || unreadyFor(facts, chain)) return undefined;
  const seats = choose(facts, chain, canary).map(({ id }) => id);
  if (seats.length < canary.seats) return undefined;
  const { trial, terms } = canary;
  const fresh = { since: undefined, counted: 0, tallies: [], outcome: undefined };
  return { trial, terms, seats, chosenAt: facts.now, ...fresh };
}

/** A trial compares with seats that are as the spec has them, and begins while nothing else is under way. */
function unreadyFor({ seats, desired, snapshot }: Facts, chain: Chain): string | undefined {
  if (snapshot.permit || chain.pending) return "The canary begins when what is under way has ended.";
  const open = seats.filter(
    ({ id, plan, holder }) => plan && (holder?.pod?.revision !== desired.podRevision || chain.voting.get(id) !== "yes"),
  );
  return open.length === 0
    ? undefined
    : `The canary begins when every seat votes with the spec's revision: ${open.map(({ id }) => id).join(", ")} does not yet.`;
}

/** As many regions as there are, the lightest seats first, ties by name; never more than F power. */
function choose({ seats, desired }: Facts, chain: Chain, canary: DesiredCanary): readonly Seat[] {
  const chosen: Seat[] = [];
  const power = (of: readonly Seat[]) => of.reduce((sum, { member }) => sum + (member?.power ?? 0), 0);
  const inRegion = (region: string | undefined) => chosen.filter(({ plan }) => plan?.region === region);
  const covered = (seat: Seat) => {
    const region = seat.plan?.region ?? "";
    const least = chain.current.requiredRegions[region] ?? 0;
    const held = chain.current.members.reduce((sum, each) => (each.region === region ? sum + each.power : sum), 0);
    return desired.allowSettlementPause || held - power([...inRegion(region), seat]) >= least;
  };
  const fits = (seat: Seat) =>
    seat.plan !== undefined &&
    seat.member !== undefined &&
    !chosen.includes(seat) &&
    power([...chosen, seat]) <= chain.fault &&
    covered(seat);
  const cost = (seat: Seat) => [inRegion(seat.plan?.region).length, seat.member?.power ?? 0] as const;
  while (chosen.length < canary.seats) {
    const [next] = seats
      .filter(fits)
      .toSorted((a, b) => cost(a)[0] - cost(b)[0] || cost(a)[1] - cost(b)[1] || (a.id < b.id ? -1 : 1));
    if (!next) break;
    chosen.push(next);
  }
  return chosen;
}

const runsTrial = ({ seats }: Facts, chain: Chain, { revision }: DesiredCanary, id: string) =>
  seats.find((seat) => seat.id === id)?.holder?.pod?.revision === revision && chain.voting.get(id) === "yes";

function goOn(facts: Facts, chain: Chain, canary: DesiredCanary, before: CanaryTrial): CanaryTrial {
  const { now, seats } = facts;
  const { terms } = canary;
  // What was measured against another margin says nothing about this one.
  const trial = before.terms === terms ? before : { ...before, terms, tallies: [] };
  const ended = (kind: CanaryOutcome["kind"], message: string): CanaryTrial => ({
    ...trial,
    outcome: { kind, message, at: now },
  });
  const gone = trial.seats.find((id) => !seats.some((seat) => seat.id === id && seat.plan && seat.member));
  if (gone) return ended("Inconclusive", `${gone} is no seat of the swarm any more.`);
  if (trial.since === undefined) {
    const open = trial.seats.filter((id) => !runsTrial(facts, chain, canary, id));
    if (open.length === 0) return { ...trial, since: now };
    return now - trial.chosenAt < startTimeout * trial.seats.length
      ? trial
      : ended("Abort", `${open.join(", ")} did not come to vote with the overrides in time.`);
  }
  const silent = trial.seats.find((id) => chain.voting.get(id) === "no");
  // Whether they are at fault nobody can tell from one seat.
  if (silent) return ended("Inconclusive", `${silent} stopped voting while it ran with the overrides.`);

  const counted = measured(facts, canary, trial, trial.since);
  const verdict = judge(canary.analysis, counted.tallies);
  const over = now - trial.since >= canary.duration;
  if (verdict.kind !== "Abort" && !over) return counted;
  const message = `${verdict.message}${verdict.kind === "Inconclusive" ? problemOf(facts) : ""}`;
  return { ...counted, outcome: { kind: verdict.kind, message, at: now } };
}

/** With the windows that are not counted yet. */
function measured({ snapshot }: Facts, canary: DesiredCanary, trial: CanaryTrial, since: number): CanaryTrial {
  const from = Math.max(trial.counted, since + warmUp(canary));
  const changed = new Set(trial.seats);
  const fresh = (snapshot.analysis?.windows ?? []).filter((window) => window.from >= from && window.to > window.from);
  let { counted, tallies } = trial;
  for (const window of fresh) {
    tallies = withWindow(tallies, canary.analysis, window, changed);
    counted = window.to;
  }
  return { ...trial, counted, tallies };
}

/** What people are shown of a canary. */
export interface CanaryStatus {
  readonly stage: "Waiting" | "Starting" | "Watching" | "Promoted" | "Aborted" | "Inconclusive";
  readonly seats: readonly string[];
  readonly revision: string;
  /** ms since the Unix epoch; undefined: not yet. */
  readonly since: number | undefined;
  readonly until: number | undefined;
  readonly verdict: Verdict;
  /** A sentence: what the verdict is. */
  readonly message: string;
  /** A sentence; empty: nothing. */
  readonly waitingFor: string;
}

/** Undefined when the spec asks for none. `trial` is what `nextTrial` gave. */
export function describeCanary(
  facts: Facts,
  trial: CanaryTrial | undefined,
  decisions: readonly Decision[],
): CanaryStatus | undefined {
  const { canary } = facts.desired;
  if (!canary) return undefined;
  const tallies: readonly Tally[] = trial?.tallies ?? [];
  const verdict = judge(canary.analysis, tallies);
  const waiting = decisions.find((each) => each.kind === "wait" && each.topic === "Canary");
  const since = trial?.since;
  return {
    stage: stageOf(trial),
    seats: trial?.seats ?? [],
    revision: canary.revision,
    since,
    until: since === undefined ? undefined : since + canary.duration,
    verdict,
    message: trial?.outcome?.message ?? (changesNothing(facts) ? "The spec says the same as the overrides." : ""),
    waitingFor: waiting?.kind === "wait" && !trial?.outcome ? waiting.message : "",
  };
}

function stageOf(trial: CanaryTrial | undefined): CanaryStatus["stage"] {
  if (!trial) return "Waiting";
  if (trial.outcome)
    return ({ Promote: "Promoted", Abort: "Aborted", Inconclusive: "Inconclusive" } as const)[trial.outcome.kind];
  return trial.since === undefined ? "Starting" : "Watching";
}
