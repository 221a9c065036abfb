/** How a new image or configuration reaches the seats, and what stops it. */
import { z } from "zod";
import { timeoutPolicy } from "./consensus.ts";
import { anyText, listMap, seconds } from "./fields.ts";
import { image } from "./pods.ts";

/** What can be compared. */
export const metric = () => z.enum(["FinalityLatency", "ViewTimeouts", "MissedVotes", "ExecutionLag", "Rejections"]);

const analysisSchema = z.strictObject({
  metric: metric().meta({
    description:
      "What is compared between the changed seats and the others, on the same views: latency from proposal to finality, views timed out, blocks without a vote, blocks not executed yet, messages not accepted.",
  }),
  maxIncreasePercent: z.int().min(0).max(1_000).default(10).meta({
    description:
      "How much worse the changed seats may be, percent, with 95 % confidence. A share may always be one percentage point higher, a lag one block.",
  }),
  minSamples: z
    .int()
    .min(30)
    .max(1_000_000)
    .default(300)
    .meta({ description: "Views needed before the comparison counts. Fewer is inconclusive, never success." }),
});
const analyses = () => listMap(analysisSchema, ["metric"], 5);
/** What is compared when a canary does not say. */
const canaryMetrics = ["FinalityLatency", "ViewTimeouts", "MissedVotes"] as const;

/** `spec.rollout`. */
export const rollout = z
  .strictObject({
    strategy: z.enum(["BlueGreen", "Rolling"]).default("Rolling").meta({
      description:
        "Rolling restarts one pod after the other on its own volume. BlueGreen starts new identities beside the old ones and rotates the seats on chain once their state roots have been equal for long enough.",
    }),
    shadow: z
      .strictObject({
        minBlocks: z
          .int()
          .min(1)
          .max(100_000_000)
          .default(1_000)
          .meta({ description: "Final blocks that a green fleet executes with equal roots before it is promoted." }),
        minPayments: z
          .int()
          .min(0)
          .max(1_000_000_000)
          .default(10_000)
          .meta({ description: "Payments in those blocks. Both are required." }),
      })
      .prefault({})
      .meta({ description: "What a green fleet proves before promotion." }),
    promotion: z
      .strictObject({
        auto: z
          .boolean()
          .default(true)
          .meta({ description: "Promote without being asked. False: wait for `swarm promote`." }),
        stepPower: z
          .int()
          .min(1)
          .max(64_000_000)
          .optional()
          .meta({ description: "Most voting power rotated in one step, at most F. Absent: F." }),
        analysis: analyses().default([]).meta({ description: "Checked after every step; one that fails rolls back." }),
      })
      .prefault({})
      .meta({ description: "How seats move to the green fleet." }),
    rollbackWindowSeconds: seconds(0, 2_592_000)
      .default(86_400)
      .meta({ description: "How long the blue fleet stays warm after promotion, seconds. 0: not at all." }),
    deadlineSeconds: seconds(60, 2_592_000)
      .default(21_600)
      .meta({ description: "A green fleet not ready for promotion by then is removed, seconds." }),
  })
  .prefault({});

/** `spec.canary`. */
export const canary = z.strictObject({
  seats: z.int().min(1).max(33).meta({ description: "Seats that run with the overrides. Their power is at most F." }),
  overrides: z
    .strictObject({
      image: image().optional().meta({ description: "Another image for these seats." }),
      timeoutPolicy: timeoutPolicy().optional().meta({ description: "Another timeout policy for these seats." }),
      minTimeout: z.int().min(10).max(60_000).optional().meta({ description: "Another least timeout of a view, ms." }),
      logLevel: z
        .enum(["trace", "debug", "info", "warn", "error"])
        .default("debug")
        .meta({ description: "Least severity these seats log while they are watched." }),
      tracingPercent: z
        .int()
        .min(0)
        .max(100)
        .default(100)
        .meta({ description: "Share of payments these seats trace while they are watched, percent." }),
    })
    .prefault({})
    .meta({ description: "What is different on these seats." }),
  durationSeconds: seconds(60, 2_592_000)
    .default(3_600)
    .meta({ description: "How long they are watched before the verdict, seconds." }),
  analysis: analyses()
    .min(1)
    .default(canaryMetrics.map((each) => ({ metric: each, maxIncreasePercent: 10, minSamples: 300 })))
    .meta({ description: "What the verdict rests on. Inconclusive is abort." }),
  description: anyText(280).default("").meta({ description: "What is tried, for people." }),
});
