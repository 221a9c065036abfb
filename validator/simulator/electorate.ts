/** What an epoch counts votes by, as the checkers count them: apart from the member's own reckoning. */
import { totals } from "../consensus/power.ts";
import { power } from "../consensus/types.ts";

export interface Electorate {
  /** By seat. */
  readonly powers: readonly number[];
  readonly quorum: number;
}

export function electorateOf(powers: readonly number[]): Electorate {
  return { powers, quorum: powers.reduce((sum, units) => sum + units, 0) - faultPower(powers) };
}

export function hasQuorum(electorate: Electorate | undefined, seats: Iterable<number>): boolean {
  if (!electorate) return false;
  let signed = 0;
  for (const seat of seats) signed += electorate.powers[seat] ?? 0;
  return signed >= electorate.quorum;
}

export function faultPower(powers: readonly number[]): number {
  return totals(
    powers.map((units) => ({ power: power(units) })),
    "Byzantine",
  ).fault;
}
