/** Quorum arithmetic (consensus.md, Model). */
import type { EpochConfig, FaultModel, Member, SeatIndex } from "./types.ts";

export interface Totals {
  /** W, all voting power. */
  readonly total: number;
  /** F, the power that may be faulty: ⌊(W−1)/3⌋ Byzantine, ⌊(W−1)/2⌋ crash. */
  readonly fault: number;
  /** Q = W − F. */
  readonly quorum: number;
}

export function totals(members: readonly Pick<Member, "power">[], faultModel: FaultModel): Totals {
  const total = members.reduce((sum, member) => sum + member.power, 0);
  const fault = Math.floor((total - 1) / (faultModel === "Byzantine" ? 3 : 2));
  return { total, fault, quorum: total - fault };
}

/** Power of distinct seats; a seat outside the set counts nothing. */
export function powerOf(config: EpochConfig, seats: Iterable<SeatIndex>): number {
  let sum = 0;
  for (const seat of seats) sum += config.members[seat]?.power ?? 0;
  return sum;
}

/** True when a quorum can be reached without any one member: nobody holds more than F. */
export function isRotatable(members: readonly Pick<Member, "power">[], faultModel: FaultModel): boolean {
  const { fault } = totals(members, faultModel);
  return members.every((member) => member.power <= fault);
}
