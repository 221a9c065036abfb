/** The validator's log: pino JSON lines, restricted to the events and fields of `log-events.ts`. */
import { type DestinationStream, pino } from "pino";
import { type LogEventName, type LogEventRow, logEvents } from "./log-events.ts";

type FieldsOf<Name extends LogEventName> = (typeof logEvents)[Name]["fields"][number];

/** A value a log line may hold: never bytes, never an object of the domain. */
type LogValue = string | number | boolean;

/** Writes one event with exactly its fields. */
export type Log = <Name extends LogEventName>(event: Name, fields: Readonly<Record<FieldsOf<Name>, LogValue>>) => void;

const longestText = 256;
const longestStack = 4_096;

/**
 * A log of lines at or above `level`, to standard output unless a destination is given.
 * Writing is synchronous, so that the last line before a crash is not lost.
 */
export function createLog(options: {
  readonly level: string;
  readonly seat: string;
  readonly destination?: DestinationStream;
}): Log {
  const destination = options.destination ?? pino.destination({ fd: 1, sync: true });
  const logger = pino(
    {
      level: options.level,
      base: { seat: options.seat },
      messageKey: "event",
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  return (event, fields) => {
    const row: LogEventRow = logEvents[event];
    if (!logger.isLevelEnabled(row.level)) return;
    logger[row.level](pick(row.fields, fields), event);
  };
}

/** Keeps the declared fields alone, whatever a caller's object holds besides. */
function pick(names: readonly string[], fields: Readonly<Record<string, LogValue>>): Record<string, LogValue> {
  const kept: Record<string, LogValue> = {};
  for (const name of names) {
    const value = fields[name];
    if (value === undefined) continue;
    kept[name] = typeof value === "string" ? value.slice(0, name === "stack" ? longestStack : longestText) : value;
  }
  return kept;
}
