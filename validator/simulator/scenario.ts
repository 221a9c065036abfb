/** What a seed stands for, drawn before anything runs: the set, who is faulty and how, clocks, disks, parameters. */
import { faultPower } from "./electorate.ts";
import { generator, type SimClockOptions } from "./ports/sim-clock.ts";
import { strategies } from "./strategies/all.ts";
import type { Strategy } from "./strategies/strategy.ts";

export interface Scenario {
  readonly seed: number;
  readonly powers: readonly number[];
  /** Faulty members by seat; their power is at most F. */
  readonly faulty: ReadonlyMap<number, Strategy>;
  /** The two processes of a twin hear everyone, or each one side. */
  readonly divided: boolean;
  readonly clocks: readonly SimClockOptions[];
  /** Longest virtual milliseconds that a sync of each member's disk takes in the hostile time. */
  readonly syncDelays: readonly number[];
  readonly parameters: Record<string, number | string>;
  readonly segmentBytes: number;
  /** Rounds of load and faults. */
  readonly rounds: number;
  /** The round in which a learner that genesis names starts with an empty volume; undefined: there is none. */
  readonly newcomer: number | undefined;
  /** Before the first round the chain grows until members have dropped the blocks of its first epochs. */
  readonly aged: boolean;
}

/** What a caller fixes; the rest is drawn. */
export interface ScenarioOptions {
  /** Strategies of the faulty members, by name, as many as fit into F power; without it they are drawn. */
  readonly strategies?: readonly string[];
  readonly members?: number;
  readonly rounds?: number;
}

export function drawScenario(seed: number, options: ScenarioOptions = {}): Scenario {
  const random = generator(seed ^ 0x5eed);
  const draw = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const count = options.members ?? draw([4, 4, 5, 7]);
  const powers = drawPowers(count, random);
  const rounds = options.rounds ?? 12;
  const scenario = {
    seed,
    powers,
    faulty: drawFaulty(powers, options.strategies, random),
    divided: random() < 0.5,
    clocks: powers.map(() => ({ offset: 2_000 * (random() - 0.5), rate: 1 + 0.02 * (random() - 0.5) })),
    syncDelays: powers.map(() => draw([0, 0, 2, 10, 40])),
    parameters: {
      timeoutPolicy: draw(["jacobson", "jacobson", "ema", "learned"]),
      maxTimeout: draw([2_000, 4_000, 10_000]),
      epochBlocks: draw([12, 40, 100_000]),
      checkpointInterval: draw([6, 16, 1_000]),
      revealInterval: draw([1, 4, 32]),
      minReveals: draw([1, 4]),
      suspectBlocks: draw([4, 8]),
    },
    segmentBytes: draw([1 << 14, 1 << 16, 1 << 18]),
    rounds,
  };
  // After the last round: when everything has healed.
  const newcomer = random() < 0.4 ? Math.floor((rounds + 1) * random()) : undefined;
  if (newcomer === undefined || random() < 0.7) return { ...scenario, newcomer, aged: false };
  const parameters = { ...scenario.parameters, epochBlocks: 12, checkpointInterval: 5, idleInterval: 50 };
  return { ...scenario, parameters, segmentBytes: 1 << 14, newcomer, aged: true };
}

/** Unequal as a rule; nobody has more than F, or losing one member could stop the swarm. */
function drawPowers(count: number, random: () => number): readonly number[] {
  for (let i = 0; i < 20 && random() < 0.7; i++) {
    const powers = Array.from({ length: count }, () => 1 + Math.floor(random() * 4));
    if (Math.max(...powers) <= faultPower(powers)) return powers;
  }
  return Array.from({ length: count }, () => 1);
}

/** One world in twelve is honest; in the others as much power as F allows turns, in random order. */
function drawFaulty(
  powers: readonly number[],
  named: readonly string[] | undefined,
  random: () => number,
): ReadonlyMap<number, Strategy> {
  const faulty = new Map<number, Strategy>();
  if (named === undefined && random() < 1 / 12) return faulty;
  let left = faultPower(powers);
  const order = powers.map((_, seat) => ({ seat, key: random() })).sort((a, b) => a.key - b.key);
  for (const { seat } of order) {
    const units = powers[seat] ?? 0;
    if (units > left) continue;
    const name = named?.[faulty.size];
    if (named !== undefined && name === undefined) break;
    const strategy =
      name === undefined
        ? strategies[Math.floor(random() * strategies.length)]
        : strategies.find((known) => known.name === name);
    if (!strategy)
      throw new Error(`no strategy ${name}; there are ${strategies.map((known) => known.name).join(", ")}`);
    left -= units;
    faulty.set(seat, strategy);
  }
  return faulty;
}

/** One line: who is faulty and how. */
export function describeScenario({ powers, faulty, parameters, divided, newcomer, aged }: Scenario): string {
  const mix = [...faulty].map(
    ([seat, { name, twin }]) => `${seat} ${name}${twin ? (divided ? " (divided)" : " (heard by all)") : ""}`,
  );
  const words = Object.entries(parameters).map(([name, value]) => `${name} ${value}`);
  return `powers ${powers.join(" ")}; faulty: ${mix.join(", ") || "nobody"}; ${newcomer === undefined ? "" : `a learner comes ${aged ? "late, " : ""}in round ${newcomer}; `}${words.join(", ")}`;
}
