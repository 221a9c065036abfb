/**
 * One seed, one hostile world: the shipped driver, storage and ledger with up to F power of Byzantine members, under
 * crashes, cuts, loss, disk faults and clock steps. Safety throughout; then everything but the Byzantine heals, and what
 * was acknowledged and something new have to settle on every correct member within a bound of virtual time.
 */
import { checkAll, checkSafety } from "./checkers/all.ts";
import { healAll, strike } from "./faults.ts";
import type { Violation } from "./history.ts";
import { createProgress, type Progress } from "./progress.ts";
import { describeScenario, drawScenario, type ScenarioOptions } from "./scenario.ts";
import { createTrace } from "./trace.ts";
import { createWorld, type HostileWorld } from "./world.ts";

export interface RunOptions extends ScenarioOptions {
  /** The story has every fact. */
  readonly everything?: boolean;
}

export type Verdict = {
  readonly seed: number;
  /** Strategies of the faulty members. */
  readonly strategies: readonly string[];
  /** Highest settled block. */
  readonly blocks: number;
  /** Virtual milliseconds from healing until everything had settled. */
  readonly healedIn: number;
  /** sha256 over everything that happened: the same for the same seed. */
  readonly digest: string;
  readonly story: readonly string[];
} & ({ readonly kind: "passed" } | { readonly kind: "failed"; readonly reason: string });

/** Virtual time that a healed world has for settling everything. */
export const livenessBoundMs = 60_000;

export async function runSeed(seed: number, options: RunOptions = {}): Promise<Verdict> {
  const scenario = drawScenario(seed, options);
  const trace = createTrace(options.everything);
  const progress = createProgress();
  const world = createWorld(scenario, trace, progress.heard);
  world.tell(`seed ${seed}: ${describeScenario(scenario)}`);
  let violation: Violation | undefined;
  try {
    await hostile(world);
    violation = world.broken() ?? checkSafety(world.history())[0];
    if (!violation) {
      await healed(world, progress);
      violation = world.broken() ?? checkAll(world.history(), livenessBoundMs)[0];
    }
  } catch (error) {
    // A bug of the validator that surfaced as an exception, or one of the simulator: both fail the seed.
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    violation = { rule: "exception", detail, at: world.swarm.world.now() };
  }
  if (violation) trace.tell(violation.at, `violates ${violation.rule}: ${violation.detail}`);
  const verdict = {
    seed,
    strategies: [...scenario.faulty.values()].map(({ name }) => name),
    blocks: progress.height(),
    healedIn: progress.doneAt() - progress.healedAt(),
    digest: trace.digest(),
    story: trace.story,
  };
  return violation
    ? { ...verdict, kind: "failed", reason: `${violation.rule}: ${violation.detail}` }
    : { ...verdict, kind: "passed" };
}

/** Rounds of load and faults. */
async function hostile(world: HostileWorld): Promise<void> {
  const { swarm, scenario } = world;
  const { random } = swarm.world;
  for (const node of swarm.nodes.keys()) if (node !== world.newcomer) await world.start(node);
  if (scenario.aged) await age(world);
  for (const [index, node] of swarm.nodes.entries()) node.syncDelay = scenario.syncDelays[index] ?? 0;
  for (let round = 0; round < scenario.rounds && !world.broken(); round++) {
    load(world, round);
    if (random() < 0.8) strike(world);
    await world.until(() => false, 300 * random());
    const down = [...swarm.nodes.keys()].filter(
      (node) => !world.isUp(node) && !(node === world.newcomer && round < (scenario.newcomer ?? 0)),
    );
    for (const node of down) if (random() < 0.4) await world.start(node);
  }
}

/** Settles messages until no correct member has the blocks of the first epoch any more. */
async function age(world: HostileWorld): Promise<void> {
  const { swarm, correct, newcomer } = world;
  const members = correct.filter((node) => node !== newcomer);
  const isOld = () => members.every((node) => (swarm.nodes[node]?.store?.lowestHeight ?? 0) > 15);
  for (let i = 0; i < mostAging && !isOld() && !world.broken(); i++) {
    world.submit(members[i % members.length] ?? 0, { id: `old${i}`, institution: i % 4, life: 3_600_000 });
    await world.until(isOld, 200);
  }
  world.tell(`the chain is ${isOld() ? "old" : "as old as it gets"}`);
}

/** Messages: a world whose faulty members slow it down is old enough then. */
const mostAging = 60;

/** A message or two, now and then one that cannot be paid, or one that was submitted before, at another member. */
function load(world: HostileWorld, round: number): void {
  const { random } = world.swarm.world;
  const at = Math.floor(random() * world.scenario.powers.length);
  const institution = Math.floor(random() * 4);
  const amount = random() < 0.1 ? 2_000_000_000 : 1 + Math.floor(random() * 1_000);
  const message = { id: `m${round}`, institution, payments: 1 + Math.floor(random() * 4), amount, life: 3_600_000 };
  world.submit(at, message);
  if (random() < 0.3) world.submit(Math.floor(random() * world.scenario.powers.length), message);
}

/** Everything good again but the Byzantine. */
async function healed(world: HostileWorld, progress: Progress): Promise<void> {
  if (world.broken()) return;
  await healAll(world);
  const { swarm, correct } = world;
  const options = { id: "after", payments: 2 };
  const first = correct.find((node) => world.isUp(node)) ?? 0;
  const message = world.submit(first, options) ?? "";
  world.recorder.note({ kind: "healed", message });
  // A client tries again until it is answered.
  const again = () => {
    if (progress.isAcknowledged(message)) return;
    world.submit(first, options);
    swarm.world.schedule(500, again);
  };
  swarm.world.schedule(500, again);
  const status = (node: number) => swarm.nodes[node]?.driver?.services.status();
  const height = (node: number) => status(node)?.settledHeight ?? -1;
  await world.until(() => progress.everywhere(correct, height), livenessBoundMs);
  for (const node of correct) world.recorder.note({ kind: "caught-up", node, height: height(node) });
  // Balances are those of executed blocks: they are compared when all of these are settled.
  await world.until(() => correct.every((node) => status(node)?.executedHeight === height(node)), 10_000);
  for (const node of correct) {
    const services = swarm.nodes[node]?.driver?.services;
    if (!services) continue;
    const accounts = services.directory().accounts.map(({ balance }) => balance);
    world.recorder.note({ kind: "balances", node, height: services.status().executedHeight, accounts });
  }
}
