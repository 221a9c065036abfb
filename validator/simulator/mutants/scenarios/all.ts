/** The scenarios by name. */
import type { Scenario } from "../violation.ts";
import { allKilled } from "./all-killed.ts";
import { distantRegion } from "./distant-region.ts";
import { equivocatingLeader } from "./equivocating-leader.ts";
import { halves } from "./halves.ts";
import { impersonator } from "./impersonator.ts";
import { leaderRestarts } from "./leader-restarts.ts";
import { powerCut } from "./power-cut.ts";
import { skippedView } from "./skipped-view.ts";
import { slowLinks } from "./slow-links.ts";
import { slowWorld } from "./slow-world.ts";
import { stalledExecution } from "./stalled-execution.ts";
import { twoReceipts } from "./two-receipts.ts";
import { wrongRoot } from "./wrong-root.ts";

export const scenarios: readonly Scenario[] = [
  allKilled,
  distantRegion,
  equivocatingLeader,
  halves,
  impersonator,
  leaderRestarts,
  powerCut,
  skippedView,
  slowLinks,
  slowWorld,
  stalledExecution,
  twoReceipts,
  wrongRoot,
];
