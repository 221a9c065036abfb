/** What the key manifest of a retained checkpoint names: its files, for a restart and for a peer. */
import type { Disk } from "./disk.ts";
import type { KeyManifest } from "./key-manifest.ts";
import type { KeySegment } from "./key-segment.ts";
import { noCeiling, pageBytes, pageEntries, readEntries } from "./key-segment.ts";
import type { HashSeed, KeyFilter } from "./key-table.ts";
import { addToFilter, createFilter, entryWords, hashAgain } from "./key-table.ts";
import { StorageFaultError } from "./types.ts";

export interface KeyExport {
  readonly parts: number;
  part(index: number): Promise<Uint8Array>;
}

/** Pages of one part. */
const exportPages = 256;

/** The keys of a checkpoint in parts; its files must stay meanwhile. */
export function exportKeys(disk: Disk, path: (number: number) => string, manifest: KeyManifest): KeyExport {
  const partsOf = (row: KeyManifest["segments"][number]) => Math.ceil(Math.ceil(row.count / pageEntries) / exportPages);
  return {
    parts: manifest.segments.reduce((sum, row) => sum + partsOf(row), 0),
    part: async (index) => {
      let left = index;
      for (const row of manifest.segments) {
        if (left >= partsOf(row)) {
          left -= partsOf(row);
          continue;
        }
        const pages = Math.ceil(row.count / pageEntries);
        const from = left * exportPages;
        const to = Math.min(pages, from + exportPages);
        const out = new Uint32Array((to - from) * pageEntries * entryWords);
        let at = 0;
        const file = await disk.open(path(row.number), { create: false });
        try {
          await readEntries({ file, ceiling: row.ceiling }, manifest.seed, from, to, (slot) => {
            for (let i = 0; i < entryWords; i++) out[at + i] = slot[1 + i]!;
            out[at + 5] = slot[6]! - 1;
            at += entryWords;
          });
        } finally {
          await file.close();
        }
        return new Uint8Array(out.buffer, 0, at * 4);
      }
      throw new RangeError(`there is no part ${index}`);
    },
  };
}

/** Opens and verifies a file a manifest names; its keys go into `runFilter` too. Throws `StorageFaultError`. */
export async function restoreSegment(
  disk: Disk,
  path: string,
  row: KeyManifest["segments"][number],
  seed: HashSeed,
  runFilter: KeyFilter,
): Promise<KeySegment> {
  const fault = (kind: "missing" | "corrupt", message: string) =>
    new StorageFaultError({ kind, path: path, offset: undefined, message });
  if (!(await disk.exists(path))) throw fault("missing", "a file of executed keys is gone");
  const file = await disk.open(path, { create: false });
  const pages = Math.ceil(row.count / pageEntries);
  const fences = new Uint32Array(pages);
  const filter = createFilter(row.count);
  let last = -1;
  let whole = 0;
  await readEntries({ file, ceiling: noCeiling }, seed, 0, pages, (slot, page) => {
    whole++;
    if (page !== last) {
      fences[page] = slot[0]!;
      last = page;
    }
    if (slot[6]! - 1 > row.ceiling) return;
    const g = hashAgain(seed, slot[0]!, slot[1]!, slot[4]!);
    addToFilter(filter, slot[0]!, g);
    addToFilter(runFilter, slot[0]!, g);
  });
  if (whole !== row.count || (await file.size()) !== pages * pageBytes)
    throw fault("corrupt", "a file of executed keys has another length");
  return { ...row, file, fences, filter, synced: true };
}
