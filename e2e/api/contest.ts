/** What the contenders of the election contend about. */
import { namespace } from "./suite.ts";

export const contest = {
  namespace,
  label: "validatorswarm.io/contest",
  object: "contested",
  lease: "contested",
  /** Between two writes of a leader, ms. */
  everyMs: 20,
  /** A fifth of the operator's own, so that a handover takes seconds. */
  times: { leaseDurationMs: 3_000, renewDeadlineMs: 2_000, retryMs: 400, stopMs: 500 },
} as const;
