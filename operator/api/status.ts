/** `status` of a ValidatorSwarm. Nothing in it changes every second: heights are asked of the validators themselves. */
import { z } from "zod";
import { conditionsOf, swarmConditions } from "./conditions.ts";
import { anyText, listMap } from "./spec/fields.ts";
import { metric } from "./spec/rollout.ts";

const count = () => z.int().min(0);
const time = () => z.iso.datetime();
const name = () => anyText(63);
const digest = () => anyText(64);

const power = z.strictObject({
  total: count().meta({ description: "W, of the validator set in force." }),
  available: count().meta({ description: "Power seen voting by a quorum of fresh reports." }),
  fault: count().meta({ description: "F: most power that may fail." }),
  faultBudgetLeft: count().meta({ description: "What may still fail, or be taken, without stopping the swarm." }),
});

const seat = z.strictObject({
  name: name().meta({ description: "Seat, `<swarm>-<region>-<n>`." }),
  region: name().meta({ description: "Region it is in." }),
  power: count().meta({ description: "Voting power in the set in force; 0 when it is not in it." }),
  role: z.enum(["validator", "learner", "none"]).meta({ description: "What its identity is on chain." }),
  voting: z.enum(["yes", "no", "unknown"]).meta({ description: "Whether a quorum of reports has its votes." }),
  identity: anyText(80).meta({ description: "Name of its pod and volume; empty when there is none." }),
  generation: count().meta({ description: "Counts the key pairs the seat has had, from 1; 0 when there is none." }),
  replacedAt: time().optional().meta({ description: "When its identity is given up unless it comes back." }),
});

const transactionKind = () =>
  z.enum(["set-members", "rotate-seat", "admit-learner", "dismiss-learner", "set-parameters"]);

const permit = z.strictObject({
  id: anyText(253).meta({ description: "Names the disruption." }),
  purpose: z.enum(["restart", "drain", "membership", "parameters"]).meta({ description: "What it is held for." }),
  seats: z.array(name()).max(100).meta({ description: "Seats whose power is at stake." }),
  identities: z.array(anyText(80)).max(200).meta({ description: "Identities that are not deleted meanwhile." }),
  power: count().meta({ description: "Power taken on top of what is unavailable already." }),
  podUid: anyText(63).optional().meta({ description: "Pod that is replaced, for restart and drain." }),
  takenAt: time().meta({ description: "When it was taken." }),
});

const membershipChange = z.strictObject({
  id: anyText(253).meta({ description: "Names the transaction." }),
  kind: transactionKind().meta({ description: "What the chain is asked for." }),
  epoch: count().meta({ description: "Epoch in which it is good." }),
  seats: z.array(name()).max(100).meta({ description: "Seats it concerns." }),
  powerMoved: count().meta({ description: "Power that changes hands, at most F: max(added, removed)." }),
  submittedAt: time().optional().meta({ description: "When it was last handed to a validator." }),
});

const rollout = z.strictObject({
  stage: z
    .enum(["Idle", "Restarting", "Starting", "Shadowing", "AwaitingPromotion", "Promoting", "Promoted", "RollingBack"])
    .meta({ description: "Where the rollout is." }),
  revision: anyText(80).meta({ description: "Revision that is rolled out, or the one in force." }),
  image: anyText(512).optional().meta({ description: "Its image." }),
  updatedSeats: count().meta({ description: "Seats that run it." }),
  updatedPower: count().meta({ description: "Their voting power." }),
  shadowedBlocks: count().optional().meta({ description: "Blocks a green fleet executed with equal roots so far." }),
  shadowedPayments: count().optional().meta({ description: "Payments in them." }),
  excludedDefectsPerMillion: count()
    .optional()
    .meta({ description: "Smallest rate of defective payments excluded with 95 % confidence, per million." }),
  waitingFor: anyText(1_024).default("").meta({ description: "The evidence it waits for; empty: nothing." }),
  since: time().meta({ description: "When the stage began." }),
});

const number = () => z.number();

