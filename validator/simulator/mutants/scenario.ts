/**
 * `node validator/simulator/mutants/scenario.ts NAME SEEDS`: one scenario for seeds 1 to SEEDS, stopping at the first
 * violation. The last line is a JSON `ScenarioVerdict`; exit code 0 held, 1 violated, 2 the scenario itself failed.
 */
import { scenarios } from "./scenarios/all.ts";
import { type Property, Violation } from "./violation.ts";

export type ScenarioVerdict =
  | { readonly kind: "held"; readonly seeds: number }
  | { readonly kind: "violated"; readonly property: Property; readonly seed: number; readonly detail: string }
  | { readonly kind: "crashed"; readonly seed: number; readonly detail: string };

const exitCodes = { held: 0, violated: 1, crashed: 2 } as const;

async function verdict(name: string, seeds: number): Promise<ScenarioVerdict> {
  const scenario = scenarios.find((other) => other.name === name);
  if (!scenario || !(seeds >= 1)) return { kind: "crashed", seed: 0, detail: `no scenario ${name} for ${seeds} seeds` };
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      await scenario.run(seed);
    } catch (error) {
      if (error instanceof Violation)
        return { kind: "violated", property: error.property, seed, detail: error.message };
      return { kind: "crashed", seed, detail: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
  }
  return { kind: "held", seeds };
}

const result = await verdict(process.argv[2] ?? "", Number(process.argv[3]));
console.log(JSON.stringify(result));
process.exit(exitCodes[result.kind]);
