/** Evidence of equivocation, on its way to the chain. */
import type { Effect } from "../consensus/types.ts";
import { evidenceTransaction } from "../ledger/evidence.ts";
import type { Membership } from "./membership.ts";
import type { GovernanceResult, Observer } from "./services.ts";

export interface AccusingOptions {
  readonly membership: () => Membership;
  readonly govern: (transaction: Uint8Array) => GovernanceResult;
  readonly observe: Observer;
}

export interface Accusing {
  accuse(effect: Extract<Effect, { kind: "report-evidence" }>): void;
  epochChanged(): void;
}

export function createAccusing({ membership, govern, observe }: AccusingOptions): Accusing {
  /** Seats of this epoch whose equivocation was handed in: once is enough, whatever else they sign. */
  let accused = new Set<string>();
  return {
    accuse({ offender, evidence }) {
      const { seats, config } = membership();
      const member = seats[offender]?.member;
      observe({ kind: "equivocation", offender: member?.id ?? `seat ${offender}`, evidence: evidence.kind });
      if (!member || member.power === 0 || accused.has(member.id)) return;
      const proof = evidenceTransaction(config.chainId, member, evidence);
      if (proof && govern(proof.bytes).kind === "accepted") accused.add(member.id);
    },
    epochChanged() {
      accused = new Set();
    },
  };
}
