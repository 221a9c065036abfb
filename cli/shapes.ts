/**
 * What `--output json` writes. Fields may be added in later versions; none is renamed, removed or given another
 * meaning. Programs ignore what they do not know.
 */
import { z } from "zod";

const text = (description: string) => z.string().meta({ description });
const count = (description: string) => z.int().min(0).meta({ description });

const problem = z.object({
  field: text("Dotted path; empty for the whole document."),
  message: text("What is wrong and how to correct it."),
});
const change = z.object({
  field: text("Field of the spec that differs, e.g. `regions[].weight`."),
  class: z
    .enum(["live", "rolling", "chain-governed", "immutable"])
    .meta({ description: "What the change takes, as in the reference of ValidatorSwarm." }),
  reason: text("What happens."),
});
const conflict = z.object({
  field: text("Path as the server writes it, e.g. `.spec.replicas`."),
  manager: text("Who has set it."),
});

/** One document of `swarm apply`. */
export const applyResult = z.object({
  file: text("File it is from, as named."),
  kind: text("`ValidatorSwarm` or `SwarmCheckpoint`; empty when it cannot be read."),
  namespace: text("Where it is."),
  name: text("Its name; empty when it cannot be read."),
  result: z
    .enum(["created", "configured", "unchanged", "invalid", "conflict", "refused", "failed"])
    .meta({ description: "What became of it." }),
  changes: z.array(change).readonly().meta({ description: "Fields of a swarm's spec that were changed." }),
  problems: z.array(problem).readonly().meta({ description: "Why it is not valid." }),
  conflicts: z.array(conflict).readonly().meta({ description: "Fields that others have set." }),
  message: text("A sentence, when there is more to say."),
});
export type ApplyResult = z.infer<typeof applyResult>;

export const applyShape = z.object({
  dryRun: z.boolean().meta({ description: "Nothing was changed." }),
  results: z.array(applyResult).meta({ description: "One for each document, in their order." }),
});

export { count, text };