const finding = z.strictObject({
  metric: metric().meta({ description: "What was compared." }),
  verdict: z
    .enum(["NotWorse", "Worse", "Unclear"])
    .meta({ description: "What is shown of the changed seats; unclear is neither." }),
  windows: count().meta({ description: "Stretches of time that were compared, the same for all seats." }),
  changedSamples: count().meta({ description: "Views, messages or moments of the changed seats." }),
  othersSamples: count().meta({ description: "The same of the others." }),
  changedFigure: number().meta({
    description: "Their share of events; of latencies the 95th percentile, seconds; of lags the mean, blocks.",
  }),
  othersFigure: number().meta({ description: "The same of the others." }),
  excess: number().meta({
    description:
      "Mean over the windows of what the changed seats are worse by beyond the margin; below 0 they are not.",
  }),
  t: number().meta({ description: "Student's t of that mean." }),
  p: number().meta({
    description: "Probability of such evidence at any look if it were the other way round, at most.",
  }),
  message: anyText(1_024).meta({ description: "The same as a sentence." }),
});

const canary = z.strictObject({
  stage: z
    .enum(["Waiting", "Starting", "Watching", "Promoted", "Aborted", "Inconclusive"])
    .meta({ description: "Where the trial is. Inconclusive ends as an abort does." }),
  seats: z.array(name()).max(33).meta({ description: "Seats that have, or had, the overrides." }),
  revision: anyText(80).meta({ description: "Revision of their pods." }),
  since: time().optional().meta({ description: "When all of them voted with the overrides." }),
  until: time().optional().meta({ description: "When the verdict is due." }),
  analysis: listMap(finding, ["metric"], 5).default([]).meta({ description: "What was measured so far." }),
  message: anyText(1_024).default("").meta({ description: "What the verdict is and rests on; empty: there is none." }),
  waitingFor: anyText(1_024).default("").meta({ description: "What it waits for; empty: nothing." }),
});

const side = z.strictObject({
  samples: count().meta({ description: "Samples." }),
  figure: number().meta({ description: "Sum of events, or of the windows' figures." }),
});

const trial = z.strictObject({
  trial: anyText(64).meta({ description: "Names the trial." }),
  terms: anyText(64).meta({ description: "Names how it is judged." }),
  seats: z.array(name()).max(33).meta({ description: "Seats that were chosen." }),
  chosenAt: time().meta({ description: "When." }),
  since: time().optional().meta({ description: "When all of them voted with the overrides." }),
  counted: count().meta({ description: "End of the newest window that is counted, ms since the Unix epoch." }),
  tallies: listMap(
    z.strictObject({
      metric: metric().meta({ description: "What is compared." }),
      moments: z
        .strictObject({
          count: count().meta({ description: "Windows." }),
          mean: number().meta({ description: "Mean excess." }),
          squares: number().meta({ description: "Sum of squared deviations." }),
        })
        .meta({ description: "Of the windows' excesses." }),
      changed: side.meta({ description: "The changed seats." }),
      others: side.meta({ description: "The others." }),
    }),
    ["metric"],
    5,
  ).meta({ description: "What was measured." }),
  outcome: z
    .strictObject({
      kind: z.enum(["Promote", "Abort", "Inconclusive"]).meta({ description: "The verdict." }),
      message: anyText(1_024).meta({ description: "What it rests on." }),
      at: time().meta({ description: "When." }),
    })
    .optional()
    .meta({ description: "How it ended." }),
});

const checkpoint = z.strictObject({
  name: anyText(253).meta({ description: "The SwarmCheckpoint." }),
  height: count().meta({ description: "Height it is of, blocks." }),
  epoch: count().meta({ description: "Epoch it is of." }),
  stateRoot: digest().meta({ description: "Certified state root, hexadecimal." }),
  completedAt: time().meta({ description: "When it was written." }),
  verified: z.boolean().meta({ description: "Whether it was restored and replayed." }),
});

const lossReason = () =>
  z.enum(["volume-gone", "node-unreachable", "keys-differ", "retired", "quarantined", "replaced"]);

