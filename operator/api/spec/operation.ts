/** What the operator may do by itself, and when. */
import { z } from "zod";
import { seconds } from "./fields.ts";

/** `spec.autoscaling`. */
export const autoscaling = z.strictObject({
  minSeats: z.int().min(1).max(100).meta({ description: "Least seats the scale subresource may ask for." }),
  maxSeats: z.int().min(1).max(100).meta({ description: "Most seats the scale subresource may ask for." }),
  cooldownSeconds: seconds(0, 86_400)
    .default(600)
    .meta({ description: "Between two changes of the number of seats, seconds." }),
});

/** `spec.disruption`. */
export const disruption = z
  .strictObject({
    allowSettlementPause: z.boolean().default(false).meta({
      description:
        "An act may leave a required region without a vote: settlement waits until the region is back or degraded on chain.",
    }),
    identityTimeoutSeconds: seconds(30, 86_400)
      .default(300)
      .meta({ description: "An identity that cannot be reached for this long is given up for good, seconds." }),
  })
  .prefault({});
