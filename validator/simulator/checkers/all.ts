/** Every checker, in the order of what explains most: the first violation is the one to look at. */
import type { History, Violation } from "../history.ts";
import { checkAccusations } from "./accusations.ts";
import { checkAgreement } from "./agreement.ts";
import { checkConservation } from "./conservation.ts";
import { checkDurability } from "./durability.ts";
import { checkElectorates } from "./electorates.ts";
import { checkLiveness } from "./liveness.ts";
import { checkPayments } from "./payments.ts";
import { checkSigningRules } from "./signing-rules.ts";

/** What must hold at any time, under any faults. */
export function checkSafety(history: History): readonly Violation[] {
  return [
    ...checkSigningRules(history),
    ...checkAgreement(history),
    ...checkDurability(history),
    ...checkElectorates(history),
    ...checkAccusations(history),
  ];
}

/** All violations of the history of a world that healed; empty when it is good. */
export function checkAll(history: History, livenessBoundMs: number): readonly Violation[] {
  return [
    ...checkSafety(history),
    ...checkLiveness(history, livenessBoundMs),
    ...checkPayments(history),
    ...checkConservation(history),
  ];
}
