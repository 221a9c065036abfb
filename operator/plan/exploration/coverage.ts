/** Which parts of the shipped planner an exploration never reached, from the engine's own counters. */
import { readFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Stretches of a file that never ran: from and to, in characters, ascending. */
export type Stretches = readonly (readonly [number, number])[];
/** By file, from the planner's folder. */
export type Cold = Readonly<Record<string, Stretches>>;

export interface Place {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

/** Counts in this process from now on; must be called before the planner is imported. The result ends the counting. */
export async function startCoverage(folder: string): Promise<() => Promise<Cold>> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  return async () => {
    const { result } = await session.post("Profiler.takePreciseCoverage");
    session.disconnect();
    const own = result.flatMap(({ url, functions }) => {
      const path = url.startsWith("file://") ? fileURLToPath(url) : "";
      const file = path.startsWith(folder) ? path.slice(folder.length) : "";
      if (file === "" || file.startsWith("exploration/")) return [];
      return [[file, coldOf(functions.flatMap(({ ranges }) => ranges))] as const];
    });
    return Object.fromEntries(own);
  };
}

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

/** An inner range speaks for itself, whatever the one around it says. */
function coldOf(ranges: readonly Range[]): Stretches {
  const end = ranges.reduce((most, { endOffset }) => Math.max(most, endOffset), 0);
  const ran = new Uint8Array(end + 1).fill(1);
  for (const { startOffset, endOffset, count } of ranges.toSorted(
    (a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset,
  ))
    ran.fill(count > 0 ? 1 : 0, startOffset, endOffset);
  const found: [number, number][] = [];
  for (let at = ran.indexOf(0); at >= 0; ) {
    const next = ran.indexOf(1, at);
    found.push([at, next]);
    at = ran.indexOf(0, next);
  }
  return found;
}

/** What is cold in both. A file that one of them never loaded is as the other says. */
export function coldInBoth(a: Cold, b: Cold): Cold {
  const files = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
  return Object.fromEntries(
    files.map((file) => {
      const [one, two] = [a[file], b[file]];
      return [file, one && two ? overlap(one, two) : (one ?? two ?? [])];
    }),
  );
}

function overlap(a: Stretches, b: Stretches): Stretches {
  return a.flatMap(([from, to]) =>
    b.flatMap(([start, end]) =>
      start < to && from < end ? [[Math.max(from, start), Math.min(to, end)] as const] : [],
    ),
  );
}

/** Each stretch by the line it begins at. Types are blanked, not removed, when Node strips them: offsets are the file's. */
export function placesOf(cold: Cold, folder: string): readonly Place[] {
  return Object.entries(cold).flatMap(([file, stretches]) => {
    const text = readFileSync(join(folder, file), "utf8");
    return stretches.flatMap(([from, to]): Place[] => {
      const code = text.slice(from, to).match(/[\w"'`[(!]/);
      if (!code) return [];
      const line = text.slice(0, from + (code.index ?? 0)).split("\n").length;
      return [{ file, line, text: text.split("\n")[line - 1]?.trim() ?? "" }];
    });
  });
}
