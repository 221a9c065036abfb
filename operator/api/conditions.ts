/** Conditions as in the Kubernetes API. */
import { z } from "zod";
import { anyText, listMap } from "./spec/fields.ts";

/** Conditions of a ValidatorSwarm. All are set at the first visit. */
export const swarmConditions = {
  Ready: "Every seat the spec asks for votes.",
  Progressing: "Something is being done, or waited for.",
  Degraded: "A seat that should vote does not.",
  PlacementSatisfied: "The validator set in force keeps what `placement` promises.",
  QuorumAvailable: "The power seen voting makes a quorum.",
  RolloutHealthy: "No rollout is halted or rolled back.",
  CheckpointFresh: "The newest verified checkpoint is younger than `checkpoints.maxAgeSeconds`.",
} as const;

/** Conditions of a SwarmCheckpoint. */
export const checkpointConditions = {
  Complete: "Manifest and chunks are written and read back.",
  Verified: "A scratch validator was restored from it and reached a later certified root.",
} as const;

/** Conditions of the types named in a table, told apart by type. */
export function conditionsOf<Type extends string>(table: Readonly<Record<Type, string>>) {
  const types = Object.keys(table) as [Type, ...Type[]];
  const condition = z.strictObject({
    type: z.enum(types).meta({ description: "Which condition." }),
    status: z.enum(["True", "False", "Unknown"]).meta({ description: "Whether it holds." }),
    reason: z
      .string()
      .regex(/^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/)
      .min(1)
      .max(1_024)
      .meta({ description: "One word in CamelCase." }),
    message: anyText(32_768).meta({ description: "A sentence a person can act on." }),
    observedGeneration: z.int().min(0).meta({ description: "Generation of the spec that was looked at." }),
    lastTransitionTime: z.iso.datetime().meta({ description: "When `status` last changed." }),
  });
  return listMap(condition, ["type"], types.length);
}
