/** Every Byzantine strategy, in the order seeds draw from. */
import { batchRepeating } from "./batch-repeating.ts";
import { conflictingVoter } from "./conflicting-voter.ts";
import { equivocatingLeader } from "./equivocating-leader.ts";
import { finalizeWithholding } from "./finalize-withholding.ts";
import { garbling } from "./garbling.ts";
import { impersonator } from "./impersonator.ts";
import { nullifyOnly } from "./nullify-only.ts";
import { payloadWithholding } from "./payload-withholding.ts";
import { rottenDisk } from "./rotten-disk.ts";
import { selectiveSender } from "./selective-sender.ts";
import { slotFiller } from "./slot-filler.ts";
import { staleReplay } from "./stale-replay.ts";
import type { Strategy } from "./strategy.ts";
import { twins } from "./twins.ts";
import { wrongRootLeader } from "./wrong-root-leader.ts";

export const strategies: readonly Strategy[] = [
  equivocatingLeader,
  wrongRootLeader,
  conflictingVoter,
  nullifyOnly,
  finalizeWithholding,
  staleReplay,
  impersonator,
  slotFiller,
  payloadWithholding,
  selectiveSender,
  garbling,
  twins,
  rottenDisk,
  batchRepeating,
];
