/** Every rule over a SwarmCheckpoint beyond single fields. */
import { isDeepStrictEqual } from "node:util";
import type { SwarmCheckpointSpec } from "../swarm-checkpoint.ts";
import type { ChangeRule, Rule } from "./rule.ts";

type Spec = SwarmCheckpointSpec;

/** Over the spec: refused at admission. */
export const checkpointRules: readonly Rule<Spec>[] = [
  {
    field: "destination",
    cel: "!has(self.destination) || has(self.destination.pvc) != has(self.destination.s3)",
    sentence: "Set exactly one of pvc and s3, or remove destination to use the swarm's.",
    holds: ({ destination }) => !destination || (destination.pvc !== undefined) !== (destination.s3 !== undefined),
  },
  {
    field: "destination.s3",
    cel: "!has(self.destination) || !has(self.destination.s3) || has(self.destination.s3.endpoint) || self.destination.s3.region != ''",
    sentence: "Where the store is, nobody can tell. Set region, or endpoint for a store other than AWS.",
    holds: ({ destination }) =>
      destination?.s3 === undefined || destination.s3.endpoint !== undefined || destination.s3.region !== "",
  },
];

const taken = "This cannot change: the checkpoint is of one moment and in one place. Create another SwarmCheckpoint.";

function fixed(field: "swarm" | "height" | "destination", optional: boolean): ChangeRule<Spec> {
  const equal = `self.${field} == oldSelf.${field}`;
  return {
    field,
    cel: optional ? `has(self.${field}) == has(oldSelf.${field}) && (!has(self.${field}) || ${equal})` : equal,
    sentence: taken,
    holds: (now, before) => isDeepStrictEqual(now[field], before[field]),
  };
}

/** Over two versions of the spec: refused at admission. */
export const checkpointChangeRules: readonly ChangeRule<Spec>[] = [
  fixed("swarm", false),
  fixed("height", true),
  fixed("destination", true),
];