/** The operator's memory between two visits. */
const memory = z.strictObject({
  seats: listMap(
    z.strictObject({
      seat: name().meta({ description: "Seat." }),
      generation: count().meta({ description: "Highest generation handed out." }),
      made: z.boolean().meta({ description: "Its volume was seen: none of this name is made again." }),
    }),
    ["seat"],
    200,
  ).meta({ description: "Identities handed out, by seat." }),
  lost: listMap(
    z.strictObject({
      identity: anyText(80).meta({ description: "Identity that is missed." }),
      since: time().meta({ description: "Since when." }),
      why: lossReason().meta({ description: "What is wrong with it." }),
    }),
    ["identity"],
    200,
  ).meta({ description: "Identities missed." }),
  epoch: count().meta({ description: "Newest epoch ever seen certified." }),
  declinedDrains: z
    .array(anyText(253))
    .max(1_000)
    .default([])
    .meta({ description: "Cordoned nodes that nobody drained while their budget was open." }),
  refused: z
    .strictObject({
      id: anyText(253).meta({ description: "The transaction." }),
      epoch: count().meta({ description: "Epoch in which it could still be granted." }),
      identities: z.array(anyText(80)).max(200).meta({ description: "Identities it named." }),
      reason: anyText(1_024).meta({ description: "The chain's sentence." }),
      at: time().meta({ description: "When." }),
      generation: count().meta({ description: "Generation of the spec then." }),
    })
    .optional()
    .meta({ description: "Last transaction that the chain refused." }),
  canary: trial.optional().meta({ description: "The canary under way or last ended." }),
});

/** The schema of the status: absent until the first visit. */
export const status = z.strictObject({
  observedGeneration: count().default(0).meta({ description: "Generation of the spec this status is of." }),
  conditions: conditionsOf(swarmConditions)
    .default([])
    .meta({
      description: Object.entries(swarmConditions)
        .map(([type, meaning]) => `${type}: ${meaning}`)
        .join(" "),
    }),
  replicas: count().default(0).meta({ description: "Seats run from here that are in the validator set in force." }),
  selector: anyText(253).default("").meta({ description: "Label selector of the voting pods, for autoscalers." }),
  chainId: digest().default("").meta({ description: "Chain the swarm runs, hexadecimal; empty before genesis." }),
  epoch: count().default(0).meta({ description: "Epoch of the validator set in force." }),
  power: power.optional().meta({ description: "Voting power. Absent before genesis." }),
  seats: listMap(seat, ["name"], 200).default([]).meta({ description: "Every seat the spec or the chain names." }),
  permit: permit.optional().meta({ description: "The disruption permit in force. Absent: it is free." }),
  membershipChange: membershipChange
    .optional()
    .meta({ description: "The change of the validator set that is under way." }),
  rollout: rollout.optional().meta({ description: "The rollout under way or last done." }),
  canary: canary.optional().meta({ description: "The canary that the spec asks for. Absent: none." }),
  lastCheckpoint: checkpoint.optional().meta({ description: "Newest checkpoint kept outside the volumes." }),
  memory: memory.optional().meta({ description: "The operator's own: what it must know at its next visit." }),
});

/** What a swarm is, as the operator last saw it. */
export type ValidatorSwarmStatus = z.infer<typeof status>;
/** One condition of a swarm. */
export type Condition = ValidatorSwarmStatus["conditions"][number];

export type ReadStatus =
  | { readonly kind: "ok"; readonly status: ValidatorSwarmStatus | undefined }
  /** Somebody else wrote into it: the operator's memory cannot be trusted. */
  | { readonly kind: "damaged"; readonly field: string };

/** The status of an object from an API server; undefined before the first visit. */
export function readStatus(written: unknown): ReadStatus {
  if (written === undefined) return { kind: "ok", status: undefined };
  const parsed = status.safeParse(written);
  if (parsed.success) return { kind: "ok", status: parsed.data };
  return { kind: "damaged", field: ["status", ...(parsed.error.issues[0]?.path ?? [])].map(String).join(".") };
}
