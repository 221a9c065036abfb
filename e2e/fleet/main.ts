/**
 * `npm run e2e:fleet`: real processes under load, killed with SIGKILL: one, two of four, all four; and seats added and
 * taken away. About 4 minutes. Ends with `N passed, N failed`.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { parseValidatorSwarm } from "../../operator/api/validator-swarm.ts";
import { type Fleet, startFleet } from "../../operator/embedded/fleet.ts";
import { watchGaps } from "./gaps.ts";
import { type Load, startLoad, unsettled } from "./load.ts";

const portBase = 18_600;
const loadEveryMs = 20;
/** Bounds that the protocol's parameters give with room for a busy machine of two cores, ms. */
const commitBound = 2_000;
const settlementBound = 10_000;
const returnBound = 60_000;
const scaleBound = 120_000;
/** Acknowledged means held by F + 1: what queued while there was no quorum takes a few blocks to settle. */
const drainBound = 30_000;
const root = join(import.meta.dirname, "../..");
let passed = 0;
let failed = 0;

async function scenario(name: string, run: () => Promise<string>): Promise<void> {
  const started = performance.now();
  try {
    const figures = await run();
    passed++;
    console.log(`passed  ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)\n        ${figures}`);
  } catch (error) {
    failed++;
    console.log(`FAILED  ${name}\n        ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
}

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

/** Waits for a state of the fleet, at most so long. */
async function reached(fleet: Fleet, what: string, holds: () => boolean, ms: number): Promise<number> {
  const started = performance.now();
  const late = AbortSignal.timeout(ms);
  const gaveUp = new Promise<never>((_, reject) =>
    late.addEventListener("abort", () => reject(new Error(`not in ${ms} ms: ${what}. ${describe(fleet)}`))),
  );
  const { promise, resolve } = Promise.withResolvers<void>();
  const look = () => {
    if (holds()) resolve();
  };
  const stops = [fleet.watch(look), fleet.view.state.watch(look)];
  look();
  await Promise.race([promise, gaveUp]).finally(() => {
    for (const stop of stops) stop();
  });
  return Math.round(performance.now() - started);
}

function describe(fleet: Fleet): string {
  return fleet.view.state
    .seats()
    .map(
      ({ seat, status, reachable, trouble }) =>
        `${seat.name}: ${reachable ? "" : "unreachable "}final ${status?.finalizedHeight} settled ${status?.settledHeight} ${trouble}`,
    )
    .join("; ");
}

const statusOf = (fleet: Fleet, seat: string) => fleet.view.state.seats().find((view) => view.seat.name === seat);
const allReady = (fleet: Fleet) => () =>
  fleet.view.state
    .seats()
    .every(({ reachable, status }) => reachable && status?.notReady === "" && status.degradedRegions.length === 0);
const highest = (fleet: Fleet) =>
  Math.max(...fleet.view.state.seats().map(({ status }) => status?.finalizedHeight ?? 0));

/** All four ready, every region required again, everything acknowledged settled everywhere, one root. */
async function whole(fleet: Fleet, load: Load): Promise<string> {
  const ms = await reached(fleet, "every validator ready and every region required", allReady(fleet), returnBound);
  await load.stop();
  for (const [index, link] of fleet.view.links.entries()) {
    let missing = await unsettled(link, [...load.acknowledged.values()]);
    const until = performance.now() + drainBound;
    while (missing.length > 0) {
      must(
        performance.now() < until,
        `${missing.length} of ${load.acknowledged.size} acknowledged messages not settled`,
      );
      const height = fleet.view.state.seats()[index]?.status?.settledHeight ?? 0;
      await reached(
        fleet,
        "one more block settled",
        () => (fleet.view.state.seats()[index]?.status?.settledHeight ?? 0) > height,
        returnBound,
      );
      missing = await unsettled(link, missing);
    }
  }
  must(fleet.view.state.divergedAt() === undefined, `state roots differ at height ${fleet.view.state.divergedAt()}`);
  return `back and required again after ${ms} ms; ${load.acknowledged.size} acknowledged messages settled on every one; one root`;
}

async function killOne(fleet: Fleet, index: number): Promise<string> {
  const victim = fleet.view.seats[index];
  if (!victim) throw new Error(`no seat ${index}`);
  const others = fleet.view.seats.filter((seat) => seat !== victim).map((seat) => seat.name);
  const load = await startLoad(fleet, loadEveryMs);
  await delay(2_000);
  const gaps = watchGaps(fleet, others);
  const revive = fleet.hold([victim.identity]);
  const degraded = await reached(
    fleet,
    `${victim.region} degraded`,
    () => others.every((seat) => statusOf(fleet, seat)?.status?.degradedRegions.includes(victim.region)),
    settlementBound,
  );
  await delay(2_000);
  const [commit, settlement] = [gaps.commit(), gaps.settlement()];
  gaps.stop();
  must(commit <= commitBound, `commit gap ${commit} ms, bound ${commitBound}`);
  must(settlement <= settlementBound, `settlement gap ${settlement} ms, bound ${settlementBound}`);
  revive();
  const back = await whole(fleet, load);
  return `commit gap ${commit} ms, settlement gap ${settlement} ms (degraded after ${degraded} ms); ${back}`;
}

async function killTwo(fleet: Fleet): Promise<string> {
  const victims = fleet.view.seats.slice(1, 3);
  const alive = fleet.view.seats.filter((seat) => !victims.includes(seat)).map((seat) => seat.name);
  const load = await startLoad(fleet, loadEveryMs);
  await delay(1_000);
  const revive = fleet.hold(victims.map(({ identity }) => identity));
  await delay(1_000);
  const stuck = alive.map((seat) => statusOf(fleet, seat)?.status?.finalizedHeight);
  await delay(3_000);
  const later = alive.map((seat) => statusOf(fleet, seat)?.status?.finalizedHeight);
  must(JSON.stringify(stuck) === JSON.stringify(later), `commits went on without a quorum: ${stuck} to ${later}`);
  revive();
  return whole(fleet, load);
}

async function killAll(fleet: Fleet): Promise<string> {
  const load = await startLoad(fleet, loadEveryMs);
  await delay(1_000);
  const before = highest(fleet);
  fleet.hold(fleet.view.seats.map(({ identity }) => identity))();
  const ms = await reached(fleet, "commits after the restart", () => highest(fleet) > before + 1, returnBound);
  return `commits again after ${ms} ms; ${await whole(fleet, load)}`;
}

/** As the status says: the spec is met, every seat votes, nothing is under way. */
function isSettled(fleet: Fleet, replicas: number): boolean {
  const status = fleet.status();
  const is = (type: string, value: string) =>
    status?.conditions.some((condition) => condition.type === type && condition.status === value) === true;
  return is("Ready", "True") && is("Progressing", "False") && status?.seats.length === replicas;
}

/** Power in force, and the epoch, as `swarm status` shows them. */
async function shown(
  fleet: Fleet,
): Promise<{ readonly epoch: number; readonly power: { readonly total: number; readonly available: number } }> {
  const args = [join(root, "cli/main.ts"), "status", "--output", "json", "--kubeconfig", fleet.world.kubeconfig];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const [swarm] = JSON.parse(stdout).swarms;
  return { epoch: swarm.epoch, power: swarm.power };
}

async function scale(fleet: Fleet, steps: readonly number[]): Promise<string> {
  await reached(fleet, "four seats vote", () => isSettled(fleet, 4), returnBound);
  const before = await shown(fleet);
  const load = await startLoad(fleet, loadEveryMs);
  await delay(2_000);
  const gaps = watchGaps(fleet);
  const figures: string[] = [];
  for (const replicas of steps) {
    const args = [
      join(root, "cli/main.ts"),
      "scale",
      "quickstart",
      "--replicas",
      String(replicas),
      "--kubeconfig",
      fleet.world.kubeconfig,
    ];
    await promisify(execFile)(process.execPath, args);
    const ms = await reached(fleet, `${replicas} seats vote`, () => isSettled(fleet, replicas), scaleBound);
    const { epoch, power } = await shown(fleet);
    must(power.total === 48 && power.available === 48, `power ${power.available} of ${power.total} after scaling`);
    figures.push(`${replicas} seats after ${ms} ms in epoch ${epoch}`);
  }
  const [commit, settlement] = [gaps.commit(), gaps.settlement()];
  gaps.stop();
  must(commit <= commitBound, `commit gap ${commit} ms, bound ${commitBound}`);
  must((await shown(fleet)).epoch > before.epoch, "the set did not change");
  return `${figures.join(", ")}; commit gap ${commit} ms, settlement gap ${settlement} ms; ${await whole(fleet, load)}`;
}

const directory = mkdtempSync(join(tmpdir(), "swarm-fleet-"));
const manifest = parseValidatorSwarm(readFileSync(join(root, "manifests/quickstart.yaml"), "utf8"));
if (manifest.kind !== "ok") throw new Error("manifests/quickstart.yaml is not valid");
const started = await startFleet(manifest.swarm, {
  portBase,
  directory,
  signal: new AbortController().signal,
});
if (started.kind === "failed") {
  console.log(`FAILED  the fleet starts\n        ${started.reason}`);
  failed++;
} else {
  const { fleet } = started;
  // First: the others kill who would be moved.
  await scenario("four seats become seven and four again, under load", () => scale(fleet, [7, 4]));
  for (const [index, seat] of fleet.view.seats.entries()) {
    await scenario(`kill -9 of ${seat.name} under load`, () => killOne(fleet, index));
  }
  await scenario("kill -9 of two of four: no commit, then on", () => killTwo(fleet));
  await scenario("kill -9 of all four at once", () => killAll(fleet));
  // A newcomer finds a chain whose first blocks nobody has any more and whose set has changed since.
  await scenario("a fifth seat joins the chain as it is now and leaves, under load", () => scale(fleet, [5, 4]));
  await fleet.close();
}
if (failed === 0) rmSync(directory, { recursive: true, force: true });
else console.log(`logs: ${directory}`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
