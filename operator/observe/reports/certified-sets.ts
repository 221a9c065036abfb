/** A proven validator set as the planner reads it. */
import type { CoverageState } from "../../../validator/consensus/types.ts";
import type { TrustedSet } from "../../../validator/ledger/proof-report.ts";
import type { CertifiedSets } from "../../plan/snapshot.ts";

/**
 * `operatorKey`: ed25519, hexadecimal. A seat is managed when the operator is its owner or its delegate, or when it has
 * no owner: then it is the governance set's. There is never a pending set: a closing block's set is under no root before
 * the next epoch has begun, and from then on it is the current one.
 */
export function certifiedSets(trusted: TrustedSet, coverage: CoverageState, operatorKey: string): CertifiedSets {
  const known = made.get(trusted);
  if (known?.coverage === coverage && known.operatorKey === operatorKey) return known.sets;
  const sets = build(trusted, coverage, operatorKey);
  made.set(trusted, { coverage, operatorKey, sets });
  return sets;
}

/** A set is proven once an epoch and read with every report. */
const made = new WeakMap<
  TrustedSet,
  { readonly coverage: CoverageState; readonly operatorKey: string; readonly sets: CertifiedSets }
>();

function build({ set }: TrustedSet, coverage: CoverageState, operatorKey: string): CertifiedSets {
  const { epoch, members, learners, owners, parameters, requiredRegions } = set;
  return {
    current: {
      epoch,
      members: members.map(({ id, power, region, blsKey, peerKey }) => {
        const seat = owners[id];
        const managed = seat === undefined || seat.owner === operatorKey || seat.delegate === operatorKey;
        return { id, power, region, blsKey, peerKey, managed };
      }),
      learners: learners.map(({ id, peerKey }) => ({ id, peerKey })),
      parameters: { ...parameters },
      requiredRegions,
      degradedRegions: coverage.degraded,
    },
    pending: undefined,
  };
}
