/** The scenarios by name. */
import type { Scenario } from "../violation.ts";
import { equivocatingLeader } from "./equivocating-leader.ts";
import { halves } from "./halves.ts";
import { skippedView } from "./skipped-view.ts";
import { slowLinks } from "./slow-links.ts";

export const scenarios: readonly Scenario[] = [equivocatingLeader, halves, skippedView, slowLinks];
