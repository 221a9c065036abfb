import { expect, test } from "vitest";
import { faultPower } from "./electorate.ts";
import { runSeed, type Verdict } from "./hostile-world.ts";
import { drawScenario } from "./scenario.ts";
import { strategies } from "./strategies/all.ts";

const broken = (verdict: Verdict) =>
  verdict.kind === "failed" ? `${verdict.reason}\n${verdict.story.join("\n")}` : "";

test.each(strategies.map(({ name }) => name))(
  "a swarm with a member that plays %s stays safe and heals",
  async (name) => {
    const verdict = await runSeed(7, { strategies: [name], members: 4, rounds: 6 });
    expect(verdict.strategies).toEqual([name]);
    expect(broken(verdict)).toBe("");
  },
  20_000,
);

test.each([1, 2, 3, 4, 5, 6, 8, 9, 10, 11])(
  "seed %i is safe and heals",
  async (seed) => {
    expect(broken(await runSeed(seed, { rounds: 8 }))).toBe("");
  },
  20_000,
);

test("a seed is a run: the same story, to the last message", async () => {
  const options = { strategies: ["twins", "equivocating-leader"], members: 7, rounds: 5 };
  const [one, again] = [await runSeed(42, options), await runSeed(42, options)];
  expect(again.digest).toBe(one.digest);
  expect((await runSeed(43, options)).digest).not.toBe(one.digest);
}, 30_000);

test("seeds draw sets of every size, nobody above F power, faulty members of at most F power together", () => {
  const scenarios = Array.from({ length: 300 }, (_, seed) => drawScenario(seed));
  expect([...new Set(scenarios.map(({ powers }) => powers.length))].sort()).toEqual([4, 5, 7]);
  for (const { powers, faulty } of scenarios) {
    const fault = faultPower(powers);
    expect(Math.max(...powers)).toBeLessThanOrEqual(fault);
    expect([...faulty.keys()].reduce((sum, seat) => sum + (powers[seat] ?? 0), 0)).toBeLessThanOrEqual(fault);
  }
  const mixed = scenarios.filter(({ faulty }) => new Set([...faulty.values()].map(({ name }) => name)).size > 1);
  expect(mixed.length).toBeGreaterThan(50);
  const played = new Set(scenarios.flatMap(({ faulty }) => [...faulty.values()].map(({ name }) => name)));
  expect([...played].sort()).toEqual(strategies.map(({ name }) => name).sort());
});
