/** How a container ended, as its status says it. */
import { constants } from "node:os";
import { isRecord, type JsonRecord, numberAt, textAt } from "../../kube/objects.ts";

/** `state.terminated` of a container status. */
export interface Terminated {
  readonly exitCode: number;
  readonly signal?: number;
  readonly reason: string;
  readonly message?: string;
  /** RFC 3339. */
  readonly startedAt?: string;
  readonly finishedAt?: string;
}

const signals: Readonly<Record<string, number>> = constants.signals;

/**
 * Times in milliseconds since 1970. A signal becomes the exit code that shells make of it. `said`: its termination
 * message. `lastWords` is asked when there is none and the process failed by itself (`terminationMessagePolicy:
 * FallbackToLogsOnError`).
 */
export function terminated(
  exit: { readonly code: number | null; readonly signal: NodeJS.Signals | null; readonly outOfMemory?: boolean },
  startedAt: number,
  finishedAt: number,
  said: string,
  lastWords: () => string,
): Terminated {
  const signal = exit.signal === null ? undefined : (signals[exit.signal] ?? 0);
  const exitCode = exit.code ?? 128 + (signal ?? 0);
  const failure = exit.signal === null ? lastWords : () => `ended by ${exit.signal}`;
  const message = said !== "" ? said : exitCode === 0 ? "" : failure();
  return {
    exitCode,
    ...(signal === undefined ? {} : { signal }),
    reason: exit.outOfMemory ? "OOMKilled" : exitCode === 0 ? "Completed" : "Error",
    ...(message === "" && exitCode === 0 ? {} : { message }),
    startedAt: timestamp(startedAt),
    finishedAt: timestamp(finishedAt),
  };
}

/** Of a process whose end nobody saw, or that never began. */
export function unknownEnd(message: string): Terminated {
  return { exitCode: 137, reason: "ContainerStatusUnknown", message };
}

/** Seconds, as the API has them. */
export function timestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, "Z");
}

/** Reads what an earlier kubelet wrote; undefined when there is nothing to read. */
export function readTerminated(value: unknown): Terminated | undefined {
  const exitCode = numberAt(value, "exitCode");
  if (!isRecord(value) || exitCode === undefined) return undefined;
  return {
    exitCode,
    reason: textAt(value, "reason"),
    ...optional(value, "message"),
    ...optional(value, "startedAt"),
    ...optional(value, "finishedAt"),
  };
}

function optional(value: JsonRecord, field: "message" | "startedAt" | "finishedAt"): Partial<Record<string, string>> {
  const text = textAt(value, field);
  return text === "" ? {} : { [field]: text };
}
