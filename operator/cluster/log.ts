/**
 * The operator's log: pino JSON lines. Only the fields named here are written, and they are names, sentences of our own
 * and what an API server said: no object of the API, no key, no certificate.
 */
import { type DestinationStream, pino } from "pino";
import type { Performed } from "../apply/perform.ts";
import type { ApiFailure } from "../kube/api-client.ts";
import type { ControllerObservation } from "../kube/runtime.ts";
import type { Action } from "../plan/actions.ts";

export interface OperatorLog {
  readonly say: (level: "info" | "warn" | "error" | "fatal", event: string, fields?: LogFields) => void;
  /** An action of the planner's, and what became of it. */
  readonly action: (swarm: string, action: Action, result: Performed) => void;
  /** Why a visit did nothing. */
  readonly problem: (swarm: string, problem: { readonly reason: string; readonly message: string }) => void;
  /** Elections and collections. */
  readonly observation: (observation: ControllerObservation) => void;
}

export type LogFields = Readonly<Record<string, string | number | boolean>>;

const longestText = 1_024;

/** To standard output unless a destination is given; synchronous, so that the last line before an end is not lost. */
export function createOperatorLog(options: {
  readonly level: string;
  readonly identity: string;
  readonly destination?: DestinationStream;
}): OperatorLog {
  const logger = pino(
    {
      level: options.level,
      base: { operator: options.identity },
      messageKey: "event",
      formatters: { level: (label) => ({ level: label }) },
    },
    options.destination ?? pino.destination({ fd: 1, sync: true }),
  );
  const write = (level: pino.Level, event: string, fields: LogFields = {}) => {
    const cut = Object.entries(fields).map(([key, value]) => [
      key,
      typeof value === "string" ? value.slice(0, longestText) : value,
    ]);
    logger[level](Object.fromEntries(cut), event);
  };

  return {
    say: write,
    action(swarm, action, result) {
      const identity = "identity" in action ? { identity: action.identity } : {};
      const fields = { swarm, action: action.kind, ...identity, reason: action.reason, why: action.message };
      switch (result.kind) {
        case "done":
          return write("info", "action", { ...fields, result: "done" });
        case "outdated":
          // The next plan sees what has changed: nothing to act on.
          return write("debug", "action", { ...fields, result: "outdated", problem: result.message });
        case "refused":
        case "failed":
          return write("warn", "action", { ...fields, result: result.kind, problem: result.message });
      }
    },
    problem: (swarm, { reason, message }) => write("warn", "swarm-problem", { swarm, reason, problem: message }),
    observation(seen) {
      if (seen.about === "election") return election(seen.event);
      const { kind, observation } = seen;
      const fields = { collection: kind.plural };
      switch (observation.kind) {
        case "failed":
          return write("warn", "collection-failed", {
            ...fields,
            during: observation.during,
            ...failureFields(observation.failure),
          });
        case "expired":
          return write("info", "collection-expired", fields);
        case "listed":
        case "watching":
        case "watch-ended":
          return write("debug", `collection-${observation.kind}`, fields);
      }
    },
  };

  function election(event: Extract<ControllerObservation, { about: "election" }>["event"]): void {
    switch (event.kind) {
      case "leading":
        return write("info", "leading", { transitions: event.transitions });
      case "following":
        return write("info", "following", { holder: event.holder });
      case "stopped":
        return write(event.why === "released" ? "info" : "warn", "stopped-leading", { why: event.why });
      case "failed":
        return write("warn", "election-failed", failureFields(event.failure));
    }
  }
}

const failureFields = ({ kind, status, message }: ApiFailure): LogFields => ({
  failure: kind,
  status,
  problem: message,
});
