/**
 * What `--output json` writes. Fields may be added in later versions; none is renamed, removed or given another
 * meaning. Programs ignore what they do not know.
 */
import { z } from "zod";

const text = (description: string) => z.string().meta({ description });
const flag = (description: string) => z.boolean().meta({ description });
const count = (description: string) => z.int().min(0).meta({ description });
const amount = (description: string) => z.number().min(0).meta({ description });

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

const applyResult = z.object({
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
/** What became of one document of `swarm apply`. */
export type ApplyResult = Readonly<z.infer<typeof applyResult>>;

const applied = z.object({
  dryRun: flag("Nothing was changed."),
  results: z.array(applyResult).meta({ description: "One for each document, in their order." }),
});

const pod = z.object({
  name: text("Its name."),
  state: text("As kubectl shows it: `Running`, `Pending`, `Terminating`, `CrashLoopBackOff` …"),
  ready: flag("Its readiness probe answers."),
  message: text("Why it is not ready, in its status' words; empty when it is, or nothing is said."),
  restarts: count("Restarts of its container."),
  node: text("Where it runs; empty before it is scheduled."),
});

const seat = z.object({
  name: text("Seat, `<swarm>-<region>-<n>`."),
  region: text("Region it is in."),
  identity: text("The identity that holds it or is on its way; empty when there is none."),
  generation: count("Counts the key pairs the seat has had; 0 when there is none."),
  managed: flag("It is run from here; false for members run by other institutions."),
  power: count("Voting power in the set in force; 0 when it is not in it."),
  role: text("`validator`, `learner` or `none`."),
  voting: text("`yes`, `no` or `unknown`: whether a quorum of reports has its votes."),
  health: z.enum(["healthy", "joining", "silent", "unseen", "missed", "absent"]).meta({
    description:
      "`healthy`: votes. `joining`: learns before it votes. `silent`: does not vote. `unseen`: nobody knows whether it votes. `missed`: will be replaced at `replacedAt`. `absent`: has no identity.",
  }),
  trouble: text("What is wrong with it; empty when nothing is."),
  height: count("Newest final block it knows, blocks; null when it cannot be asked.").nullable(),
  lag: count("Blocks behind the newest of all; null when it cannot be asked.").nullable(),
  replacedAt: text("When its identity is given up unless it comes back; null when it is not missed.").nullable(),
  pod: pod.nullable().meta({ description: "The identity's pod; null when there is none." }),
});
/** One seat of `swarm status`. */
export type SeatReport = Readonly<z.infer<typeof seat>>;

const region = z.object({
  name: text("Region."),
  power: count("Voting power in the set in force."),
  required: count("Least power that must sign from it before a block settles; 0: none."),
  degraded: flag("Settlement does not wait for it now, though it is required."),
  seats: z.array(seat).readonly().meta({ description: "Its seats." }),
});
/** One region of `swarm status`. */
export type RegionReport = Readonly<z.infer<typeof region>>;

const condition = z.object({
  type: text("Which condition."),
  status: text("`True`, `False` or `Unknown`."),
  reason: text("One word."),
  message: text("A sentence a person can act on."),
  lastTransitionTime: text("When `status` last changed."),
});
const power = z.object({
  total: count("W, of the validator set in force."),
  available: count("Power seen voting."),
  fault: count("F: most power that may fail."),
  faultBudgetLeft: count("What may still fail, or be taken, without stopping the swarm."),
});
const permit = z.object({
  id: text("Names the disruption."),
  purpose: text("`restart`, `drain`, `membership` or `parameters`."),
  seats: z.array(z.string()).readonly().meta({ description: "Seats whose power is at stake." }),
  power: count("Power taken on top of what is unavailable already."),
  takenAt: text("When it was taken."),
});
const membershipChange = z.object({
  id: text("Names the transaction."),
  kind: text("What the chain is asked for."),
  epoch: count("Epoch in which it is good."),
  powerMoved: count("max(added, removed) power."),
});
const rollout = z.object({
  stage: text("Where the rollout is."),
  updatedSeats: count("Seats that run the new revision."),
  updatedPower: count("Their voting power."),
  waitingFor: text("The evidence it waits for; empty: nothing."),
});
const canary = z.object({
  stage: text("Where the trial is."),
  seats: z.array(z.string()).readonly().meta({ description: "Seats that have, or had, the overrides." }),
  until: z.string().optional().meta({ description: "When the verdict is due." }),
  analysis: z
    .array(
      z.object({
        metric: text("What was compared."),
        verdict: text("`NotWorse`, `Worse` or `Unclear`."),
        message: text("The numbers, as a sentence."),
      }),
    )
    .readonly()
    .meta({ description: "What was measured so far." }),
  message: text("What the verdict is and rests on; empty: there is none."),
  waitingFor: text("What it waits for; empty: nothing."),
});
const checkpoint = z.object({
  name: text("The SwarmCheckpoint."),
  height: count("Height it is of, blocks."),
  verified: flag("It was restored and replayed."),
});

const swarm = z.object({
  name: text("Its name."),
  namespace: text("Where it is."),
  deleting: flag("It is being deleted."),
  observed: flag("The operator has looked at the newest spec: all else is about that one."),
  ready: flag("Every seat the spec asks for votes."),
  chainId: text("Chain it runs, hexadecimal; empty before genesis."),
  epoch: count("Epoch of the validator set in force."),
  replicas: z
    .object({ wanted: count("Seats the spec asks for."), inForce: count("Seats run from here that are in the set.") })
    .meta({ description: "Seats." }),
  power: power.nullable().meta({ description: "Voting power; null before genesis." }),
  conditions: z.array(condition).readonly().meta({ description: "As in the object's status." }),
  rollout: rollout.nullable().meta({ description: "The rollout under way or last done." }),
  canary: canary.nullable().meta({ description: "The canary that the spec asks for; null: none." }),
  permit: permit.nullable().meta({ description: "The disruption permit in force; null: it is free." }),
  membershipChange: membershipChange
    .nullable()
    .meta({ description: "The change of the validator set that is under way." }),
  lastCheckpoint: checkpoint.nullable().meta({ description: "Newest checkpoint kept outside the volumes." }),
  regions: z.array(region).readonly().meta({ description: "Regions in the spec's order." }),
  gateways: z.array(pod).readonly().meta({ description: "Pods of the gateway." }),
});
/** One swarm of `swarm status`. */
export type SwarmReport = Readonly<z.infer<typeof swarm>>;

const scaled = z.object({
  name: text("Its name."),
  namespace: text("Where it is."),
  from: count("Seats asked for before."),
  to: count("Seats asked for now."),
  outcome: z.enum(["asked", "ready", "timeout", "gone", "changed"]).meta({
    description:
      "`asked`: without --wait. `ready`: all of them vote. `timeout`: not yet. `gone`: it was deleted meanwhile. `changed`: another number was asked for meanwhile.",
  }),
  seconds: amount("How long that took, s; 0 without --wait."),
});
/** What `swarm scale` says. */
export type ScaleResult = Readonly<z.infer<typeof scaled>>;

const ordered = z.object({
  name: text("Its name."),
  namespace: text("Where it is."),
  order: z
    .enum(["replace", "hibernate", "wake", "promote", "pause", "resume", "rollback"])
    .meta({ description: "What was asked for." }),
  subject: text("The identity, the revision or the swarm it is about."),
});
/** What these say. */
export type OrderResult = Readonly<z.infer<typeof ordered>>;

const explained = z.object({
  name: text("Its name."),
  namespace: text("Where it is."),
  observed: flag("It is of the newest spec."),
  generation: count("Generation of the spec that was planned for."),
  epoch: count("Epoch of the validator set in force."),
  power: z
    .object({
      total: count("W, of the validator set in force; 0 before genesis."),
      available: count("Power seen voting."),
      fault: count("F: most power that may fail."),
      budgetLeft: count("What may still fail, or be taken, without stopping the swarm."),
    })
    .meta({ description: "Voting power." }),
  underWay: text("The disruption the permit is held for; empty when it is free."),
  next: z
    .array(
      z.object({
        what: text("What will be done."),
        reason: text("One word."),
        message: text("Why, in a sentence."),
      }),
    )
    .meta({ description: "In their order; empty when nothing is to do." }),
  waits: z
    .array(
      z.object({
        topic: text("What it is about."),
        reason: text("One word."),
        message: text("What blocks it, in a sentence."),
      }),
    )
    .meta({ description: "What is not done now." }),
});
/** What `swarm explain` says. */
export type ExplainResult = Readonly<z.infer<typeof explained>>;

const logLine = z.object({ pod: text("Whose log."), line: text("As the process wrote it.") });
/** One line of `swarm logs`. */
export type LogLine = Readonly<z.infer<typeof logLine>>;

const deleted = z.object({
  name: text("Its name."),
  namespace: text("Where it is, or was."),
  volumes: z.enum(["retained", "deleted"]).meta({ description: "What becomes of its volumes." }),
  outcome: z
    .enum(["asked", "gone", "timeout"])
    .meta({ description: "`asked`: without --wait. `gone`: it is no more. `timeout`: it still is." }),
});
/** What `swarm delete` says. */
export type DeleteResult = Readonly<z.infer<typeof deleted>>;

const reason = z.object({
  code: text("ISO 20022 reason, e.g. `AM04`."),
  message: text("In words."),
});
const submitted = z.object({
  messageId: text("MsgId of the file."),
  status: text(
    "Of the whole file: `ACSC` settled, `ACSP` ordered, `ACTC` accepted, `PART` some of each, `RJCT` rejected.",
  ),
  reasons: z.array(reason).meta({ description: "Why the whole file was rejected." }),
  payments: z
    .array(
      z.object({
        uetr: text("UETR."),
        from: text("BIC of the instructing agent."),
        to: text("BIC of the instructed agent."),
        amount: text("Decimal."),
        currency: text("ISO 4217."),
        status: text("As above."),
        reason: reason.nullable().meta({ description: "Why it was rejected; null when it was not." }),
      }),
    )
    .meta({ description: "In the file's order; empty when the file cannot be read." }),
  heights: z.array(z.int()).meta({ description: "Blocks that settled them." }),
  milliseconds: amount("From sending to settlement, ms; null when it was not waited for or did not come.").nullable(),
});
/** What `swarm submit` says. */
export type SubmitResult = Readonly<z.infer<typeof submitted>>;

const proven = z.object({
  uetr: text("The payment's UETR."),
  file: text("Where the proof is."),
  bytes: count("Its size."),
});
/** What `swarm proof` says. */
export type ProofResult = Readonly<z.infer<typeof proven>>;

const verified = z.object({
  valid: flag("The proof holds under the genesis document."),
  reason: text("Why it does not; absent when it does.").optional(),
  chainId: text("Chain of the genesis document, hexadecimal."),
  uetr: text("The payment; like all below absent when the proof does not hold.").optional(),
  instructing: text("BIC of the institution that sent it.").optional(),
  from: text("BIC of the debtor's institution.").optional(),
  to: text("BIC of the creditor's institution.").optional(),
  amount: text("Decimal.").optional(),
  currency: text("ISO 4217.").optional(),
  height: count("Block that settled it.").optional(),
  time: text("Of that block.").optional(),
  steps: z
    .array(z.object({ name: text("What was checked."), detail: text("What was found.") }))
    .readonly()
    .optional()
    .meta({ description: "Checks in their order." }),
});
/** What `swarm verify-proof` says. */
export type VerifyResult = Readonly<z.infer<typeof verified>>;

/** Of each command that writes JSON; NDJSON where it says so. */
export const shapes = {
  submit: submitted,
  proof: proven,
  "verify-proof": verified,
  apply: applied,
  scale: scaled,
  ...{ replace: ordered, hibernate: ordered, wake: ordered },
  ...{ promote: ordered, pause: ordered, resume: ordered, rollback: ordered },
  explain: explained,
  logs: logLine,
  delete: deleted,
  status: z.object({ swarms: z.array(swarm).readonly().meta({ description: "By name; with NAME, that one." }) }),
} as const;

/** Parts of a report that stand in the object's status as they are: read with these, unknown fields left out. */
export const statusParts = { power, permit, membershipChange, rollout, canary, checkpoint, condition } as const;
