/** The shapes of chain state as they come from outside: checkpoints of peers, sets inside proofs. Strict, so that nothing else gets in. */
import { z } from "zod";
import { digest, height, power } from "../consensus/types.ts";
import type { ChainState, ValidatorSet } from "./chain-state.ts";
import { currencyByAlpha } from "./currencies.ts";
import {
  genesisSchema,
  institutionSchema,
  learnerSchema,
  maxInstitutions,
  maxLearners,
  memberSchema,
  parametersSchema,
} from "./genesis.ts";

const count = z.int().nonnegative();
const digestSchema = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .transform(digest);
const { region, id, blsKey, peerKey, proofOfPossession } = memberSchema.shape;
const { bic, key } = institutionSchema.shape;
const { governance, faultModel, expiryWindow, zones } = genesisSchema.shape;

const validatorSet = z
  .strictObject({
    members: z
      .array(
        z.strictObject({
          id,
          // 0 after proven equivocation.
          power: z.int().min(0).max(1_000_000).transform(power),
          region,
          zones: z.array(region).max(8),
          blsKey,
          peerKey,
        }),
      )
      .min(1)
      .max(1_024),
    possession: z.array(proofOfPossession),
    faultModel: faultModel.unwrap(),
    requiredRegions: z.record(region, z.int().min(1)),
    parameters: parametersSchema(false),
    epoch: count,
    usedKeys: z.array(z.string().regex(/^([0-9a-f]{64}|[0-9a-f]{96})$/)),
    offenders: z.array(id).max(1_024),
    learners: z.array(learnerSchema).max(maxLearners),
    owners: z.record(id, z.strictObject({ owner: key, delegate: key.optional() })),
    predecessors: z.record(id, z.strictObject({ blsKey, peerKey })),
  })
  .refine(({ members, possession }) => members.length === possession.length);

const anchor = z.strictObject({
  hash: digestSchema,
  height: count.transform(height),
  time: count,
  rootHeight: count.transform(height),
  root: digestSchema,
});

const chainState = z.strictObject({
  chainId: digestSchema,
  zones: zones.unwrap(),
  expiryWindow: expiryWindow.unwrap(),
  institutions: z
    .array(z.strictObject({ bic, key, certificateSubject: z.string().max(256), suspended: z.boolean() }))
    .max(maxInstitutions),
  set: validatorSet,
  governance: z.strictObject({ ...governance.shape, sequence: count }),
  coverage: z.strictObject({ modeSeq: count, degraded: z.array(region) }),
  beacon: z.strictObject({ current: digestSchema, next: digestSchema, mixed: digestSchema, reveals: count }),
  issued: z.record(
    z.string().refine((alpha) => currencyByAlpha(alpha) !== undefined),
    z.int(),
  ),
  settledPayments: count,
});

/** Everything of a snapshot that is not in its arrays. */
export const snapshotSchema = z.strictObject({
  state: chainState.transform((state): ChainState => state),
  height: count,
  time: count,
  times: z.array(z.strictObject({ height: count, time: count })),
  anchor,
});

export function parseValidatorSet(value: unknown): ValidatorSet | undefined {
  return validatorSet.safeParse(value).data;
}
