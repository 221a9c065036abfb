/** What a directory takes of its disk. */
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** Bytes of the blocks allocated to all files in it; a file that goes meanwhile counts as nothing. */
export function diskBytes(directory: string): number {
  const files = readdirSync(directory, { recursive: true, encoding: "utf8" });
  return files.reduce((sum, file) => {
    const entry = lstatSync(join(directory, file), { throwIfNoEntry: false });
    return entry?.isFile() ? sum + entry.blocks * 512 : sum;
  }, 0);
}
