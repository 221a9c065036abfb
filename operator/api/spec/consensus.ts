/** Parameters of the protocol: names, bounds and defaults are those of the validator's own table (docs/parameters.md). */
import { z } from "zod";
import { defaultParameters, parameterTable } from "../../../validator/consensus/parameters.ts";
import type { Parameters } from "../../../validator/consensus/types.ts";
import { anyText, mapOf } from "./fields.ts";

type NumericName = { [Name in keyof Parameters]: Parameters[Name] extends number ? Name : never }[keyof Parameters];

function row(name: keyof Parameters) {
  const found = parameterTable.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no parameter ${name}`);
  return found;
}

/** In the table's own words where they stand by themselves. */
function numeric(name: NumericName, words = row(name).help) {
  const { range, unit } = row(name);
  const [least, most] = range;
  if (typeof least !== "number" || typeof most !== "number") throw new Error(`${name} is no number`);
  return z
    .int()
    .min(least)
    .max(most)
    .default(defaultParameters[name])
    .meta({ description: unit === "ms" ? `${words.slice(0, -1)}, ms.` : words });
}

/** How a view's timeout follows the network. */
export const timeoutPolicy = () => z.enum(["ema", "jacobson", "learned"]);

/** `spec.consensus`. */
export const consensus = z
  .strictObject({
    timeoutPolicy: timeoutPolicy()
      .default(defaultParameters.timeoutPolicy)
      .meta({
        description: row("timeoutPolicy").help,
      }),
    minTimeout: numeric("minTimeout"),
    maxTimeout: numeric("maxTimeout"),
    hintTimeout: numeric("hintTimeout"),
    silentViews: numeric("silentViews"),
    idleInterval: numeric("idleInterval"),
    settleInterval: numeric("settleInterval", "An idle leader's wait while a final block still waits for coverage."),
    maxClockDrift: numeric("maxClockDrift"),
    maxBlockBatches: numeric("maxBlockBatches"),
    maxExecutionLag: numeric("maxExecutionLag"),
    suspectBlocks: numeric(
      "suspectBlocks",
      "A region missing from this many finalizations in a row, over at least `suspectAfter`, is suspected.",
    ),
    suspectAfter: numeric("suspectAfter", "Least block time those finalizations span."),
    epochBlocks: numeric("epochBlocks", "Longest epoch, blocks."),
    checkpointInterval: numeric("checkpointInterval"),
    revealInterval: numeric("revealInterval"),
    minReveals: numeric("minReveals"),
    coverage: z
      .strictObject({
        requiredRegions: mapOf(anyText(40), z.int().min(1).max(64_000_000), 96).optional().meta({
          description:
            "Least power that must sign from each region before a block is settled. Absent: every region with 1.",
        }),
      })
      .prefault({})
      .meta({ description: "What settlement waits for beyond a quorum." }),
  })
  .prefault({});
