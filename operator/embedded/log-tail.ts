/** The end of a process's log, for a person who asks why it ended. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

const mostBytes = 4_096;

/** The last lines, at most `lines` of them; a sentence when there are none. */
export function logTail(file: string, lines = 8): string {
  let descriptor: number;
  try {
    descriptor = openSync(file, "r");
  } catch {
    return `(nothing in ${file})`;
  }
  try {
    const { size } = fstatSync(descriptor);
    const length = Math.min(size, mostBytes);
    const buffer = Buffer.alloc(length);
    readSync(descriptor, buffer, 0, length, size - length);
    const text = buffer.toString("utf8").trim();
    return text === "" ? `(nothing in ${file})` : text.split("\n").slice(-lines).join("\n");
  } finally {
    closeSync(descriptor);
  }
}
