/** Power changes hands only as the protocol allows: agreed, a little at a time, and never away from a correct member. */
import { faultPower } from "../electorate.ts";
import type { History, Violation } from "../history.ts";

/** All correct members have one set in an epoch; from one to the next at most F power goes, of proven offenders alone. */
export function checkElectorates({ facts, electorates, correct }: History): readonly Violation[] {
  const violations: Violation[] = [];
  for (const fact of facts) {
    if (fact.kind !== "epoch") continue;
    const { at, node, epoch, powers } = fact;
    const breaks = (detail: string) => violations.push({ rule: "electorate", detail: `${node}: ${detail}`, at });
    const agreed = electorates.get(epoch)?.powers ?? [];
    if (String(agreed) !== String(powers)) breaks(`epoch ${epoch} has powers ${powers}, elsewhere ${agreed}`);
    const before = electorates.get(epoch - 1)?.powers ?? [];
    const lost = before.map((units, seat) => Math.max(0, units - (powers[seat] ?? 0)));
    const moved = lost.reduce((sum, units) => sum + units, 0);
    if (moved > faultPower(before)) breaks(`epoch ${epoch} moves ${moved} power, F is ${faultPower(before)}`);
    const wronged = correct.find((seat) => (lost[seat] ?? 0) > 0);
    if (wronged !== undefined) breaks(`${wronged} lost power with epoch ${epoch} and did nothing wrong`);
  }
  return violations;
}
