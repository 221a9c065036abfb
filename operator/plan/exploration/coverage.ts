/** Which parts of the shipped planner an exploration never reached, from the engine's own counters. */
import { readFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { fileURLToPath } from "node:url";

export interface Unreached {
  /** From the planner's folder. */
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

export interface Coverage {
  /** Ends the counting. */
  unreached(): Promise<readonly Unreached[]>;
}

/** Counts from now on; must be called before the planner is imported. */
export async function startCoverage(folder: string): Promise<Coverage> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  return {
    async unreached() {
      const { result } = await session.post("Profiler.takePreciseCoverage");
      session.disconnect();
      return result
        .filter(
          ({ url }) => url.startsWith(`file://${folder}`) && !url.slice(folder.length + 7).includes("exploration"),
        )
        .flatMap(({ url, functions }) => {
          const path = fileURLToPath(url);
          const text = readFileSync(path, "utf8");
          const cold = functions.flatMap(({ ranges }) => ranges.filter(({ count }) => count === 0));
          return cold.map(({ startOffset }) => lineAt(path.slice(folder.length), text, startOffset));
        })
        .filter(({ text }) => text !== "}" && text !== "");
    },
  };
}

/** Types are blanked, not removed, when Node strips them: offsets are those of the file. */
function lineAt(file: string, text: string, offset: number): Unreached {
  const from = offset + (text.slice(offset).match(/^[\s}{)?:&|,]*/)?.[0].length ?? 0);
  const line = text.slice(0, from).split("\n").length;
  return { file, line, text: text.split("\n")[line - 1]?.trim() ?? "" };
}
