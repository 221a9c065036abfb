/** `SwarmCheckpoint`, group `validatorswarm.io`, version `v1alpha1`: a checkpoint kept outside the validators' volumes. */
import { z } from "zod";
import { checkpointConditions, conditionsOf } from "./conditions.ts";
import { apiVersion, metadata, withoutNulls } from "./object.ts";
import { explain, type Problem } from "./problems.ts";
import { checkpointChangeRules, checkpointRules } from "./rules/checkpoint-rules.ts";
import { broken, brokenByChange } from "./rules/rule.ts";
import { anyText, shortName } from "./spec/fields.ts";
import { destination } from "./spec/storage.ts";

/** The schema of the spec. */
export const checkpointSpec = z.strictObject({
  swarm: shortName().meta({ description: "The ValidatorSwarm it is of, in the same namespace." }),
  height: z
    .int()
    .min(1)
    .max(9_007_199_254_740_991)
    .optional()
    .meta({ description: "Checkpoint height it is of, blocks. Absent: the newest when it is made." }),
  destination: destination().optional().meta({
    description: "Where it is written: exactly one of pvc and s3. Absent: the swarm's `checkpoints.destination`.",
  }),
  verifyByRestore: z
    .boolean()
    .default(true)
    .meta({ description: "Restore it into a scratch validator and replay to a later certified root." }),
  deletionPolicy: z
    .enum(["Retain", "Delete"])
    .default("Retain")
    .meta({ description: "What becomes of the artefact when this object is deleted. Object Lock wins." }),
});

const count = () => z.int().min(0);
const digest = () => anyText(64);

/** The schema of the status: absent until work on it begins. */
export const checkpointStatus = z.strictObject({
  observedGeneration: count().default(0).meta({ description: "Generation of the spec this status is of." }),
  conditions: conditionsOf(checkpointConditions)
    .default([])
    .meta({
      description: Object.entries(checkpointConditions)
        .map(([type, meaning]) => `${type}: ${meaning}`)
        .join(" "),
    }),
  chainId: digest().default("").meta({ description: "Chain it is of, hexadecimal." }),
  height: count().optional().meta({ description: "Height it is of, blocks." }),
  epoch: count().optional().meta({ description: "Epoch it is of." }),
  stateRoot: digest().optional().meta({ description: "State root that a quorum certified, hexadecimal." }),
  attempts: count().default(0).meta({ description: "Runs for it so far." }),
  manifest: anyText(1_024).optional().meta({ description: "Key or path of the manifest at the destination." }),
  manifestDigest: digest().optional().meta({ description: "SHA-256 of the manifest, hexadecimal." }),
  chunks: count().optional().meta({ description: "Chunks written." }),
  bytes: count().optional().meta({ description: "Size of manifest and chunks, bytes." }),
  startedAt: z.iso.datetime().optional().meta({ description: "When it was begun." }),
  completedAt: z.iso.datetime().optional().meta({ description: "When it was written and read back." }),
  verification: z
    .strictObject({
      verifiedAt: z.iso.datetime().meta({ description: "When." }),
      replayedTo: count().meta({ description: "Height the scratch validator reached, blocks." }),
      stateRoot: digest().meta({ description: "Certified root it reached there, hexadecimal." }),
    })
    .optional()
    .meta({ description: "How it was proven restorable." }),
});

const swarmCheckpointSchema = z.strictObject({
  apiVersion: z.literal(apiVersion),
  kind: z.literal("SwarmCheckpoint"),
  metadata,
  spec: checkpointSpec,
  status: z.unknown().optional(),
});

/** Its spec, with every default filled in. */
export type SwarmCheckpointSpec = z.infer<typeof checkpointSpec>;
/** What became of it. */
export type SwarmCheckpointStatus = z.infer<typeof checkpointStatus>;
/** A checkpoint as asked for, with every default filled in. */
export type SwarmCheckpoint = Omit<z.infer<typeof swarmCheckpointSchema>, "status"> & {
  readonly status?: SwarmCheckpointStatus;
};

export type CheckpointResult =
  | { readonly kind: "ok"; readonly checkpoint: SwarmCheckpoint }
  | { readonly kind: "invalid"; readonly problems: readonly Problem[] };

/** Checks an object that was read from anywhere, and fills in its defaults. A `status` in it is not read. */
export function checkSwarmCheckpoint(document: unknown): CheckpointResult {
  const parsed = swarmCheckpointSchema.safeParse(withoutNulls(document), { reportInput: true });
  if (!parsed.success) return { kind: "invalid", problems: parsed.error.issues.flatMap(explain) };
  const { status: _, ...checkpoint } = parsed.data;
  const problems = broken(checkpointRules, checkpoint.spec, "spec");
  return problems.length > 0 ? { kind: "invalid", problems } : { kind: "ok", checkpoint };
}

/** What of a change to a checkpoint the API refuses. */
export function checkCheckpointChange(now: SwarmCheckpointSpec, before: SwarmCheckpointSpec): readonly Problem[] {
  return brokenByChange(checkpointChangeRules, now, before, "spec");
}
